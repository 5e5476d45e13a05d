"""A test clip that shows what was trained on is found by its name, by its frames, and by its looks."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.data.fingerprints import Fingerprint
from harness.data.overlap import (
    Shared,
    alike,
    identities,
    people_met,
    sequences,
    shared,
    strangers,
    told,
    why,
)
from harness.data.perceptual_hash import hash_of, nearest, pairs, resembling
from harness.types import FAKE, REAL, Clip
from harness.video.frames import read_frames
from tests.data.edited_copies import EDITS, in_studio, recoded, shelves

NOWHERE = Path("nowhere.mp4")


def clip(name: str, footage: str | None = None, **facts: str) -> Clip:
    split = "train" if name.startswith("train") else "test"
    attributes = {"footage": footage} if footage else {}
    return Clip(name, NOWHERE, REAL, split, attributes=attributes, **facts)


def said(found: list[Shared]) -> list[tuple[str, str, str]]:
    return [(each.test_clip.id, each.train_clip.id, each.how) for each in found]


def test_the_same_recording_is_found_in_another_dataset() -> None:
    train = [clip("train/a", "ffpp/000"), clip("train/b", "ffpp/001"), clip("train/c")]
    test = [clip("test/x", "ffpp/007"), clip("test/y", "ffpp/001"), clip("test/z")]
    assert said(shared(train, test)) == [("test/y", "train/b", "footage")]


def test_clips_without_a_footage_name_do_not_share_one() -> None:
    assert shared([clip("train/a"), clip("train/b", "")], [clip("test/a"), clip("test/b", "")]) == []


def test_a_clip_that_is_trained_on_and_tested_on_is_named_first_of_all() -> None:
    both = clip("test/a", "ffpp/000")
    assert said(shared([clip("train/a", "ffpp/000"), both], [both])) == [("test/a", "test/a", "id")]


def test_the_same_frames_are_found_under_other_names() -> None:
    prints = {
        "train/a": Fingerprint("train/a", 1, content="1" * 64),
        "test/x": Fingerprint("test/x", 1, content="1" * 64),
        "test/y": Fingerprint("test/y", 1, content="2" * 64),
        "test/broken": Fingerprint("test/broken", 1, error="cut off"),
        "train/broken": Fingerprint("train/broken", 1, error="cut off"),
    }
    train = [clip("train/a"), clip("train/broken")]
    test = [clip("test/x"), clip("test/y"), clip("test/broken"), clip("test/unread")]
    assert said(shared(train, test, prints)) == [("test/x", "train/a", "content")]
    assert shared(train, test) == []


def test_a_person_is_found_as_target_and_as_source_and_is_not_footage() -> None:
    train = [clip("train/a", target="id3"), clip("train/b", target="id9", source="id4")]
    test = [clip("test/x", target="id4"), clip("test/y", target="id5", source="id3"), clip("test/z")]
    found = identities(train, test)
    assert said(found) == [("test/x", "train/b", "identity"), ("test/y", "train/a", "identity")]
    assert shared(train, test) == []
    assert "2 of 3 test clips share people" in why(found, 3)


def test_people_are_counted_and_can_be_kept_apart() -> None:
    train = [clip("train/a", target="id3"), clip("train/b", target="id9", source="id4")]
    test = [
        clip("test/x", target="id4"),
        clip("test/y", target="id5", source="id4"),
        clip("test/z", target="id5"),
        clip("test/nobody"),
    ]
    assert people_met(train, test) == (
        "2 of 4 test clips show people whom training clips show too (1 person), e.g. test/x and train/b; "
        "1 names nobody"
    )
    kept = strangers(train, test)
    assert [each.id for each in kept] == ["test/z", "test/nobody"]
    assert people_met(train, kept) == "" and strangers(train, kept) == kept


def test_the_reason_counts_and_names_an_example() -> None:
    train = [clip("train/a", "ffpp/000")]
    test = [clip(f"test/{number}", "ffpp/000") for number in range(12)]
    assert why(shared(train, test), 518) == (
        "12 of 518 test clips share footage with the training clips, e.g. test/0 and train/a (same recording)"
    )
    assert why(shared(train, test[:1])).startswith("1 test clip shares footage")
    assert why([]) == ""


def looks(pixels: np.ndarray) -> str:
    return hash_of(list(pixels[[0, len(pixels) // 2, len(pixels) - 1]]))


@pytest.fixture(scope="module")
def takes(tiny_root: Path) -> list[np.ndarray]:
    """All frames of every real clip of the tiny dataset: 26 people, two takes each."""
    clips = registry.datasets.get("procedural_tiny").clips(tiny_root)
    return [read_frames(each.path, (8,)).pixels for each in clips if each.label == REAL]


@pytest.mark.parametrize(
    ("crf", "width", "height"), [(23, 160, 160), (35, 160, 160), (30, 80, 80), (28, 240, 160)]
)
def test_a_recoded_or_resized_copy_is_found_and_no_other_take_is(
    takes: list[np.ndarray], crf: int, width: int, height: int
) -> None:
    originals = [looks(take) for take in takes]
    copies = [looks(recoded(take, crf, width, height)) for take in takes]
    assert nearest(copies, originals) == {number: number for number in range(len(takes))}
    for number in range(len(takes)):  # without its original, a copy is like no other take
        assert nearest([copies[number]], originals[:number] + originals[number + 1 :]) == {}


def test_a_near_copy_is_shared_footage(takes: list[np.ndarray]) -> None:
    def printed(name: str, pixels: np.ndarray) -> Fingerprint:
        return Fingerprint(name, 1, content=name, perceptual=looks(pixels))

    prints = {
        "train/a": printed("train/a", takes[0]),
        "test/x": printed("test/x", takes[1]),
        "test/y": printed("test/y", recoded(takes[0], 35, 160, 160)),
    }
    test = [clip("test/x"), clip("test/y")]
    found = shared([clip("train/a")], test, prints)
    assert said(found) == [("test/y", "train/a", "near copy")]
    assert "(near copy)" in why(found, 2)


def test_clips_of_one_colour_are_like_nothing() -> None:
    black, white = (np.full((3, 64, 64, 3), level, np.uint8) for level in (0, 255))
    assert looks(black) == looks(white) == ""
    assert nearest(["", ""], [""]) == {}


def test_a_fade_in_does_not_hide_a_copy(takes: list[np.ndarray]) -> None:
    faded = takes[0].copy()
    faded[0] = 0
    assert nearest([looks(recoded(faded, 35, 160, 160))], [looks(faded), looks(takes[1])]) == {0: 0}


def test_the_nearest_of_many_is_found_wherever_it_stands() -> None:
    rng = np.random.default_rng(0)
    many = rng.integers(40, 200, (3000, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)

    def stored(clips: np.ndarray) -> list[str]:
        return [b64encode(clip.astype(np.uint8).tobytes()).decode() for clip in clips]

    def changed(by: float) -> np.ndarray:
        return many[1234] + rng.normal(0, by, many[1234].shape)

    many[2900] = changed(12)  # a copy further off
    listed = stored(many)
    assert nearest(["", *listed[:700], *stored([changed(4)])], listed)[701] == 1234
    assert nearest(stored([changed(60)]), listed) == {}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_found_and_no_other_take_is(takes: list[np.ndarray], edit: str) -> None:
    originals = [looks(take) for take in takes]
    copies = [looks(recoded(EDITS[edit](take), 23)) for take in takes[:16]]
    assert len(nearest(copies, originals).items() & {(number, number) for number in range(16)}) >= 15
    assert {other for other in nearest(originals, copies).items() if other[0] != other[1]} == set()
    assert {pair for pair in pairs([*originals, *copies]) if pair[1] != pair[0] + len(originals)} == set()


def test_people_in_one_studio_are_no_copies_and_are_said_to_share_a_place(takes: list[np.ndarray]) -> None:
    filmed = in_studio(takes[::2], shelves(1), 0.1, seed=0)  # one take of each of 26 people
    hashes = [looks(recoded(clip, 23)) for clip in filmed]
    assert list(pairs(hashes)) == []
    assert nearest(hashes[::2], hashes[1::2]) == {}
    assert len(resembling(hashes[::2], hashes[1::2])) >= 12
    copies = [looks(recoded(clip, 40)) for clip in filmed]
    assert nearest(copies, hashes) == {number: number for number in range(26)}


def test_a_shared_place_is_told_and_is_no_shared_footage(takes: list[np.ndarray]) -> None:
    first, second = (looks(clip) for clip in in_studio(takes[:4:2], shelves(1), 0.05, seed=0))
    prints = {
        "train/a": Fingerprint("train/a", 1, content="1", perceptual=first, opening="title"),
        "test/place": Fingerprint("test/place", 1, content="2", perceptual=second, opening="3"),
        "test/title": Fingerprint("test/title", 1, content="4", perceptual=looks(takes[6]), opening="title"),
        "test/other": Fingerprint("test/other", 1, content="5", perceptual=looks(takes[8]), opening="6"),
        "test/copy": Fingerprint("test/copy", 1, content="1", perceptual=first, opening="title"),
    }
    train, *test = (clip(name) for name in prints)
    leaked = shared([train], test, prints)
    assert said(leaked) == [("test/copy", "train/a", "content")]
    assert said(alike([train], test, prints, leaked)) == [
        ("test/place", "train/a", "picture"),
        ("test/title", "train/a", "picture"),
    ]
    assert told([train], test, prints, leaked) == (
        "2 of 4 test clips show a picture or place of the training clips, e.g. test/place and train/a"
    )
    assert told([train], test[2:3], prints, []) == ""


def test_a_forgery_counts_as_a_copy_of_the_footage_it_was_made_from(tiny_root: Path) -> None:
    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    hashes = [looks(read_frames(each.path, (8,)).pixels) for each in clips]
    footage = [each.attributes["footage"] for each in clips]
    found = list(pairs(hashes))
    assert all(footage[one] == footage[other] for one, other in found)
    assert len(found) >= 0.9 * len(clips) / 2  # each real clip and its one fake


def test_a_forgery_of_footage_that_was_trained_on_is_found_by_name() -> None:
    train = [Clip("ffpp_c23/youtube/000", NOWHERE, REAL, "train", attributes={"footage": "ffpp/000"})]
    fake = Clip("df40/simswap/000_003", NOWHERE, FAKE, "test", "simswap", attributes={"footage": "ffpp/000"})
    assert said(shared(train, [fake])) == [(fake.id, train[0].id, "footage")]


def part(name: str, sequence: str, footage: str = "set/1") -> Clip:
    """A clip that shows one part of a video."""
    split = "train" if name.startswith("train") else "test"
    shown = {"footage": footage, "sequence": sequence}
    return Clip(name, NOWHERE, REAL, split, attributes=shown)


def test_another_part_of_a_video_is_told_and_is_no_shared_footage() -> None:
    train, test = [part("train/a", "set/1a")], [part("test/x", "set/1b"), part("test/y", "set/1a")]
    assert said(shared(train, test)) == [("test/y", "train/a", "footage")]
    assert said(sequences(train, test)) == [("test/x", "train/a", "sequence")]


def test_parts_of_a_video_that_look_alike_are_no_copies() -> None:
    train, test = [part("train/a", "set/1a")], [part("test/x", "set/1b"), part("test/y", "set/2", "set/2")]
    looks = hash_of(list(np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)))
    prints = {name: Fingerprint(name, 1, perceptual=looks) for name in ("train/a", "test/x", "test/y")}
    assert said(shared(train, test, prints)) == [("test/y", "train/a", "near copy")]


def test_strangers_show_no_recording_that_training_clips_show() -> None:
    train, test = [part("train/a", "set/1a")], [part("test/x", "set/1b"), clip("test/y", "set/2")]
    assert [each.id for each in strangers(train, test)] == ["test/y"]
