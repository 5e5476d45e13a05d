"""The command line: one file a group of commands, its arguments and what it does; the only `print`."""

from harness.cli.entry import main

__all__ = ["main"]
