"""What a person sees: the report, the pictures, the notebook, the bar; no torch."""
