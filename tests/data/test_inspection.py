"""`gapbench data check` names what is wrong with a dataset, and is silent about one with nothing wrong."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from harness import registry
from harness.cli.data import run_data_check
from harness.data import composition
from harness.data.inspection import Inspection, inspect, page, report
from harness.data.problems import Problem, extra
from harness.registry import dataset
from harness.tables import WIDTH
from harness.types import REAL, Clip, HarnessError

LIST = "list.json"


def checked(*names: str, **said: Any) -> int:
    """What `gapbench data check` returns."""
    options = {"name": list(names), "matrix": None, "html": None, "root": None}
    return run_data_check(argparse.Namespace(**{**options, **said}))


def write_film(path: Path, frames: np.ndarray, codec: str = "libx264", crf: str = "32") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=12, options={"crf": crf} if codec == "libx264" else {})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def tiny_clips(root: Path) -> list[Clip]:
    return list(registry.datasets.get("procedural_tiny").clips(root))


def frames_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


class Tree:
    """A dataset on disk, `<split>/<kind>/*.mp4` and a list of what it holds, that a test spoils."""

    def __init__(self, root: Path, tiny_root: Path) -> None:
        self.root = root
        self.lines: dict[str, dict[str, Any]] = {}
        for clip in tiny_clips(tiny_root):
            if not clip.path.stem.endswith("-0"):
                continue
            kind = clip.manipulation or "real"
            name = f"{clip.split}/{kind}/{clip.path.stem.replace(clip.split, 'take')}"
            path = root / f"{name}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(clip.path, path)
            self.add(name, target=clip.target, source=clip.source, footage=clip.attributes["footage"])
        self.official = {f"{split}/{kind}": n for (split, kind), n in composition.kinds(self.clips()).items()}
        self.write()

    def add(self, name: str, **facts: Any) -> Path:
        """List a clip under another name; returns where it must lie."""
        self.lines[name] = facts
        return self.path(name)

    def path(self, name: str) -> Path:
        return self.root / f"{name}.mp4"

    def names(self, split: str, kind: str) -> list[str]:
        return [name for name in self.lines if name.startswith(f"{split}/{kind}/")]

    def write(self) -> None:
        (self.root / LIST).write_text(json.dumps(self.lines))

    def clips(self, root: Path | None = None) -> Iterator[Clip]:
        """The adapter: what the list says, in its order."""
        lines = json.loads((root / LIST).read_text()) if root else self.lines
        for name, facts in lines.items():
            split, kind, _ = name.split("/")
            if facts.get("label") not in (None, kind):
                raise HarnessError(f"{LIST}: {name} is listed as {facts['label']}")
            fake = kind != "real"
            attributes = {"footage": facts["footage"]} if facts.get("footage") else {}
            people = facts.get("target"), facts.get("source")
            made = kind if fake else None
            yield Clip(f"spoilt/{name}", self.path(name), int(fake), split, made, *people, attributes)

    def inspected(self) -> Inspection:
        self.write()
        return inspect(registry.datasets.get("spoilt"), self.root)


@pytest.fixture
def tree(home: Path, tmp_path: Path, tiny_root: Path) -> Tree:
    """A dataset `spoilt` with nothing wrong: half the clips of the tiny dataset under names of their own."""
    made = Tree(tmp_path / "spoilt", tiny_root)
    dataset("spoilt", about="what a test made of it", official=made.official)(lambda root: made.clips(root))
    return made


def test_a_clean_tree_has_nothing_wrong(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    assert tree.inspected().findings == ()
    assert checked("spoilt", root=tree.root) == 0
    assert "nothing wrong (52 clips" in capsys.readouterr().out


def missing(tree: Tree) -> list[str]:
    name = tree.names("test", "real")[3]
    tree.path(name).unlink()
    return ["missing files", f"{name}.mp4"]


def surplus(tree: Tree) -> list[str]:
    shutil.copyfile(tree.path(tree.names("val", "real")[0]), tree.root / "val" / "graphics" / "stray.mp4")
    return ["extra files", "val/graphics", "stray.mp4"]


def truncated(tree: Tree) -> list[str]:
    name = tree.names("train", "autoencoder")[2]
    os.truncate(tree.path(name), int(0.7 * tree.path(name).stat().st_size))
    return ["unreadable clips", name]


def empty(tree: Tree) -> list[str]:
    name = tree.names("train", "autoencoder")[3]
    tree.path(name).write_bytes(b"")
    return ["empty files", name]


def one_frame(tree: Tree) -> list[str]:
    name = tree.names("train", "graphics")[1]
    write_film(tree.path(name), frames_of(tree.path(name))[:1])
    return ["one-frame clips", name]


def copied_across(tree: Tree) -> list[str]:
    train, test = tree.names("train", "real")[5], tree.names("test", "real")[5]
    shutil.copyfile(tree.path(train), tree.path(test))
    return ["content in two splits", train, test]


def near_copy(tree: Tree) -> list[str]:
    train, test = tree.names("train", "real")[6], tree.names("test", "real")[6]
    small = [cv2.resize(f, (160, 120), interpolation=cv2.INTER_AREA) for f in frames_of(tree.path(train))]
    write_film(tree.path(test), np.stack(small))
    return ["near copy shared", train, test]


def both_labels(tree: Tree) -> list[str]:
    real, fake = tree.names("val", "real")[1], tree.names("val", "reenactment")[1]
    shutil.copyfile(tree.path(real), tree.path(fake))
    return ["content with both labels", f"{real} (real)", f"{fake} (fake)"]


def person_in_two_splits(tree: Tree) -> list[str]:
    train, test = tree.names("train", "real")[8], tree.names("test", "graphics")[0]
    tree.lines[test]["source"] = tree.lines[train]["target"]
    return ["people shared", test, "as its authors split it"]


def recording_in_two_splits(tree: Tree) -> list[str]:
    train, val = tree.names("train", "graphics")[2], tree.names("val", "graphics")[1]
    tree.lines[val]["footage"] = tree.lines[train]["footage"]
    return ["footage shared", val]


def wrong_count(tree: Tree) -> list[str]:
    name = tree.names("test", "autoencoder")[-1]
    tree.lines.pop(name)
    tree.path(name).unlink()
    count = tree.official["test/autoencoder"]
    return ["counts", f"test/autoencoder: {count - 1} listed, {count} official"]


def own_codec(tree: Tree) -> list[str]:
    for name in tree.names("train", "reenactment"):
        write_film(tree.path(name), frames_of(tree.path(name)), "mpeg4")
    return ["codec of one class alone", "mp4 mpeg4 yuv420p: 4 of"]


def list_against_folder(tree: Tree) -> list[str]:
    tree.add("test/graphics/zz-last", label="real")  # whatever comes before it is listed
    return ["list", "test/graphics/zz-last is listed as real"]


def no_video(tree: Tree) -> list[str]:
    name = tree.names("test", "reenactment")[0]
    tree.path(name).write_text("<html>404 not found</html>" * 20)
    return ["unreadable clips", f"{name}: not a readable video"]


PLANTED: tuple[tuple[Callable[[Tree], list[str]], str], ...] = (
    (missing, "error"),
    (surplus, "warning"),
    (truncated, "error"),
    (empty, "error"),
    (one_frame, "warning"),
    (copied_across, "error"),
    (near_copy, "warning"),
    (both_labels, "error"),
    (person_in_two_splits, "warning"),
    (recording_in_two_splits, "warning"),
    (wrong_count, "error"),
    (own_codec, "warning"),
    (no_video, "error"),
    (list_against_folder, "error"),
)


def finding(inspection: Inspection, what: str) -> Problem:
    found = [each for each in inspection.findings if each.what == what]
    assert len(found) == 1, (what, inspection.findings)
    return found[0]


def test_fourteen_planted_faults_are_all_named(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    said = [(plant(tree), severity) for plant, severity in PLANTED]
    inspection = tree.inspected()
    for (what, *names), severity in said:
        found = finding(inspection, what)
        told = " ".join((found.text, *found.names))
        assert found.severity == severity
        assert all(name in told for name in names), (what, names, told)
    assert {each.what for each in inspection.findings} == {what for (what, *_), _ in said}
    assert checked("spoilt", root=tree.root) == 1
    shown = capsys.readouterr().out
    written = (Path(os.environ["GAPBENCH_HOME"]) / "reports" / "spoilt.html").read_text()
    for (what, *_), _ in said:
        assert what in shown and what in written
    assert max(map(len, shown.splitlines())) <= WIDTH


@pytest.mark.parametrize("plant", [one_frame, own_codec, person_in_two_splits])
def test_a_warning_is_no_error(tree: Tree, plant: Callable[[Tree], list[str]]) -> None:
    (what, *_) = plant(tree)
    tree.write()
    assert [each.what for each in tree.inspected().findings] == [what]
    assert checked("spoilt", root=tree.root) == 0


def test_a_forgery_that_begins_untouched_has_no_wrong_label(tree: Tree) -> None:
    real, fake = tree.names("val", "real")[0], tree.names("val", "autoencoder")[0]
    before, after = frames_of(tree.path(real)), frames_of(tree.path(tree.names("val", "graphics")[1]))
    after[0] = before[0]
    for name, frames in ((real, before), (fake, after)):
        write_film(tree.path(name), frames, crf="0")
    assert [each.what for each in tree.inspected().findings] == ["content twice"]


def test_an_id_given_twice_is_named(tree: Tree) -> None:
    clips = list(tree.clips())
    dataset("twice", about="one id twice")(lambda root: iter([*clips, clips[3]]))
    found = finding(inspect(registry.datasets.get("twice"), tree.root), "ids given twice")
    assert found.severity == "error" and found.names == (clips[3].id,)


def test_a_test_split_of_one_class_is_an_error(tree: Tree) -> None:
    for name in [name for name in tree.lines if name.startswith("test/") and "/real/" not in name]:
        tree.lines.pop(name)
    found = finding(tree.inspected(), "a class is missing")
    assert (found.severity, found.text) == ("error", "there is no fake clip in the test split")


def test_a_dataset_without_a_clip_is_an_error_and_no_crash(tree: Tree) -> None:
    tree.lines.clear()
    tree.write()
    assert "list" in [each.what for each in tree.inspected().of("error")]
    assert checked("spoilt", root=tree.root) == 1


def test_a_list_that_stops_where_a_folder_may_not_be_opened_is_an_error_and_no_crash(tree: Tree) -> None:
    def forbidden(root: Path) -> Iterator[Clip]:
        yield from list(tree.clips())[:3]
        raise PermissionError(13, "Permission denied", str(root / "test"))

    dataset("forbidden", about="a folder is locked")(forbidden)
    inspection = inspect(registry.datasets.get("forbidden"), tree.root)
    assert inspection.clips == 3
    assert "Permission denied" in finding(inspection, "list").text


def test_another_dataset_that_shows_the_same_recordings_is_named(tree: Tree, tiny_root: Path) -> None:
    tiny = tiny_clips(tiny_root)
    for facts in tree.lines.values():
        facts.pop("footage")
    renamed = next(name for name in tree.names("test", "real"))
    same = next(clip for clip in tiny if clip.split == "test" and clip.label == REAL)
    around = [Clip("tiny/a", same.path, REAL, "train"), Clip("tiny/b", tiny[0].path, REAL, "test")]
    tree.write()
    inspection = inspect(registry.datasets.get("spoilt"), tree.root, {"tiny": around})
    shared = finding(inspection, "content shared")
    assert shared.severity == "error" and shared.names == (f"spoilt/{renamed} and tiny/a",)
    assert "training clips of tiny" in shared.text


def test_files_of_another_dataset_under_the_same_root_are_only_noted(tree: Tree) -> None:
    source = tree.path(tree.names("val", "real")[0])
    for number in range(30):
        folder = tree.root / "elsewhere" / f"part{number:02d}"
        folder.mkdir(parents=True)
        shutil.copyfile(source, folder / "clip.mp4")
    (tree.root / "train" / "real" / "notes.txt").write_text("no clip")
    (tree.root / "train" / "real" / ".hidden.mp4").touch()
    found = finding(tree.inspected(), "extra files")
    assert (found.severity, len(found.names)) == ("note", 1)
    assert found.names[0].startswith("elsewhere: 30 files: part00/clip.mp4, ")
    clips = [Clip(f"other/{k}", path, REAL, "test") for k, path in enumerate(tree.root.glob("elsewhere/*/*"))]
    assert list(extra(list(tree.clips()), tree.root, clips)) == []


def test_a_link_that_leads_back_up_is_walked_once(tree: Tree) -> None:
    (tree.root / "test" / "again").symlink_to(tree.root, target_is_directory=True)
    assert tree.inspected().findings == ()


def test_a_value_that_one_class_lacks_by_chance_is_no_shortcut(tree: Tree) -> None:
    name = tree.names("train", "real")[0]
    write_film(tree.path(name), frames_of(tree.path(name)), "mpeg4")
    assert tree.inspected().findings == ()


def test_a_manipulation_that_is_not_there_at_all_is_a_warning() -> None:
    clips = [Clip(f"x/{k}", Path(f"{k}.mp4"), k % 2, "test", "swap" if k % 2 else None) for k in range(8)]
    (found,) = composition.counts(clips, {"test/real": 4, "*/swap": 4, "test/other": 4})
    assert (found.severity, found.names) == ("warning", ("test/other: 0 listed, 4 official",))
    (found,) = composition.counts(clips, {"test/real": 3})
    assert found.severity == "error"


def test_names_from_disk_cannot_become_part_of_the_page() -> None:
    name = 'x/<script>alert("1")</script>\n\x1b[31m\udcff.mp4'
    inspection = Inspection("own", Path(name), 1, (Problem("error", "missing files", name, (name,)),))
    written = page("<b>own", [inspection])
    assert "<script>" not in written and "<b>own" not in written and "&lt;script&gt;" in written
    assert "http" not in written and "src=" not in written
    written.encode()
    shown = report(inspection)
    assert "\x1b" not in shown
    shown.encode()


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
