"""What stands between GapBench and files, names and code of strangers; the ground itself rests on it."""
