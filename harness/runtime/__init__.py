"""A detector on a device: placed, run, timed; knows no dataset and no metric."""
