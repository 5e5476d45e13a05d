"""What is wrong with a dataset on this machine, by name and by class, before a detector sees it."""
