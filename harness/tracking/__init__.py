"""A board becomes MLflow runs; the only import of MLflow."""
