"""Every dataset that comes with lists of its own keeps its promises, and names itself where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.checks.conformance import check_dataset
from harness.registry import datasets
from tests.datasets.listings import TREES, refused


@pytest.mark.parametrize("name", TREES)
def test_a_miniature_tree_keeps_every_promise_of_a_dataset(name: str, built: Any) -> None:
    findings = check_dataset(datasets.get(name), built(name))
    assert len(findings) > 5
    assert [f"{each.check}: {each.detail}" for each in findings if not each.passed] == []
    assert all(clip.path.exists() for clip in datasets.get(name).clips(built(name)))


@pytest.mark.parametrize("name", TREES)
def test_an_empty_folder_is_an_error_that_names_the_dataset(name: str, tmp_path: Path) -> None:
    refused(name, tmp_path, name, str(tmp_path))
