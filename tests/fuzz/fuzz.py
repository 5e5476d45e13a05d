"""Damages sound files in seeded ways and lets GapBench read them: `make fuzz COUNT=5000 SEED=1`.

What is found is written to `build/fuzz`; a finding that was mended goes to `tests/fuzz/corpus/<kind>`, whose
files the suite reads for ever after.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.progress import Progress

from .mutants import mutant
from .sound import write_sound_files

WORKER = ["-m", "fuzz.worker"]
SECONDS = 60
"""Longest that a mutant may take."""
SHARES = {"media": 10, "manifest": 4, "scores": 3, "weights": 4, "graph": 2, "matrix": 3, "stored": 2}
"""How many of so many mutants are of a kind."""


@dataclass(frozen=True)
class Case:
    """A mutant of a sound file, or a file of the corpus in its place."""

    kind: str
    sound: Path
    number: int = 0
    seed: int = 0
    given: Path | None = None

    @property
    def name(self) -> str:
        """What it is called in a report."""
        made = f"{self.sound.name} number {self.number} of seed {self.seed}"
        return f"{self.kind}/{self.given.name if self.given else made}"


class Worker:
    """The process that judges; a new one when it ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def judge(self, case: Case) -> tuple[str, str]:
        """(what came out, what is wrong with that, empty if nothing is)."""
        if self.process is None:
            self._start(case)
        return self._ask(case)

    def _start(self, case: Case) -> None:
        here = Path(__file__).resolve().parent
        self.process = subprocess.Popen(
            [sys.executable, *WORKER, str(self.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "said.txt").open("wb"),
            env={**os.environ, "PYTHONPATH": str(here.parent), "OMP_NUM_THREADS": "1"},
        )
        came, wrong = self._ask(Case(case.kind, case.sound, given=case.sound), 240)
        assert (came, wrong) == ("accepted", ""), f"the sound {case.sound.name} is {came}: {wrong}"

    def _ask(self, case: Case, seconds: float | None = None) -> tuple[str, str]:
        seconds = SECONDS if seconds is None else seconds
        process = self.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        asked = [case.kind, str(case.sound), case.number, case.seed, str(case.given) if case.given else None]
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else b""
        if line:
            came, wrong = json.loads(line)
            return came, wrong
        self.stop()
        if not ready:
            return "hangs", f"did not end within {seconds:g} s"
        said = (self.folder / "said.txt").read_text(errors="replace")[-2000:]
        return "crashes", f"the process ended with {process.returncode}: {said}"

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self.process = None


def cases(sound: Sequence[Path], count: int, seed: int, kinds: Sequence[str] = ()) -> list[Case]:
    """So many mutants, shared among the kinds as `SHARES` says, and among the files of a kind evenly."""
    wanted = {kind: share for kind, share in SHARES.items() if kind in kinds or not kinds}
    whole, found = sum(wanted.values()), []
    for kind, share in wanted.items():
        files = [path for path in sound if path.parent.name == kind]
        found += [
            Case(kind, files[number % len(files)], number, seed)
            for number in range(max(1, round(count * share / whole)))
        ]
    return found


def corpus(sound: Sequence[Path]) -> list[Case]:
    """Every file that once was a finding; it stands in the place of the sound file of its kind and ending."""
    found = []
    for given in sorted((Path(__file__).parent / "corpus").glob("*/*")):
        alike = [path for path in sound if path.parent.name == given.parent.name]
        same = [path for path in alike if path.suffix == given.suffix]
        found.append(Case(given.parent.name, (same or alike)[0], given=given))
    return found


def findings(
    judged: Sequence[Case], folder: Path, progress: Progress | None = None
) -> Iterator[tuple[Case, str, str]]:
    """(case, what came out, what is wrong) of each, those of a kind in one process."""
    for kind in dict.fromkeys(case.kind for case in judged):
        place = folder / f"at-{kind}"
        place.mkdir(exist_ok=True)
        worker = Worker(place)
        try:
            for case in (case for case in judged if case.kind == kind):
                yield case, *worker.judge(case)
                if progress is not None:
                    progress.advance(note=case.name)
        finally:
            worker.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge mutants; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", default=[], choices=SHARES)
    options = parser.parse_args(arguments)
    kept, counted, wrong = Path("build/fuzz"), Counter[str](), 0
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ["GAPBENCH_HOME"] = str(Path(name) / "home")
        sound = write_sound_files(Path(name) / "sound")
        judged = [*corpus(sound), *cases(sound, options.count, options.seed, options.kind)]
        with Progress("fuzz", len(judged), "mutant") as progress:
            for case, came, said in findings(judged, Path(name), progress):
                kind = "finding" if said else "accepted" if came == "accepted" else "refused"
                counted[f"{case.kind} {kind}"] += 1
                if said:
                    wrong += 1
                    print(f"\n{case.name}: {came}\n{said}", flush=True)
                    if case.given is None:
                        data = mutant(case.sound.read_bytes(), case.sound.name, case.number, case.seed)
                        stem = f"{case.kind}-{case.sound.stem}-{case.seed}-{case.number}"
                        (kept / f"{stem}{case.sound.suffix}").write_bytes(data)
    for what, many in sorted(counted.items()):
        print(f"{what:20} {many:6}")
    print(f"{wrong} findings" + (f", kept in {kept}" if wrong else ""))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
