"""`gapbench data check` inspects the dataset, the matrix or all that is here, as it is asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.registry import dataset
from harness.types import REAL, Clip, HarnessError
from tests.data.spoilt_dataset import Tree, checked, frames_of, tiny_clips, write_film


def test_one_root_is_for_one_dataset(tree: Tree) -> None:
    with pytest.raises(HarnessError, match="name exactly one"):
        checked("spoilt", "folder", root=tree.root)
    with pytest.raises(HarnessError, match="does not exist"):
        checked("spoilt", root=tree.root / "nowhere")
    with pytest.raises(HarnessError, match="did you mean 'spoilt'"):
        checked("spoild")


def test_a_matrix_is_checked_for_what_its_training_and_test_sets_share(
    tree: Tree, tiny_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, facts in tree.lines.items():  # tested on the recordings that the tiny dataset trains with
        facts["footage"] = facts["footage"].replace("/real/test-", "/real/train-")
        facts["target"] = facts["source"] = None
        if name.startswith("test/real"):
            write_film(tree.path(name), frames_of(tree.path(name)))
    tree.write()
    (tmp_path / "mine.toml").write_text(
        'about = "x"\ndetectors = ["xception"]\ntrain = ["procedural_tiny"]\ntest = ["spoilt", "ffpp_c23"]\n'
        f'[data]\nspoilt = "{tree.root}"\n'
    )
    file = tmp_path / "page.html"
    assert checked(matrix="mine.toml", html=file) == 0
    shown = capsys.readouterr()
    assert "training clips of procedural_tiny" in shown.out and "footage shared" in shown.out
    assert "ffpp_c23 is not checked" in shown.err
    assert "Data check: mine" in file.read_text()


def test_without_a_name_all_that_is_here_is_checked(
    tree: Tree, tiny_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPBENCH_DATA_SPOILT", str(tree.root))
    assert checked() == 0
    shown = capsys.readouterr().out
    assert "procedural_tiny: " in shown and "spoilt: " in shown and "procedural_lab" not in shown
    tested = tree.names("test", "real")[2]
    trained = next(clip for clip in tiny_clips(tiny_root) if clip.split == "train" and clip.label == REAL)
    shutil.copyfile(trained.path, tree.path(tested))
    tree.lines[tested]["footage"] = None
    tree.write()
    assert checked() == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert f"spoilt/{tested} and {trained.id}" in shown and "training clips of procedural_tiny" in shown


def test_a_dataset_that_may_lie_in_the_folder_of_another_is_checked_only_if_it_does(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPBENCH_DATA_SPOILT", str(tree.root))

    def lodger(root: Path) -> Iterator[Clip]:
        if not (root / "lodger").is_dir():
            raise HarnessError(f"{root} has no lodger")
        yield from ()

    dataset("lodger", about="lies beside spoilt, or not", shares="spoilt")(lodger)
    assert checked() == 0
    assert "lodger: " not in capsys.readouterr().out
    assert checked("lodger") == 1  # asked for, it must be there
    monkeypatch.setenv("GAPBENCH_DATA_LODGER", str(tree.root))
    assert checked() == 1  # and where its own folder is named
    monkeypatch.delenv("GAPBENCH_DATA_LODGER")
    (tree.root / "lodger").mkdir()
    assert checked() == 1
    assert "lodger: 1 error" in capsys.readouterr().out
