"""Each record that is kept is read as it was written, or what was done to it is told in one line."""

from __future__ import annotations

import copy
import json
import math
import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from harness import registry
from harness.cli import seal
from harness.data.audit.findings import Checked, check_file, read_check, write_check
from harness.data.audit.record import (
    Audit,
    AuditPart,
    Counterfactual,
    Estimate,
    LeadingFact,
    audit_file,
    read_audit,
    write_audit,
)
from harness.files import digest, plain
from harness.guard.stored import sealed
from harness.own_sets import bring, find_own
from harness.runtime.cost_process import read_cost
from harness.types import HarnessError, Recipe
from harness.weights import ImportedWeights, find_imported, imported_path, read_weights
from tests.runtime.known_cost import COST

Kept = tuple[Path, Callable[[], Any]]
SHA = "a" * 64


def a_cost(home: Path) -> Kept:
    path = home / "own-costs/xception-1.json"
    write(path, sealed(plain(COST)))
    return path, lambda: read_cost(path)


def an_audit(home: Path) -> Kept:
    auc = Estimate(0.9, 0.8, 0.95)
    lead = (LeadingFact("bit_rate", 0.9, 0.1, "1", "2"),)
    part = AuditPart("container", 9, 9, (0, 0), auc, "", 3, 5, "node", lead, {"swap": auc})
    judged = Counterfactual("meso4", "JPEG", "test split", 5, 6, 1, auc, auc, auc)
    write_audit(Audit("folder", "1", SHA, 18, 0, "trees", "people", part, part, judged, SHA))
    return audit_file("folder"), lambda: read_audit("folder")


def a_check(home: Path) -> Kept:
    counts = (50, 60)
    checked = Checked("folder", SHA, counts, counts, (0, 0), (0, 0), counts, (0, 0), ("blank",), ("size",))
    write_check(checked)
    return check_file("folder", SHA), lambda: read_check("folder", SHA)


