"""What was measured, as plain data, and what can be read off it; no torch."""
