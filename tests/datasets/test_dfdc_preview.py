"""The preview of DFDC takes label, split and identities from its list, and places no clip by guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.types import FAKE
from tests.datasets.listings import listed, refused
from tests.datasets.trees.planting import write


def test_the_preview_says_label_split_and_identities_in_its_list(built: Any) -> None:
    clips = listed("dfdc_preview", built("dfdc_preview"))
    assert {
        key: (clip.split, clip.manipulation, clip.target, clip.source) for key, clip in clips.items()
    } == {
        "original_videos/100/100_A_001": ("train", None, "dfdc_preview/100", None),
        "original_videos/200/200_A_001": ("test", None, "dfdc_preview/200", None),
        "method_A/100_200_A/100_200_A_001": ("train", "method_A", "dfdc_preview/100", "dfdc_preview/200"),
        "method_B/100_200_A/100_200_A_001": ("train", "method_B", "dfdc_preview/100", "dfdc_preview/200"),
        "method_A/200_300_A/200_300_A_001": ("test", "method_A", "dfdc_preview/200", "dfdc_preview/300"),
        "method_B/200_300_A/200_300_A_001": ("test", "method_B", "dfdc_preview/200", "dfdc_preview/300"),
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