def clips_of_ones_own(home: Path) -> Kept:
    folder = home.parent / "mine"
    for name in ("real/a.mp4", "fake/b.mp4"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    said = {"people_from": "parent", "splits": True, "alike": {"a": "b"}}
    path = bring(folder, "mine", said, registry.datasets.get).path
    return path, lambda: find_own("mine")


def imported(home: Path) -> Kept:
    claims = {"trained_on": "ffpp", "threshold": 0.25, "selected": "fixed", "assumed": ["a"]}
    record = ImportedWeights("meso4", "mine", SHA, "a.pth", SHA, "torch", 64, 4, **claims)  # type: ignore[arg-type]
    path = imported_path("meso4", "mine")
    write(path, sealed(asdict(record)))
    return path, lambda: find_imported("meso4:mine")


def weights(home: Path) -> Kept:
    path = home / "weights/meso4.json"
    epoch = {"epoch": 1, "train_loss": 0.5, "val_auc": 0.75, "seconds": 1.0}
    recipe = plain(Recipe(size=16, frames=2, epochs=2, batch=16, learning_rate=1e-2))
    said = {"detector": "meso4", "trained_on": "ffpp", "seed": 0, "key": SHA, "path": "x", "sha256": SHA}
    said |= {"recipe": recipe, "threshold": 0.5, "threshold_source": "source-val", "curve": [epoch]}
    write(path, sealed({**said, "provenance": {"commit": "c", "versions": {"torch": "2"}, "made": [{}]}}))
    return path, lambda: read_weights(path)


def a_seal(home: Path) -> Kept:
    path = seal.seal_file(Namespace())
    said = plain(seal.Seal("basis", {}, {}, {"/gone": None}, {"/gone": None}, ("", "", ""), "a board"))
    write(path, {"format": seal.FORMAT, "sha256": digest(said), "seal": said})
    return path, lambda: seal.unbroken(Namespace())


PLACES = (a_cost, an_audit, a_check, clips_of_ones_own, imported, weights, a_seal)


def write(path: Path, said: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def kept(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr(seal, "basis_of", lambda options: "basis")
    made: Kept = request.param(home)
    return made


def instead(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        path.unlink()
        make(path)

    return edit


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**38)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x55
    path.write_bytes(bytes(data))


EDITS: dict[str, Callable[[Path], Any]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "a bit turned": flipped,
    "zeros": lambda path: path.write_bytes(b"\0" * 4096),
    "no text": lambda path: path.write_bytes(bytes(range(256))),
    "deep lists": lambda path: path.write_text("[" * 200_000),
    "deep records": lambda path: path.write_text('{"a":' * 50_000),
    "many digits": lambda path: path.write_text('{"a": ' + "9" * 6000 + "}"),
    "no record of strings": lambda path: path.write_text('{"stored": "\\u001b[31m", "\\ud800": 1}'),
    **{said: lambda path, said=said: path.write_text(said) for said in ("null", "[]", "1e999", '"x"', "{}")},
    "huge": instead(huge),
    "a folder": instead(lambda path: path.mkdir()),
    "a pipe": instead(os.mkfifo),
    "a device": instead(lambda path: path.symlink_to("/dev/zero")),
    "a link to itself": instead(lambda path: path.symlink_to(path.name)),
    "a link to nowhere": instead(lambda path: path.symlink_to("nowhere")),
    "another file": instead(lambda path: path.symlink_to("/etc/passwd")),
}
OTHER = (
    None,
    [],
    {},
    "x\x1b[31m",
    -1,
    1e308,
    True,
    [[[]]],
    10**30,
    10**19,
    "a\0b",
    math.nan,
    math.inf,
    [5],
    {"a": []},
)


def read(kept: Kept, done: Any) -> Any:
    """What is read; None where it is told, in one line, that nothing can be."""
    try:
        return kept[1]()
    except HarnessError as error:
        line = str(error)
    except Exception as error:
        raise AssertionError(done) from error
    assert "\n" not in line, done
    return None


def test_a_record_that_is_none_is_not_believed(kept: Kept) -> None:
    path, written = kept[0], kept[0].read_bytes()
    for name, edit in EDITS.items():
        path.write_bytes(written)
        assert read(kept, "as written") is not None
        edit(path)
        assert read(kept, name) is None, name
        (path.rmdir if path.is_dir() else path.unlink)()


def places_of(said: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    parts = said.items() if isinstance(said, dict) else enumerate(said) if isinstance(said, list) else ()
    for name, part in parts:
        yield (*at, name)
        yield from places_of(part, (*at, name))


def edited(said: Any, place: tuple[Any, ...], value: Any) -> Any:
    found = copy.deepcopy(said)
    inner = found
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return found


def test_every_edit_of_a_record_is_found(kept: Kept) -> None:
    """A digest is over all of it: no other threshold, name or count is believed."""
    path, _ = kept
    said = json.loads(path.read_text())
    for place in places_of(said):
        if place[0] == "stored":
            continue
        write(path, edited(said, place, "other"))
        assert read(kept, place) is None, place
        lacking = copy.deepcopy(said)
        inner = lacking
        for name in place[:-1]:
            inner = inner[name]
        del inner[place[-1]]
        write(path, lacking)
        assert read(kept, place) is None, place


def test_whatever_a_record_says_under_a_digest_of_its_own_ends_in_no_traceback(kept: Kept) -> None:
    """Somebody who can write the digest too, or a record of an earlier version, which has none."""
    path, _ = kept
    said = json.loads(path.read_text())
    for place in places_of(said):
        for value in OTHER:
            found = edited(said, place, value)
            if "seal" in found:
                found["sha256"] = digest(found["seal"])
            if place[0] != "stored" and isinstance(found.get("stored"), dict):
                found = sealed({name: part for name, part in found.items() if name != "stored"})
            write(path, found)
            read(kept, (place, value))
