"""A board against an accepted one becomes verdicts."""
