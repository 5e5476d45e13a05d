"""A board becomes text and tables."""
