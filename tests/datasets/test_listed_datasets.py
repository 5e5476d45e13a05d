"""Every dataset that comes with lists of its own keeps its promises, and names itself where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.checks.conformance import check_dataset
from harness.data.clips import list_clips
from harness.registry import datasets
from harness.types import HarnessError
from tests.datasets.listings import TREES, refused
from tests.datasets.trees import celeb_df, deeperforensics, dfd, fakeavceleb, ffpp, uadfv

ALL = TREES | ffpp.TREES | dfd.TREES | celeb_df.TREES | deeperforensics.TREES | uadfv.TREES
ALL |= fakeavceleb.TREES
FIT_ALONE = ("dfdc_train_part_0", "dfdc_train_part_10", "test", "DF40", "dataset_json")
"""Folders of a dataset that can be the root themselves."""
AS_THEY_LIE = [name for name in ALL if name.startswith("deepfakebench")]
"""Datasets of folders of frames."""


@pytest.mark.parametrize("name", TREES)
def test_a_miniature_tree_keeps_every_promise_of_a_dataset(name: str, built: Any) -> None:
    findings = check_dataset(datasets.get(name), built(name))
    assert len(findings) > 5
    assert [f"{each.check}: {each.detail}" for each in findings if not each.passed] == []
    assert all(clip.path.exists() for clip in datasets.get(name).clips(built(name)))


@pytest.mark.parametrize("name", ALL)
def test_a_root_one_or_two_folders_off_is_told_the_one_that_fits(
    name: str, dozen: Sequence[Path], tmp_path: Path
) -> None:
    root = tmp_path / "above" / "set"
    root.mkdir(parents=True)
    ALL[name](root, dozen)
    inside = [each for each in sorted(root.iterdir()) if each.is_dir() and each.name not in FIT_ALONE]
    for place in (root.parent, tmp_path, *inside):
        with pytest.raises(HarnessError) as error:
            list_clips(datasets.get(name), place)
        assert str(error.value).endswith(f"; --root {root} fits"), place


@pytest.mark.parametrize("name", sorted({*ALL} - {*AS_THEY_LIE}))
def test_a_listed_file_is_found_with_an_ending_in_capitals(
    name: str, dozen: Sequence[Path], root: Path
) -> None:
    ALL[name](root, dozen)
    before = [clip.id for clip in datasets.get(name).clips(root)]
    for path in [*root.rglob("*.mp4")]:
        path.rename(path.with_suffix(".MP4"))
    clips = list(datasets.get(name).clips(root))
    assert [clip.id for clip in clips] == before
    assert all(clip.path.exists() for clip in clips)


@pytest.mark.parametrize("name", TREES)
def test_an_empty_folder_is_an_error_that_names_the_dataset(name: str, tmp_path: Path) -> None:
    refused(name, tmp_path, name, str(tmp_path))
