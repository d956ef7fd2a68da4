"""A result as one HTML file that needs no other, and its small form for notebooks."""
