"""Each distinct frame is shown once to detectors that score frame by frame, with the scores of before."""

from __future__ import annotations

import numpy as np
import pytest

from harness.video.views import View, lots, put_back, scores_frames_singly, scores_of_view, shown_whole


def view(distinct, indices, whole=None) -> View:
    frames = (
        np.full((len(distinct), 2, 2, 3), 0, np.uint8) + np.array(distinct, np.uint8)[:, None, None, None]
    )
    return View(frames, tuple(distinct), tuple(indices), tuple(whole or indices))


STILL = view([0], [0, 0, 0, 0])
SHORT = view([0, 1, 2], [0, 0, 1, 2])
WHOLE = view([5, 6, 7, 9], [5, 6, 7, 9])
HIDDEN = view([3, 8], [3, 8], [3, 3, 8, 8])


def by_frame(clips: np.ndarray) -> np.ndarray:
    return clips[..., 0, 0, 0].astype(np.float32)


def by_clip(clips: np.ndarray) -> np.ndarray:
    return by_frame(clips).mean(1, keepdims=True)


def test_views_of_one_shape_are_one_batch_and_all_scores_come_back_in_order():
    views = [WHOLE, STILL, SHORT, STILL, HIDDEN]
    made = lots(views, single=True)
    assert sorted(lot.batch.shape[:2] for lot in made) == [(1, 2), (1, 3), (1, 4), (2, 1)]
    said = put_back((lot, by_frame(lot.batch)) for lot in made)
    told = [scores_of_view(one, scores, True) for one, scores in zip(views, said, strict=True)]
    assert [list(scores) for scores, _ in told] == [list(one.indices) for one in views]
    assert [indices for _, indices in told] == [one.indices for one in views]


def test_a_detector_of_whole_clips_is_shown_as_many_frames_as_it_wants():
    views = [WHOLE, STILL, HIDDEN]
    (lot,) = lots(views, single=False)
    assert lot.batch[..., 0, 0, 0].tolist() == [[5, 6, 7, 9], [0, 0, 0, 0], [3, 3, 8, 8]]
    assert scores_of_view(HIDDEN, by_clip(lot.batch)[2], False) == (np.float32([5.5]), (3, 3, 8, 8))


def test_views_of_which_none_is_short_stay_together_and_none_are_no_lot():
    assert [lot.places for lot in lots([WHOLE, WHOLE], single=True)] == [(0, 1)]
    assert lots([], single=True) == []
    assert shown_whole(WHOLE) is WHOLE.frames


def blind_to_place(clips: np.ndarray) -> np.ndarray:
    """A score a frame that changes with the frames beside it."""
    return by_frame(clips) / clips.shape[1]


def of_four(clips: np.ndarray) -> np.ndarray:
    if clips.shape[1] != 4:
        raise ValueError("four frames are wanted")
    return by_frame(clips)


@pytest.mark.parametrize(
    ("score", "singly"), [(by_frame, True), (by_clip, False), (blind_to_place, False), (of_four, False)]
)
def test_whether_frames_are_scored_singly_is_tried_not_believed(score, singly):
    assert scores_frames_singly(score, SHORT) is singly
