"""How many copies are found, by what was done to them, and how many pairs of people are called copies."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.data.perceptual_hash import hash_of, nearest, pairs, resembling
from harness.types import FAKE, REAL, Clip
from harness.video.frames import read_frames
from tests.data.edited_copies import EDITS, NOT_FOUND, in_studio, recoded, shelves

ROOMS, SHARES = (1, 2, 3), (0.1, 0.2, 0.3)


def looks(pixels: np.ndarray) -> str:
    return hash_of(list(pixels[[0, len(pixels) // 2, len(pixels) - 1]]))


@pytest.fixture(scope="module")
def clips(tiny_root: Path) -> list[Clip]:
    return list(registry.datasets.get("procedural_tiny").clips(tiny_root))


@pytest.fixture(scope="module")
def takes(clips: list[Clip]) -> list[np.ndarray]:
    """All frames of every real clip of the tiny dataset: 26 people, two takes each."""
    return [read_frames(each.path, (8,)).pixels for each in clips if each.label == REAL]


@pytest.mark.benchmark(group="inspection")
def test_copies_by_what_was_done_to_them(benchmark, takes):
    originals = [looks(take) for take in takes]
    found: dict[str, int] = {}
    wrong = 0
    for name, edit in (EDITS | NOT_FOUND).items():
        met = nearest([looks(recoded(edit(take), 23)) for take in takes], originals)
        found[name] = sum(met.get(number) == number for number in range(len(takes)))
        wrong += sum(number != other for number, other in met.items())
    benchmark.pedantic(nearest, (originals, originals), rounds=1)
    print(f"\ncopies found, of {len(takes)} each; {wrong} were taken for copies of another take")
    print("\n".join(f"  {name:28s}{number:4d}" for name, number in found.items()))
    share: Mapping[str, float] = {name: number / len(takes) for name, number in found.items()}
    benchmark.extra_info["copies found"] = round(float(np.mean([share[name] for name in EDITS])), 3)
    assert min(share[name] for name in EDITS) >= 0.9 and wrong == 0


@pytest.mark.benchmark(group="inspection")
def test_people_taken_for_copies(benchmark, clips, takes):
    originals = [looks(take) for take in takes]
    called = {"anywhere": (len(list(pairs(originals))), len(takes) * (len(takes) - 1) // 2)}
    told: dict[str, tuple[int, int]] = {}
    copies = [0, 0]
    for share in SHARES:
        wrong = count = met = 0
        for room in ROOMS:
            filmed = in_studio(takes[::2], shelves(room), share, seed=room)
            hashes = [looks(recoded(each, 23)) for each in filmed]
            wrong += len(list(pairs(hashes)))
            count += len(list(combinations(hashes, 2)))
            met += len(resembling(hashes[::2], hashes[1::2]))
            again = nearest([looks(recoded(each, 40)) for each in filmed], hashes)
            copies[0] += sum(number == other for number, other in again.items())
            copies[1] += len(hashes)
        called[f"in one studio, head {share:.0%}"] = wrong, count
        told[f"in one studio, head {share:.0%}"] = met, len(ROOMS) * len(hashes[::2])
    hashes = [looks(read_frames(each.path, (8,)).pixels) for each in clips]
    footage = [each.attributes["footage"] for each in clips]
    twins = sum(footage[one] == footage[other] for one, other in pairs(hashes))
    fakes = sum(each.label == FAKE for each in clips)
    benchmark.pedantic(lambda: list(pairs(originals)), rounds=1)
    print("\npairs of clips of different people that are called copies, and clips told to share a place")
    for name, (wrong, count) in called.items():
        said = "{} of {}".format(*told[name]) if name in told else "-"
        print(f"  {name:28s}{wrong:4d} of {count:5d}{said:>12s}")
    print(f"copies of studio clips: {copies[0]} of {copies[1]}; fakes and their real: {twins} of {fakes}")
    benchmark.extra_info["twins found"] = round(twins / fakes, 3)
    assert called["anywhere"][0] == 0
    assert sum(wrong for wrong, _ in called.values()) <= 0.005 * sum(count for _, count in called.values())
    assert copies[0] == copies[1] and twins >= 0.9 * fakes
