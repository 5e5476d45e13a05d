"""An honest dataset passes every check, every liar is caught, and no file is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.checks import dataset
from harness.checks.conformance import check_dataset
from harness.contracts import DatasetEntry
from tests.checks.broken_checks import broken
from tests.checks.lying_datasets import BAD_DATASETS, changed, embedded, honest_clips, pictures_entry


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures in three splits, with a list of them."""
    root = tmp_path_factory.mktemp("pictures")
    for split, people in (("train", "ab"), ("val", "c"), ("test", "de")):
        for person in people:
            for kind, level in (("real", 60), ("fake", 200)):
                image = np.full((32, 40, 3), level, np.uint8)
                cv2.imwrite(str(root / f"{split}_{kind}_{person}.png"), image)
    (root / "list.txt").write_text("pictures")
    return root


@pytest.mark.parametrize(
    "entry", [pictures_entry(honest_clips), pictures_entry(honest_clips, crop="none"), embedded(honest_clips)]
)
def test_an_honest_dataset_passes_every_check(entry: DatasetEntry, pictures: Path) -> None:
    findings = check_dataset(entry, pictures)
    assert broken(findings) == {}
    ran = {finding.check for finding in findings}
    assert {check.__name__ for check in dataset.DATASET_CHECKS} < ran
    assert ("making_it_again_changes_nothing" in ran) == entry.embedded


@pytest.mark.parametrize(("entry", "check"), BAD_DATASETS)
def test_a_bad_dataset_is_caught(entry: DatasetEntry, check: str, pictures: Path) -> None:
    found = broken(check_dataset(entry, pictures))
    assert check in found
    assert all(detail and "\n" not in detail for detail in found.values())


def test_identities_that_cross_the_split_of_its_authors_are_said_not_failed(pictures: Path) -> None:
    entry = pictures_entry(changed(lambda clip: replace(clip, target="a")))
    (finding,) = [
        finding
        for finding in check_dataset(entry, pictures)
        if finding.check == "identities_keep_to_one_split"
    ]
    assert finding.passed
    assert finding.detail == "1 of 6 identities are in several splits, e.g. 'a', as its authors split it"


def test_a_dataset_whose_folders_are_links_passes(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(pictures, target_is_directory=True)
    entry = pictures_entry(lambda root: honest_clips(root / "linked"))
    assert broken(check_dataset(entry, tmp_path)) == {}


def test_listing_is_tried_on_a_copy_and_leaves_the_files_alone(pictures: Path) -> None:
    before = {path: path.read_bytes() for path in pictures.iterdir()}
    check_dataset(pictures_entry(honest_clips), pictures)
    assert {path: path.read_bytes() for path in pictures.iterdir()} == before
