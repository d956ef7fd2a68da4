"""From what was measured to what to train with: the peak, the schedule, the reasons; no torch."""
