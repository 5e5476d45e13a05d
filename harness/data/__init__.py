"""Which clips lie here, and what they show."""
