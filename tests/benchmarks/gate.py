"""The gate of speed: the interleaved pairs measured again, against the ratios that were accepted.

    PYTHONPATH=tests python -m benchmarks.gate           judge (make bench-gate)
    PYTHONPATH=tests python -m benchmarks.gate accept    accept what `make bench` last wrote for this machine

Exit codes: 0 nothing is worse, 1 something is, 2 bad input, 4 nothing accepted or comparable, 70 a bug.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.files import read_json, write_whole
from harness.types import HarnessError

from . import machine
from .figures import Figure
from .pairs import CASES, PAIRS, measure

MARGIN = 0.15
"""How far below the accepted ratio the whole interval has to lie to be worse."""
RESULTS = Path(__file__).resolve().parents[2] / "results"
MEASURED = RESULTS / "benchmarks"
"""Where `make bench` writes; git ignores it."""
PUBLISHED = RESULTS / "published" / "benchmarks"
"""What is committed: the accepted ratios, and the pages of the machines they were measured on."""


class Verdict(NamedTuple):
    """What the gate says of one ratio."""

    name: str
    word: str
    """`same`, `better`, `worse`, `inconclusive` or `not judged`."""
    why: str


def judge(
    figure: Figure, accepted: Mapping[str, Any] | None, then: Sequence[str], now: Sequence[str]
) -> Verdict:
    """The verdict on a ratio: `accepted` is its accepted figure, `then` and `now` the processors' flags."""
    reason = _incomparable(figure, accepted, then, now)
    if reason or accepted is None or figure.interval is None:
        return Verdict(figure.name, "not judged", reason)
    was, (low, high) = accepted["value"], figure.interval
    least, most = was * (1 - MARGIN), was * (1 + MARGIN)
    said = f"{figure.value:.2f}x [{low:.2f}, {high:.2f}], accepted {was:.2f}x"
    if high < least:
        return Verdict(figure.name, "worse", f"{said}: all of the interval is below {least:.2f}x")
    if low > most:
        return Verdict(figure.name, "better", f"{said}: all of the interval is above {most:.2f}x")
    if low >= least and high <= most:
        return Verdict(figure.name, "same", f"{said}: within {MARGIN:.0%}")
    return Verdict(figure.name, "inconclusive", f"{said}: the interval reaches beyond {MARGIN:.0%} of it")


def _incomparable(
    figure: Figure, accepted: Mapping[str, Any] | None, then: Sequence[str], now: Sequence[str]
) -> str:
    """Why a ratio is not judged; empty when it is."""
    if figure.value is None:
        return figure.why
    if accepted is None or accepted.get("value") is None:
        return "no ratio was accepted for it"
    if dict(accepted["workload"]) != dict(figure.workload):
        return "the accepted ratio is of another workload"
    if figure.precision == "bf16":
        for flags, whose in ((now, "this processor has"), (then, "the accepted one had")):
            if not machine.native_bf16(flags):
                return f"{whose} neither {' nor '.join(machine.BF16_FLAGS)}"
    matter = machine.FP32_FLAGS if figure.precision == "fp32" else (*machine.FP32_FLAGS, *machine.BF16_FLAGS)
    differ = [name for name in matter if (name in then) != (name in now)]
    if differ:
        return f"accepted on a processor that differs in {', '.join(differ)}"
    if figure.interval is None or len(figure.pairs) < PAIRS:
        return f"{len(figure.pairs)} pairs, and {PAIRS} are needed"
    return ""


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """1 when a ratio is worse, 4 when none could be judged, else 0."""
    words = {verdict.word for verdict in verdicts}
    if "worse" in words:
        return 1
    return 0 if words - {"not judged"} else 4


def run_gate(folder: Path, pairs: int) -> int:
    """Measure and judge, a line a ratio."""
    path = folder / "accepted.json"
    if not path.is_file():
        print(f"bench-gate: nothing is accepted ({path}); run: make bench bench-accept", file=sys.stderr)
        return 4
    accepted = read_json(path)
    here, then = machine.describe(), accepted["machine"]
    differ = [
        f"{name} {then.get(name)} -> {value}" for name, value in here.items() if then.get(name) != value
    ]
    if differ:
        print(f"since it was accepted: {'; '.join(differ)}")
    ratios = {each["name"]: each for each in accepted["figures"]}
    verdicts = []
    for case in CASES:
        verdicts.append(judge(measure(case, pairs), ratios.get(case.name), then["flags"], here["flags"]))
        print("{:<34} {:<12} {}".format(*verdicts[-1]), flush=True)
    return exit_code(verdicts)


def accept(measured: Path, folder: Path) -> int:
    """Make the ratios that `make bench` last wrote for this machine the accepted ones, and publish them."""
    written = measured / f"{machine.slug(machine.describe())}.json"
    if not written.is_file():
        raise HarnessError(f"nothing was measured on this machine ({written}); run: make bench")
    said = read_json(written)
    kept = [each for each in said["figures"] if each["pairs"]]
    lacking = [each["name"] for each in kept if len(each["pairs"]) < PAIRS]
    if lacking or not kept:
        raise HarnessError(
            f"{written.name} has fewer than {PAIRS} pairs of {lacking or 'anything'}; run: make bench"
        )
    facts = {name: said[name] for name in ("machine", "date")}
    write_whole(folder / "accepted.json", json.dumps({**facts, "figures": kept}, indent=1) + "\n")
    for page in (written, written.with_suffix(".md")):
        write_whole(folder / page.name, page.read_text())
    for each in kept:
        print(f"accepted {each['name']}: {each['value']:.2f}x")
    return 0


def main() -> int:
    """Judge or accept; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench-gate", description="Compare ratios of speed with accepted ones."
    )
    parser.add_argument("action", nargs="?", choices=("judge", "accept"), default="judge")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"default and least: {PAIRS}")
    parser.add_argument(
        "--folder",
        type=Path,
        default=PUBLISHED,
        help="accepted ratios (default: results/published/benchmarks)",
    )
    parser.add_argument(
        "--measured", type=Path, default=MEASURED, help="where make bench wrote (default: results/benchmarks)"
    )
    options = parser.parse_args()
    try:
        if options.pairs < PAIRS:
            raise HarnessError(f"{options.pairs} pairs are too few to judge by (at least {PAIRS})")
        if options.action == "accept":
            return accept(options.measured, options.folder)
        return run_gate(options.folder, options.pairs)
    except HarnessError as error:
        print(f"bench-gate: {error}", file=sys.stderr)
        return 2
    except Exception:  # noqa: BLE001 - not 1, which is a verdict
        traceback.print_exc()
        return 70


if __name__ == "__main__":
    sys.exit(main())
