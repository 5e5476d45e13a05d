"""A board becomes pictures."""
