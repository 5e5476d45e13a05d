"""A matrix is planned and run: clips in, predictions out."""
