"""Labels and scores become numbers that say how sure they are; arrays only."""
