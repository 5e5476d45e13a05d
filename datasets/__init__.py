"""Datasets, one file or folder each: whatever lists labelled clips is registered here."""
