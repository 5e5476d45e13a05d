"""Did a change of the code leave everything else as it was? Noted before, compared after.

    python tests/before_after.py note --home .gapbench --results results > before.json
    python tests/before_after.py compare before.json after.json

Noted are the bytes of trained weights, what is in stored predictions (their files also hold keys, commits
and versions), the bytes of tables and plots, and the names of all tests without their files. Nothing of the
harness is imported, so that any two of its versions can be compared.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

TABLES = (".csv", ".md", ".png")


def weights(home: Path) -> dict[str, list[str]]:
    """`detector@trained_on-s<seed>` -> sha256 of every file of tensors of that name."""
    found: dict[str, set[str]] = {}
    for path in (home / "weights").glob("*.safetensors"):
        said = hashlib.sha256(path.read_bytes()).hexdigest()
        found.setdefault(path.stem.rpartition("-")[0], set()).add(said)
    return {name: sorted(said) for name, said in found.items()}


def predictions(home: Path) -> dict[str, list[str]]:
    """Folder of a cell -> sha256 of what is in every file of predictions in it, metadata left out."""
    found: dict[str, set[str]] = {}
    for kind in ("predictions", "validation"):
        for path in (home / kind).rglob("*.parquet"):
            table = pq.read_table(path, partitioning=None)
            said = hashlib.sha256(json.dumps(table.to_pylist()).encode()).hexdigest()
            found.setdefault(path.parent.relative_to(home).as_posix(), set()).add(said)
    return {name: sorted(said) for name, said in found.items()}


def tables(results: Path) -> dict[str, str]:
    """Table or plot -> sha256; the commit that a Markdown file names in its last lines is left out."""
    found = {}
    for path in sorted(results.iterdir()):
        if path.suffix in TABLES:
            said = path.read_bytes()
            if path.suffix == ".md":
                said = re.sub(rb"code\s+[0-9a-f]{10}", b"code", said)
            found[path.name] = hashlib.sha256(said).hexdigest()
    return found


def tests() -> list[str]:
    """Names of all tests, with their cases and without their files."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(line.partition("::")[2] for line in told.splitlines() if "::" in line)


def changes(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """One line for everything noted before that is not so after; what came on top is no change."""
    found = [f"test gone: {name}" for name in sorted(set(before["tests"]) - set(after["tests"]))]
    for kind in ("weights", "predictions", "tables"):
        for name, said in sorted(before[kind].items()):
            now = after[kind].get(name)
            if now != said:
                found.append(f"{kind}: {name} {'is gone' if now is None else 'changed'}")
    return found


def main() -> int:
    """Note, or compare two notes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    note = commands.add_parser("note")
    note.add_argument("--home", type=Path, default=Path(".gapbench"))
    note.add_argument("--results", type=Path, default=Path("results"))
    compare = commands.add_parser("compare")
    compare.add_argument("before", type=Path)
    compare.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "note":
        kept = {"weights": weights(options.home), "predictions": predictions(options.home)}
        print(json.dumps({**kept, "tables": tables(options.results), "tests": tests()}, indent=1))
        return 0
    before, after = (json.loads(path.read_text()) for path in (options.before, options.after))
    found = changes(before, after)
    counts = ", ".join(
        f"{len(before[kind])} {kind}" for kind in ("weights", "predictions", "tables", "tests")
    )
    print("\n".join(found) or f"nothing changed: {counts}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
