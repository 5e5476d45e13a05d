"""The matrices: which detectors meet which datasets, one TOML file each."""
