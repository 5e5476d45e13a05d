"""`python -m harness.cli` is `gapbench`."""

import sys

from harness.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
