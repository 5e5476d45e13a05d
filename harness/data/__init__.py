"""Which clips lie here, what they show, and what is wrong with them."""
