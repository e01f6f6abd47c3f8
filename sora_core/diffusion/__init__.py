"""Schedules, steps, guidance and the one sampling loop."""
