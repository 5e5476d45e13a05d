"""A file becomes frames, faces and crops, to the bit."""

from harness.video.frame_folder import frame_files
from harness.video.frames import read_frames

__all__ = ["frame_files", "read_frames"]
