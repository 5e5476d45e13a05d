"""What a conformance check finds out, how checks are run, and the frames they are tried on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from harness.guard.clip_bounds import reason_of
from harness.guard.names import said_by
from harness.guard.patience import doing

Subject = TypeVar("Subject")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found out about one plug-in."""

    check: str
    """Name of the check, e.g. `scores_do_not_depend_on_the_batch`."""
    passed: bool
    detail: str
    """The promise that is kept, or in one line how it is broken."""


class Broken(Exception):
    """A promise is not kept; the text says how."""


def require(kept: object, otherwise: str) -> None:
    """Raise `Broken` with that text unless `kept` holds."""
    if not kept:
        raise Broken(otherwise)


def run_checks(
    checks: Iterable[Callable[[Subject], str | None]], subject: Subject, whose: str = ""
) -> list[Finding]:
    """Run checks one after the other; a check that passes may give a note to show instead of its promise.

    `whose`: the plug-in that is said to hang where one check does not end; empty: nobody waits for that.
    """
    found = []
    for check in checks:
        with doing(f"{whose}, the check {check.__name__}") if whose else nullcontext():
            found.append(_run(check, subject))
    return found


def _run(check: Callable[[Subject], str | None], subject: Subject) -> Finding:
    name = check.__name__
    promise = (check.__doc__ or name).splitlines()[0]
    try:
        note = check(subject)
    except Broken as broken:
        return Finding(name, False, _line(str(broken)))
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is a finding, never a crash
        return Finding(name, False, _line(f"{type(error).__name__}: {said_by(error)}"))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - the same
        return Finding(name, False, _line(f"it ended the program: {reason_of(error)}"))
    return Finding(name, True, note or promise)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]


def natural_frames(frames: int, height: int, width: int, seed: int) -> np.ndarray:
    """Frames uint8 `[T, H, W, 3]` with a photograph's mixture of shading, edges, colour and fine texture."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    clip = np.empty((frames, height, width, 3))
    phase, tint = rng.uniform(0, 6.28, 3), rng.uniform(0.6, 1.0, 3)
    grain = rng.normal(0, 6, (height, width, 1))
    for number in range(frames):
        shift = 0.02 * number
        shading = 90 + 60 * np.sin(3 * (x + shift) + phase[0]) * np.cos(2 * y + phase[1])
        disc = 60.0 * ((x - 0.5 - shift) ** 2 + (y - 0.5) ** 2 < 0.09)
        stripes = 25 * np.sign(np.sin(60 * (x + y) + phase[2]))
        clip[number] = (shading + disc + stripes)[..., None] * tint + grain
    return clip.clip(0, 255).round().astype(np.uint8)
