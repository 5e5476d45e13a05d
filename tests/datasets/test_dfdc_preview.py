"""The preview of DFDC takes label, split and identities from its list, and places no clip by guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness import registry
from harness.data.check.composition import against
from harness.types import FAKE
from tests.datasets.listings import listed, refused
from tests.datasets.trees.planting import write


def test_the_preview_says_label_split_and_identities_in_its_list(built: Any) -> None:
    clips = listed("dfdc_preview", built("dfdc_preview"))
    one, two, three = (f"dfdc_preview/{number}" for number in (100, 200, 300))
    assert {
        key: (clip.split, clip.manipulation, clip.target, clip.source, clip.attributes["footage"])
        for key, clip in clips.items()
    } == {
        "original_videos/100/100_A_001": ("train", None, one, None, f"{one}_A_001"),
        "original_videos/200/200_A_001": ("test", None, two, None, f"{two}_A_001"),
        "method_A/200_100_A/200_100_A_001": ("train", "method_A", one, two, f"{one}_A_001"),
        "method_B/200_100_A/200_100_A_001": ("train", "method_B", one, two, f"{one}_A_001"),
        "method_A/300_200_A/300_200_A_001": ("test", "method_A", two, three, f"{two}_A_001"),
        "method_B/300_200_A/300_200_A_001": ("test", "method_B", two, three, f"{two}_A_001"),
    }
    assert all((clip.label == FAKE) == (clip.manipulation is not None) for clip in clips.values())


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"label": "FAKE", "set": "test"}, "upper-case labels are those of dfdc"),
        ({"label": "fake", "set": "validation"}, "set is 'validation'"),
        ({"label": "fake", "set": "test"}, "not in method_A or method_B"),
        ({"set": "test"}, "label is None"),
        ({"label": ["fake"], "set": "test"}, "label is ['fake']"),
        (None, "label is None"),
    ],
)
def test_a_clip_of_the_preview_that_cannot_be_placed_is_an_error(
    facts: Any, said: str, tmp_path: Path
) -> None:
    write(tmp_path / "dataset.json", json.dumps({"original_videos/1/1.mp4": facts}))
    refused("dfdc_preview", tmp_path, "dataset.json: original_videos/1/1.mp4", said)


@pytest.mark.parametrize("path", ["", "/method_A/1.mp4", "method_A/../../1.mp4"])
def test_a_path_of_the_preview_that_leaves_its_folder_is_refused(path: str, tmp_path: Path) -> None:
    write(tmp_path / "dataset.json", json.dumps({path: {"label": "fake", "set": "test"}}))
    refused("dfdc_preview", tmp_path, f"{path!r} is not a path below")


@pytest.mark.parametrize(
    ("stem", "more", "footage"),
    [
        ("9_7_A_001", {}, "dfdc_preview/7_A_001"),
        ("other", {"source_video": "7_A"}, "dfdc_preview/7_A"),
        ("other", {}, None),
    ],
)
def test_a_recording_is_named_by_its_file_or_by_the_list(
    stem: str, more: dict[str, str], footage: str | None, tmp_path: Path
) -> None:
    facts = {"label": "fake", "set": "test", "target_id": "7", "swapped_id": "9", **more}
    write(tmp_path / "dataset.json", json.dumps({f"method_A/{stem}.mp4": facts}))
    (clip,) = listed("dfdc_preview", tmp_path).values()
    assert clip.attributes.get("footage") == footage


def test_the_official_counts_are_those_of_the_release(built: Any) -> None:
    entry = registry.datasets.get("dfdc_preview")
    clips = [*entry.clips(built("dfdc_preview"))]
    assert against(clips, entry.official) == {"*/real": (2, 1131), "*/fake": (4, 4119)}
