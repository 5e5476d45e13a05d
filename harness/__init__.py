"""GapBench measures how far a deepfake detector falls when the forgery is one it has never seen."""

__version__ = "0.1.0"
