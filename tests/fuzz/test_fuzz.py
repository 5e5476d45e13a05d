"""A small part of `make fuzz`: seeded mutants of every kind, and all that was ever found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.fuzz import SHARES, Case, cases, corpus, findings
from tests.fuzz.mutants import mutant
from tests.fuzz.sound import write_sound_files

MUTANTS = 200


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_sound_files(tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("kind", SHARES)
def test_no_mutant_hangs_crashes_floods_or_is_taken_for_what_it_is_not(
    kind: str, sound: list[Path], tmp_path: Path
) -> None:
    share = round(MUTANTS * SHARES[kind] / sum(SHARES.values()))
    judged = [*(case for case in corpus(sound) if case.kind == kind), *cases(sound, share, 0, [kind])]
    found = [f"{case.name}: {came}: {wrong}" for case, came, wrong in findings(judged, tmp_path) if wrong]
    assert found == []


def test_a_number_gives_always_the_same_mutant_and_hardly_ever_the_sound_file(sound: list[Path]) -> None:
    for path in sound:
        data = path.read_bytes()
        made = [mutant(data, path.name, number) for number in range(20)]
        assert made == [mutant(data, path.name, number) for number in range(20)]
        assert sum(one != data for one in made) >= 15, path
        assert made[0] != mutant(data, path.name, 0, seed=1)


def test_what_is_wrong_is_found(sound: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends, and one that does not answer, are findings."""
    (picture,) = (path for path in sound if path.name == "picture.png")
    case = Case("media", picture, 1)
    for code, what in (
        ("import os, sys; sys.stdin.readline(); os._exit(3)", "crashes"),
        ("input(); input()", "hangs"),
    ):
        fake = tmp_path / what
        fake.mkdir()
        monkeypatch.setattr("tests.fuzz.fuzz.WORKER", ["-c", _answering_first(code)])
        monkeypatch.setattr("tests.fuzz.fuzz.SECONDS", 1)
        assert [came for _, came, _ in findings([case], fake)] == [what]


def _answering_first(code: str) -> str:
    return f'print(\'["accepted", ""]\', flush=True); input(); {code}'
