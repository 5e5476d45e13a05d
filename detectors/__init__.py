"""Detectors, one file each: whatever scores a clip is registered here."""
