"""Clips of one's own: a folder or a manifest is judged without a matrix file, by the faces found in it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file

from harness import registry
from harness.cli.entry import main, parser
from harness.cli.own_clips import matrix_named
from harness.evaluation.contestants import contestant_of
from harness.evaluation.matrix import load_matrix
from harness.evaluation.plan import Plan, plan_matrix
from harness.evaluation.plan_table import describe_plan
from harness.evaluation.run import run_plan, training_job
from harness.files import file_digest, plain
from harness.records import Board, Row, Weights
from harness.report.leaderboard import markdown, write_board
from harness.results.predictions import read_predictions
from harness.results.rows import load_board
from harness.types import FAKE, HarnessError

PLUGIN = '''
from harness.registry import detector

@detector("redness")
class Redness:
    """P(fake) is how red the picture is."""
    size, frames = 16, 4

    def score(self, clips):
        return clips[..., 0].mean(axis=(2, 3)) / 255
'''


@pytest.fixture
def clips(home: Path, tmp_path: Path, tiny_root: Path) -> Path:
    """A folder of four real and four forged clips, a detector beside it."""
    (tmp_path / "redness.py").write_text(PLUGIN)
    listed = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    for label, folder in enumerate(("real", "fake/swap")):
        (tmp_path / "mine" / folder).mkdir(parents=True)
        for clip in [clip for clip in listed if clip.label == label][:4]:
            shutil.copyfile(clip.path, tmp_path / "mine" / folder / clip.path.name)
    return tmp_path / "mine"


@pytest.fixture
def yunet(reference: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The face finder of the reference folder."""
    file = reference / "weights" / "yunet" / "yunet_n_640_640.onnx"
    monkeypatch.setenv("GAPBENCH_YUNET", str(file))
    return file


def judged(*arguments: str) -> int:
    return main(["--plugin", "redness.py", "eval", *arguments, "-d", "redness", "--no-publish"])


def measured(*arguments: str) -> tuple[Board, Row, pd.DataFrame]:
    """What `gapbench eval` measures, without its tables and plots."""
    registry.load_file(Path("redness.py"))
    options = parser().parse_args(["eval", *arguments, "-d", "redness"])
    matrix = load_matrix(matrix_named(options))
    run_plan(plan_matrix(matrix, "cpu"))
    board = load_board(matrix.name)
    (row,) = board.rows
    return board, row, read_predictions(board.predictions[str(row.cell)])[0]


def test_a_folder_is_judged_by_the_faces_in_it(clips: Path, yunet: Path) -> None:
    assert judged("mine") == 0
    board, row, said = measured("mine")
    assert Path("results", f"{board.matrix}.md").is_file()
    assert (row.clips, row.failed, row.provenance["faceless"], row.provenance["crop"]) == (8, 0, 0, "face")
    _, whole, differently = measured("mine", "--crop", "none")
    assert whole.provenance["preprocessing_sha256"] != row.provenance["preprocessing_sha256"]
    assert not np.allclose(said["score"], differently["score"])


@pytest.mark.parametrize(
    ("policy", "score"), [("as-chance", 0.5), ("as-real", 0.0), ("as-fake", 1.0), ("exclude", None)]
)
def test_a_clip_without_a_face_is_counted_and_scored_as_the_policy_says(
    policy: str, score: float | None, clips: Path, yunet: Path
) -> None:
    for old in clips.rglob("*.mp4"):
        if old.stem not in [path.stem for path in sorted(clips.rglob("*.mp4"))[::4]]:
            old.unlink()
    flat = np.full((90, 120, 3), 200, np.uint8)
    assert cv2.imwrite(str(clips / "real" / "wall.png"), flat)
    board, row, said = measured("mine", "--no-face", policy)
    wall = said[said["clip_id"] == "folder/real/wall.png"].iloc[0]
    assert row.provenance["no_face"] == policy
    if score is None:
        assert pd.isna(wall["score"]) and "no face was found" in wall["error"]
        assert (row.failed, row.provenance["faceless"]) == (1, 0)
    else:
        assert (wall["score"], wall["note"]) == (score, f"no face was found: {policy}")
        assert (row.failed, row.provenance["faceless"]) == (0, 1)
    table = " ".join(markdown(board).split())
    told = f"No face was found in 1 of {row.counts['clips'][0]} real and 0 of"
    assert (told in table and f"; scored {policy}" in table) == (score is not None)


