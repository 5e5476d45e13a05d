"""A file becomes frames, faces and crops, to the bit."""
