"""Every face-swap dataset keeps its promises, and a fake in it shares the footage of its original."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.checks.conformance import check_dataset
from harness.registry import datasets
from harness.types import FAKE, REAL, HarnessError
from tests.datasets.listings import listed
from tests.datasets.trees import celeb_df, deeperforensics, dfd, fakeavceleb, ffpp, uadfv

TREES = ffpp.TREES | dfd.TREES | celeb_df.TREES | deeperforensics.TREES | uadfv.TREES | fakeavceleb.TREES


@pytest.mark.parametrize("name", TREES)
def test_a_miniature_tree_keeps_every_promise_of_a_dataset(
    name: str, root: Path, dozen: Sequence[Path]
) -> None:
    TREES[name](root, dozen)
    findings = check_dataset(datasets.get(name), root)
    assert len(findings) > 5
    assert [f"{each.check}: {each.detail}" for each in findings if not each.passed] == []
    assert all(clip.path.is_file() for clip in datasets.get(name).clips(root))


@pytest.mark.parametrize("name", TREES)
def test_a_folder_without_the_dataset_is_an_error_that_names_what_is_expected(name: str, root: Path) -> None:
    with pytest.raises(HarnessError, match="is not a folder"):
        listed(name, root)
    root.mkdir()
    with pytest.raises(HarnessError, match=r"has none of \S+"):
        listed(name, root)


@pytest.mark.parametrize("name", TREES)
def test_a_real_clip_has_no_source_and_a_fake_shares_the_footage_of_its_original(
    name: str, root: Path, dozen: Sequence[Path]
) -> None:
    TREES[name](root, dozen)
    clips = listed(name, root).values()
    originals = {clip.attributes["footage"]: clip.target for clip in clips if clip.label == REAL}
    for clip in clips:
        assert clip.target
        assert clip.label == FAKE or clip.source is None
        assert clip.label == REAL or name == "uadfv" or clip.source not in (None, clip.target)
        assert originals.get(clip.attributes["footage"], clip.target) == clip.target
    assert any(clip.attributes["footage"] in originals for clip in clips if clip.label == FAKE)