def test_rows_by_another_policy_are_incomparable(
    clips: Path, yunet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = measured("mine", "--no-face", "as-real")[0].matrix
    assert main(["accept", name]) == 0
    assert main(["gate", name]) == 0
    measured("mine", "--no-face", "as-fake")
    assert main(["gate", name]) == 4
    assert "not the same preprocessing" in capsys.readouterr().out


def test_a_manifest_is_judged_too(clips: Path, tmp_path: Path) -> None:
    files = sorted(clips.rglob("*.mp4"))
    table = pd.DataFrame({"path": [str(path.relative_to(tmp_path)) for path in files]})
    table["label"] = ["fake" if "fake" in path else "real" for path in table["path"]]
    table.to_csv(tmp_path / "list.csv", index=False)
    _, row, said = measured("list.csv", "--crop", "center")
    assert (row.clips, row.failed, int((said["label"] == FAKE).sum())) == (8, 0, 4)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine"], "say which detector judges mine"),
        (["mine", "-d", "nobody"], "unknown detector 'nobody'"),
        (["mine", "-d", "xception"], "say what xception was trained on"),
        (["mine", "-d", "constant@procedural_lab"], "constant is a fixed detector"),
        (["mine", "-d", "constant", "-p", "fog-3"], "unknown perturbation 'fog'"),
        (["list.csv", "-d", "constant"], "manifest list.csv does not exist"),
        (["list.txt", "-d", "constant"], "list.txt is no table of clips: those end in .csv"),
        (["one.mp4", "-d", "constant"], ".parquet; gapbench predict judges one file"),
        (["smoke", "-d", "constant"], "smoke is no folder, manifest or dataset, which --detector is for"),
        (
            ["smoke", "--no-face", "exclude"],
            "smoke is no folder, manifest or dataset, which --no-face is for",
        ),
        (["mine", "-d", "xception@a"], "unknown weights 'xception@a' (known: none)"),
        (["ffpp_c32", "-d", "constant"], "unknown dataset 'ffpp_c32'; did you mean 'ffpp_c23'?"),
        (
            ["mine", "-d", "xception@procedural_tiny"],
            "(known: none); train them with: gapbench train xception --on procedural_tiny; or give --train",
        ),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_line(
    arguments: list[str], said: str, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("list.txt", "one.mp4"):
        Path(name).touch()
    assert main(["eval", *arguments]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and said in told[0]
    assert not Path("results").exists()


def test_without_a_face_model_the_cells_are_absent_and_the_way_out_is_said(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPBENCH_YUNET", str(tmp_path / "nowhere.onnx"))
    assert judged("mine") == 2
    assert "nowhere.onnx" in capsys.readouterr().out


def test_where_a_dataset_lies_is_written_beside_what_was_known(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data.toml").write_text('ffpp_c23 = "/elsewhere"\n')
    assert main(["data", "set", "folder", "mine"]) == 0
    assert "8 clips" in capsys.readouterr().out
    assert (tmp_path / "data.toml").read_text().splitlines()[1:] == [
        'ffpp_c23 = "/elsewhere"',
        f'folder = "{clips}"',
    ]
    assert main(["data", "set", "foldr", "mine"]) == 2
    assert "did you mean 'folder'?" in capsys.readouterr().err
    assert main(["data", "set", "folder", "nowhere"]) == 2


def test_published_weights_judge_stills_of_a_folder_and_of_a_manifest_by_their_faces(
    home: Path, tmp_path: Path, reference: Path, yunet: Path
) -> None:
    published = reference / "weights" / "mesonet"
    shutil.copytree(published / "test_images" / "real", tmp_path / "stills" / "real")
    shutil.copytree(published / "test_images" / "df", tmp_path / "stills" / "fake" / "deepfakes")
    weights = ["weights", "import", str(published / "Meso4_DF.h5"), "--detector", "meso4"]
    assert main([*weights, "--threshold", "0.5", "--selected", "fixed"]) == 0
    listed = [path.relative_to(tmp_path) for path in sorted((tmp_path / "stills").rglob("*.jpg"))]
    labels = ["fake" if "fake" in path.parts else "real" for path in listed]
    pd.DataFrame({"path": map(str, listed), "label": labels}).to_csv("stills.csv", index=False)
    for named in ("stills", "stills.csv"):
        matrix = load_matrix(matrix_named(parser().parse_args(["eval", named, "-d", "meso4:meso4_df"])))
        run_plan(plan_matrix(matrix, "cpu"))
        (row,) = load_board(matrix.name).rows
        assert row.selection == "fixed" and row.provenance["crop"] == "face"
        assert (row.clips, row.failed, row.provenance["faceless"]) == (4, 0, 0)
        assert (row.metrics["auc"], row.metrics["accuracy"]) == (1.0, 1.0)


def test_a_folder_called_like_a_matrix_does_not_hide_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "smoke").mkdir()
    assert matrix_named(parser().parse_args(["eval", "smoke"])) == "smoke"


def placed(recipe: str, seed: int = 0, detector: str = "meso4", on: str = "procedural_tiny") -> Path:
    """Weights that a training by that recipe would leave, drawn at random; returns their record."""
    entry = registry.detectors.get(detector)
    said = entry.recipe(recipe)
    path = Path("home", "weights", f"{detector}@{on}-s{seed}-{recipe}.safetensors").absolute()
    path.parent.mkdir(exist_ok=True)
    save_file(entry.make(said).state_dict(), path)
    record = Weights(
        *(detector, on, seed, recipe, path, file_digest(path), said, 0.5, "fixed"),
        provenance={"source_sha256": file_digest(Path(entry.file))},
    )
    path.with_suffix(".json").write_text(json.dumps(plain(record)))
    return path.with_suffix(".json")


def asked(*detectors: str, more: Sequence[str] = ()) -> Plan:
    """The plan of `gapbench eval mine` with these detectors."""
    named = [word for name in detectors for word in ("-d", name)]
    options = parser().parse_args(["eval", "mine", *named, "--crop", "none", *more])
    matrix = load_matrix(matrix_named(options))
    return plan_matrix(matrix, "cpu", options.retrain, options.rescore, options.train)


def test_weights_are_called_by_their_recipe_and_seed_and_any_may_stand_on_one_board(clips: Path) -> None:
    for recipe, seed in (("published", 0), ("procedural", 0), ("procedural", 2)):
        placed(recipe, seed)
    plan = asked("meso4@procedural_tiny~published", "meso4@procedural_tiny#2", "constant")
    assert [cell.entry for cell in plan.cells] == [
        *("meso4@procedural_tiny~published", "meso4@procedural_tiny#2", "constant")
    ]
    assert {weights.key for weights in plan.weights.values()} == {"published", "procedural"}
    assert "to train" not in describe_plan(plan)
    run_plan(plan)
    board = load_board(plan.matrix.name)
    assert [row.cell.regime for row in board.rows] == ["cross-dataset", "cross-dataset", "fixed"]
    table = " ".join(markdown(board).split())
    assert "| meso4 ~published |" in table or "| meso4@procedural_tiny~published |" in table
    assert contestant_of("meso4@procedural_tiny~published", "cpu").weights.key == "published"  # type: ignore[union-attr]


def test_what_is_trained_is_used_whatever_its_recipe_and_its_name_says_it(
    clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed("published")  # the default is `procedural` there
    plan = asked("meso4@procedural_tiny")
    assert [cell.entry for cell in plan.cells] == ["meso4@procedural_tiny~published"]
    assert "meso4@procedural_tiny~published is meant" in capsys.readouterr().err
    placed("procedural")
    assert [cell.entry for cell in asked("meso4@procedural_tiny").cells] == ["meso4@procedural_tiny"]
    with pytest.raises(HarnessError, match="by the recipe smoke, but meso4@procedural_tiny"):
        asked("meso4@procedural_tiny~smoke")


def test_clips_of_ones_own_train_nothing_unless_that_is_asked(clips: Path) -> None:
    with pytest.raises(
        HarnessError, match="gapbench train airl --on procedural_tiny --recipe smoke --seed 3; or"
    ):
        asked("airl@procedural_tiny~smoke#3")
    plan = asked("airl@procedural_tiny~smoke#3", more=["--train"])
    (trained,) = plan.trained
    assert plan.trains(trained) and "to train" in describe_plan(plan)
    job = training_job(plan, trained)
    assert (job.trained_on, job.seed, job.recipe) == ("procedural_tiny", 3, job.entry.recipe("smoke"))
    placed("smoke", 3, "airl")
    assert not asked("airl@procedural_tiny~smoke#3").trains(trained)
    assert asked("airl@procedural_tiny~smoke#3", more=["--retrain"]).trains(trained)


def test_weights_whose_training_set_is_gone_still_judge(clips: Path) -> None:
    placed("published", on="ffpp_c23")
    plan = asked("meso4@ffpp_c23")
    assert "so footage it shares with test sets is not found" in " ".join(describe_plan(plan).split())
    run_plan(plan)
    (row,) = load_board(plan.matrix.name).rows
    assert row.clips == 8 and row.failed == 0 and row.provenance["footage_compared"] is False


def test_two_folders_of_one_name_are_two_matrices(clips: Path, tmp_path: Path) -> None:
    shutil.copytree(clips, tmp_path / "other" / "mine")
    names = {measured(folder, "--crop", "none")[0].matrix for folder in ("mine", "other/mine")}
    assert len(names) == 2


def test_boxes_that_changed_in_a_manifest_are_scored_again(clips: Path, tmp_path: Path) -> None:
    files = [str(path.relative_to(tmp_path)) for path in sorted(clips.rglob("*.mp4"))]
    table = pd.DataFrame({"path": files, "label": ["fake" if "fake" in path else "real" for path in files]})
    scores = []
    for box in ("[0, 0, 30, 30]", "[90, 60, 30, 30]"):
        table.assign(box=box).to_csv("boxed.csv", index=False)
        scores.append(measured("boxed.csv", "--crop", "boxes")[2]["score"])
    assert not np.allclose(*scores)


def test_frames_that_changed_in_their_folder_are_scored_again(clips: Path, tmp_path: Path) -> None:
    scores = []
    for level in (40, 200):
        for number in range(4):
            frame = tmp_path / "frames" / "a" / f"{number}.png"
            frame.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(frame), np.full((32, 32, 3), level + number, np.uint8))
        pd.DataFrame(
            {"path": ["frames/a", *sorted(map(str, clips.rglob("*.mp4")))[:1]], "label": [0, 1]}
        ).to_csv("frames.csv", index=False)
        scores.append(measured("frames.csv", "--crop", "none")[2]["score"][0])
    assert scores[1] - scores[0] > 0.5


def test_a_clip_without_a_face_is_in_no_frame_auc(clips: Path, yunet: Path) -> None:
    assert cv2.imwrite(str(clips / "real" / "wall.png"), np.full((90, 120, 3), 200, np.uint8))
    _, row, _ = measured("mine")
    assert row.provenance["faceless"] == 1 and row.metrics["frame_auc"] is not None


def test_a_dataset_is_judged_by_its_name(clips: Path) -> None:
    board, row, _ = measured("procedural_tiny", "--crop", "none")
    assert (board.matrix, row.cell.tested_on, row.clips) == ("own-procedural-tiny", "procedural_tiny", 32)


def test_a_picture_of_an_earlier_run_does_not_stay_beside_new_tables(clips: Path) -> None:
    board, _, _ = measured("mine", "--crop", "none")
    stale = Path("results", f"{board.matrix}-robustness.png")
    stale.parent.mkdir()
    stale.write_bytes(b"an old picture")
    write_board(board, Path("results"))
    assert not stale.exists() and Path("results", f"{board.matrix}-forest.png").is_file()


def test_what_is_missing_of_an_official_set_is_said(clips: Path, tmp_path: Path) -> None:
    root = tmp_path / "there"
    for kind, tail in (("real", ""), ("fake", "_fake")):
        (root / kind).mkdir(parents=True)
        shutil.copyfile(next(clips.rglob("*.mp4")), root / kind / f"0000{tail}.mp4")
    assert main(["data", "set", "uadfv", "there"]) == 0
    page = " ".join(markdown(measured("uadfv", "--crop", "none")[0]).split())
    assert "Not the whole set: 1 of 49 real" in page


def test_a_box_outside_the_picture_is_refused(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    still = str(next(clips.rglob("*.mp4")))
    assert main(["predict", "constant", still, "--box", "900,900,20,20", "--device", "cpu"]) == 2
    assert "lies outside the 160x160 frame" in capsys.readouterr().err


def test_weights_of_unknown_training_are_said_to_be_that(clips: Path) -> None:
    board, row, _ = measured("mine", "--crop", "none")
    cell = dataclasses.replace(row.cell, detector="redness:mine")
    entry = dataclasses.replace(
        board.entries[0], detector=cell.detector, rows=(dataclasses.replace(row, cell=cell),)
    )
    files = {str(cell): path for path in board.predictions.values()}
    board = dataclasses.replace(board, entries=(entry,), predictions=files)
    page = " ".join(markdown(board).split())
    assert "| tested [95 %]" in page and "whether they were seen in training is not known" in page
    assert "not trained |" not in page.partition("Tested on")[2].partition("##")[0]
