"""Rows that score frames become clips, are refused, or were said to be clips."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.results.external_scores import board_from_scores
from harness.results.predictions import read_predictions
from harness.results.score_file import read_scores, wording
from harness.types import HarnessError
from tests.results.score_files import kept, only, scored

pytestmark = pytest.mark.usefixtures("here")

FRAMES = 4


def framed(pattern: str, clips: int = 20) -> pd.DataFrame:
    """A line a frame, all of a clip around its score; `pattern` names clip `c` and frame `k`."""
    table = scored(clips)
    rows = table.loc[table.index.repeat(FRAMES)].reset_index(drop=True)
    shift = (np.arange(len(rows)) % FRAMES - (FRAMES - 1) / 2) / 1000
    names = [pattern.format(c=row // FRAMES, k=row % FRAMES) for row in rows.index]
    return rows.assign(clip_id=names, score=rows["score"] + shift)


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("vid_{c:04d}/{k:03d}.png", "vid_0000"),
        ("frames\\vid_{c:04d}\\{k:03d}.jpg", "frames/vid_0000"),
        ("Deepfakes/{c:03d}_003/{k}.png", "Deepfakes/000_003"),
        ("vid_{c:04d}_frame_{k:03d}", "vid_0000"),
        ("{c:03d}_003_frame{k}.png", "000_003"),
        ("vid{c}.mp4#{k}", "vid0.mp4"),
        ("one{c}two/frame_{k}.png", "one0two"),
    ],
)
def test_ids_of_frames_make_clips_that_are_scored_by_the_mean_of_their_frames(
    pattern: str, first: str
) -> None:
    scores = read_scores(kept(framed(pattern)))
    board, notes = board_from_scores(scores, 0.5)
    row, whole = board.rows[0], only(scored(20), 0.5)
    assert (row.clips, scores.table["clip_id"][0]) == (20, first)
    assert row.metrics["auc"] == pytest.approx(whole.metrics["auc"])
    assert row.intervals["auc"] == pytest.approx(whole.intervals["auc"], abs=0.02)
    assert row.metrics["frame_auc"] is not None
    assert any("80 rows are scores of frames" in note for note in notes) and "20 clips" in board.about
    stored = read_predictions(board.predictions[str(row.cell)])[0]
    assert {len(frames) for frames in stored["frame_scores"]} == {FRAMES}


def test_a_column_that_numbers_frames_makes_clips_of_equal_ids() -> None:
    table = framed("v{c}").rename(columns={"clip_id": "video"}).assign(frame=list(range(FRAMES)) * 20)
    scores = read_scores(kept(table))
    assert scores.table["clip_id"].tolist() == [f"v{k}" for k in range(20)]
    assert scores.notes == ("clips are named by the column 'video'",)
    assert scores.table["score"].to_numpy() == pytest.approx(scored(20)["score"].to_numpy())


def test_a_column_of_frames_beside_ids_of_their_own_changes_nothing() -> None:
    paths = framed("vid_{c:04d}/{k:03d}.png").assign(Frame=list(range(FRAMES)) * 20)
    assert len(read_scores(kept(paths)).table) == 20
    one = scored(20).assign(frame=7)  # one frame a video
    assert read_scores(kept(one)).table["clip_id"].tolist() == one["clip_id"].tolist()


@pytest.mark.parametrize(
    "pattern",
    [
        *("vid_{c:04d}/{k:03d}", "vid_{c:04d}_{k}.png", "real_or_not/x{c}y_{k}.png", "frame_{c}{k}.png"),
        *("vid_{c:04d}_{k}", "vid_{c:04d}#{k}", "vid_{c:04d} ({k})", "vid_{c:04d}_f{k}"),
        *("vid_{c:04d}_{k:02d}_0.png", "real_or_not/vid_{c:04d}:{k}"),
    ],
)
def test_ids_that_may_be_frames_or_not_are_refused_with_the_option_to_say_it(pattern: str) -> None:
    path = kept(framed(pattern))
    with pytest.raises(HarnessError, match=r"80 ids in scores.csv may be .*--frames-of clip .*none"):
        read_scores(path)
    assert len(read_scores(path, wording([], None, None, "none")).table) == 80
    if "{c:04d}" in pattern:
        assert len(read_scores(path, wording([], None, None, "clip")).table) == 20


def test_each_circumstance_has_its_own_clips_of_the_same_frames() -> None:
    table = framed("vid_{c:04d}/{k:03d}")
    parts = [table.assign(perturbation=name, severity=3) for name in ("jpeg", "blur", "resize")]
    path = kept(pd.concat([table.assign(perturbation="clean", severity=0), *parts]))
    board, _ = board_from_scores(read_scores(path, wording([], None, None, "clip")))
    assert [row.clips for row in board.rows] == [20, 20, 20, 20]


def test_equal_ids_are_averaged_where_it_is_said_that_they_are_frames() -> None:
    path = kept(framed("v{c}"))
    with pytest.raises(HarnessError, match=r"stands 4 times .*say --frames-of clip"):
        board_from_scores(read_scores(path))
    assert board_from_scores(read_scores(path, wording([], None, None, "clip")))[0].rows[0].clips == 20


def test_numbered_pictures_and_clips_stay_what_they_are() -> None:
    named = [f"real/{k}.png" for k in range(8)]
    named += [f"fake/{method}/{k}.png" for method in ("sd15", "sd21", "gan") for k in range(8)]
    table = scored(32).assign(clip_id=named, label=[0] * 8 + [1] * 24)
    patterns = ("id{c}/{k:05d}.mp4", "id{c}_{k:04d}.mp4", "img_{c:03d}{k}.png", "{c:03d}{k}")
    for each in (table, *map(framed, patterns)):
        scores = read_scores(kept(each))
        assert (scores.table["clip_id"].tolist(), scores.frames) == (each["clip_id"].tolist(), "")


def test_a_frame_without_a_score_is_in_no_mean_and_a_clip_without_any_has_failed() -> None:
    table = framed("vid_{c:04d}/{k:03d}.png").assign(error=None)
    table.loc[[0, 4, 5, 6, 7], "score"] = None
    table.loc[4, "error"] = "dark"
    board, _ = board_from_scores(read_scores(kept(table)))
    stored = read_predictions(board.predictions[str(board.rows[0].cell)])[0].set_index("clip_id")
    assert stored.loc["vid_0000", "score"] == pytest.approx(table.loc[1:3, "score"].mean())
    assert stored.loc["vid_0001", "error"] == "dark" and board.rows[0].failed == 1
    assert [len(stored.loc[clip, "frame_scores"]) for clip in ("vid_0000", "vid_0001", "vid_0002")] == [
        3,
        0,
        4,
    ]


def test_frames_of_one_number_under_two_manipulations_are_two_clips() -> None:
    parts = [framed("vid_{c:04d}/{k:03d}.png").assign(manipulation=name) for name in ("swap", "gan")]
    fakes = pd.concat(parts)
    found = board_from_scores(read_scores(kept(fakes[fakes["label"] == 1])))[0].rows[0]
    assert found.clips == 20
