"""Judges mutants, one a line of standard input; says of each when it begins and what came out.

A process of its own: what crashes, hangs or eats memory is the mutant that was begun and not ended.
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import sys
import tempfile
import traceback
from pathlib import Path

SPARE = 3 << 30
"""Bytes of address space that a mutant may take."""
MOST = 1.5 * 2**20
"""kB of memory that the process may come to hold because of one mutant."""


def main() -> int:
    os.environ["GAPBENCH_HOME"] = str(Path(sys.argv[1]) / "home")
    os.environ["GAPBENCH_ALLOW_CLIP_SECONDS"] = "20"
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    faulthandler.enable()

    from .mutants import mutant
    from .readers import outcome

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        limited = False
        for line in sys.stdin:
            kind, sound, number, seed, given = json.loads(line)
            path = Path(sound)
            data = Path(given).read_bytes() if given else mutant(path.read_bytes(), path.name, number, seed)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                came = outcome(kind, path, data, Path("mutant"))
                found = ""
            except BaseException as error:  # noqa: BLE001 - all of it is a finding
                came, found = type(error).__name__, "".join(traceback.format_exception(error)[-4:])
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            if limited and grown > MOST:
                found = f"took {grown / 2**20:.1f} GiB"
            print(json.dumps([came, found]), file=answers, flush=True)
            if not limited:  # the first is a sound one, and loads the libraries
                held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (held + SPARE, held + SPARE))
                limited = True
    return 0


if __name__ == "__main__":
    sys.exit(main())
