"""Scores from elsewhere are measured as they stand, and what would flatter a detector is refused or told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from harness.metrics.thresholds import best_threshold
from harness.report.ranks import leaderboard as leaderboard_of
from harness.results import external_scores
from harness.results.external_scores import board_from_scores
from harness.results.predictions import read_predictions
from harness.results.ranking import standings_of
from harness.results.rows import terms_from
from harness.results.score_file import read_scores
from harness.types import HarnessError
from tests.results.score_files import beyond_ranks, board, kept, only, read, refused, scored

pytestmark = pytest.mark.usefixtures("here")

DECISIONS = ("accuracy", "balanced_accuracy", "tpr", "fpr", "ppv")


def test_videos_of_four_manipulations_that_share_a_name_stay_four_clips() -> None:
    reals = pd.DataFrame({"clip_id": ["000", "003"], "label": 0, "score": 0.5})
    names = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
    fakes = pd.DataFrame(
        {"clip_id": "000_003", "label": 1, "score": [0.9, 0.9, 0.9, 0.1], "manipulation": names}
    )
    table = pd.concat([reals, fakes])
    merged = table.groupby(["clip_id", "label"], as_index=False)["score"].mean()
    assert only(merged).metrics["auc"] == 1.0
    row = only(table)
    assert row.metrics["auc"] == 0.75
    assert row.clips == 6
    assert row.metrics["auc:NeuralTextures"] == 0.0
    stored = read_predictions(board(table).predictions[str(row.cell)])[0]
    assert "NeuralTextures/000_003" in set(stored["clip_id"])


def test_a_real_and_a_fake_under_one_number_are_two_clips() -> None:
    table = pd.DataFrame(
        {"clip_id": ["1", "2", "1", "2"], "label": [0, 0, 1, 1], "score": [0.1, 0.2, 0.8, 0.9]}
    )
    for made in (None, "swap"):  # a folder of a method may hold its reals too
        found, notes = board_from_scores(read(table.assign(manipulation=made)))
        assert found.rows[0].clips == 4
        assert any("different clips" in note for note in notes)


def test_names_that_are_clear_are_left_alone() -> None:
    table = scored(manipulation=[None, "swap"] * 20)
    found = board(table)
    stored = read_predictions(found.predictions[str(found.rows[0].cell)])[0]
    assert stored["clip_id"].tolist() == table["clip_id"].tolist()


def test_a_clip_that_stands_twice_is_refused() -> None:
    table = scored()
    twice = pd.concat([table, table.iloc[:2]])
    with pytest.raises(HarnessError, match=r"clip '0000' stands 2 times .*one score") as error:
        board(twice)
    refused("scores.csv", str(error.value))
    frames = pd.concat([table.assign(score=share) for share in (0.2, 0.4, 0.6)])
    with pytest.raises(HarnessError, match=r"stands 3 times .*average the frame scores"):
        board(frames)
    two = pd.concat([table.assign(detector=name) for name in ("one", "other")])
    assert len(board(two).rows) == 2


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_clip_without_a_score_has_failed_and_is_counted(suffix: str) -> None:
    table = scored(error=None)
    table.loc[:2, "score"] = None
    table.loc[0, "error"] = "unreadable"
    found = board_from_scores(read_scores(kept(table, f"scores{suffix}")))[0]
    assert (found.rows[0].clips, found.rows[0].failed) == (40, 3)
    assert found.rows[0].metrics["auc_failed_worst"] < found.rows[0].metrics["auc"]  # type: ignore[operator]
    stored = read_predictions(found.predictions[str(found.rows[0].cell)])[0]
    assert stored["error"].dropna().tolist() == ["unreadable", "no score in the file", "no score in the file"]


def test_nothing_is_said_of_frames_nobody_gave() -> None:
    row = only(scored())
    assert row.metrics["frame_auc"] is None
    assert row.reasons["frame_auc"] == "a scored clip has no frame scores"


def test_without_a_threshold_the_auc_stands_and_nothing_is_decided() -> None:
    row = only(scored())
    assert (row.selection, row.metrics["auc"] is None) == ("unknown", False)
    for name in DECISIONS:
        assert row.metrics[name] is None
        assert "unknown" in row.reasons[name]


def test_a_stated_threshold_is_fixed_and_used() -> None:
    table = scored()
    row = only(table, 0.3)
    assert (row.selection, row.provenance["threshold"]) == ("fixed", 0.3)
    assert row.metrics["accuracy"] == ((table["score"] >= 0.3) == table["label"]).mean()


def test_validation_rows_give_the_threshold_of_their_detector_and_its_operating_points() -> None:
    parts = [
        scored(60, draw=number, detector=name, split=split)
        for number, (name, split) in enumerate([("one", "val"), ("one", "test"), ("other", "test")])
    ]
    one, other = board(pd.concat(parts)).rows
    val, test = parts[0], parts[1]
    assert one.provenance["threshold"] == best_threshold(val["score"].to_numpy(), val["label"].to_numpy())
    assert one.provenance["threshold_source"] == "source-val"
    assert one.provenance["checkpoint_source"] == "fixed"
    assert one.clips == 60
    limit = terms_from(val, 0.01).limits["5pct"]
    assert one.metrics["fpr_at_val_5pct"] == (test.loc[test["label"] == 0, "score"] >= limit).mean()
    assert other.selection == "unknown"
    assert board(pd.concat(parts), 0.3).rows[0].selection == "fixed"


def every_threshold_tried(scores: np.ndarray, labels: np.ndarray) -> float:
    """The rule in the plainest words: each threshold on every clip."""
    distinct = np.unique(scores.astype(np.float64))
    if len(distinct) < 2:
        return 0.5
    thresholds = (distinct[1:] + distinct[:-1]) / 2
    called = scores[None, :] >= thresholds[:, None]
    accuracy = np.round(called[:, labels == 1].mean(1) + 1 - called[:, labels == 0].mean(1), 12)
    ranked = sorted(zip(-accuracy, np.abs(thresholds - 0.5), thresholds, strict=True))
    return float(ranked[0][2])


def test_the_threshold_is_chosen_by_the_rule_of_training() -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 10, 80, 400):
        for digits in (1, 2, 9):
            label = np.append([0, 1], rng.integers(0, 2, size))
            score = np.clip(rng.normal(0.4 + 0.2 * label, 0.2), 0, 1).round(digits)
            assert best_threshold(score, label) == every_threshold_tried(score, label)
            single = score.astype(np.float32)  # as training has them
            assert best_threshold(single, label) == every_threshold_tried(single, label)
    assert best_threshold(np.full(5, 0.7), np.array([0, 1, 0, 1, 1])) == 0.5


def test_validation_rows_of_another_set_set_no_threshold() -> None:
    val = scored(60, split="val", trained_on="lab", tested_on="wild")
    test = scored(60, draw=1, split="test", trained_on="lab", tested_on="wild")
    found, notes = board_from_scores(read(pd.concat([val, test])))
    assert found.rows[0].selection == "unknown"
    assert any("no row of split val on 'lab'" in note for note in notes)
    found, _ = board_from_scores(read(pd.concat([val.assign(tested_on="lab"), test])))
    assert found.rows[0].provenance["threshold_source"] == "source-val"
    found, _ = board_from_scores(read(pd.concat([val, test]).drop(columns="tested_on")))
    assert found.rows[0].provenance["threshold_source"] == "source-val"


def test_test_rows_given_again_as_validation_are_refused() -> None:
    table = scored()
    with pytest.raises(HarnessError, match="val rows of scores are its test rows again"):
        board(pd.concat([table.assign(split="val"), table.assign(split="test")]))


def test_only_test_rows_are_measured_and_training_rows_are_named() -> None:
    table = pd.concat([scored(20, split="Training"), scored(30, draw=1, split="testing")])
    found, notes = board_from_scores(read(table))
    assert found.rows[0].clips == 30
    assert "20 rows of split train were not read" in notes
    with pytest.raises(HarnessError, match="no row of split test"):
        board(scored(split="val"))
    with pytest.raises(HarnessError, match=r"unknown split in scores.csv 'holdout'"):
        board(scored(split="holdout"))


def test_a_detector_without_a_test_row_is_named_and_not_measured() -> None:
    parts = [scored(detector="old", split="val"), scored(detector="new", split="test")]
    found, notes = board_from_scores(read(pd.concat(parts)))
    assert [entry.name for entry in found.entries] == ["new"]
    assert "without a row of split test: old" in notes


def test_a_file_without_threshold_or_validation_rows_is_told_what_a_rank_needs() -> None:
    assert any(note.startswith("to be ranked") for note in board_from_scores(read(scored()))[1])
    assert beyond_ranks(board_from_scores(read(scored()), threshold=0.5)[1]) == list(
        board_from_scores(read(scored()), threshold=0.5)[1]
    )


def test_a_clip_that_only_another_detector_has_counts_as_failed() -> None:
    """Else leaving out the hard clips would win."""
    whole = scored(detector="honest")
    wrong = (whole["score"] >= whole["score"].median()) != (whole["label"] == 1)
    choosy = whole[~wrong].assign(detector="choosy")
    board, notes = board_from_scores(read(pd.concat([whole, choosy])), threshold=0.5)
    rows = {row.cell.detector: row for row in board.rows}
    assert rows["honest"].failed == 0
    assert (rows["choosy"].clips, rows["choosy"].failed) == (len(whole), int(wrong.sum()))
    assert rows["choosy"].metrics["auc_failed_worst"] < rows["honest"].metrics["auc"]  # type: ignore[operator]
    assert any(note.startswith(f"choosy lacks {int(wrong.sum())} clips of") for note in notes)


@pytest.mark.parametrize("how", ["no row", "no score"])
def test_who_leaves_out_what_it_gets_wrong_is_judged_as_if_it_had_it(how: str) -> None:
    """40 of 400 fakes and 25 of 400 reals are wrong: 360 x 375 of 400 x 400 pairs are in order."""
    label = np.repeat([0, 1], 400)
    wrong = np.r_[np.arange(400) < 25, np.arange(400) < 40]
    score = np.where(wrong, 1 - label, label) * 0.8 + 0.1
    table = pd.DataFrame({"clip_id": [f"{k:03d}" for k in range(800)], "label": label, "score": score})
    named = {"trained_on": "source", "tested_on": "other"}
    twin, choosy = table.assign(detector="twin", **named), table.assign(detector="choosy", **named)
    choosy = choosy[~wrong] if how == "no row" else choosy.assign(score=choosy["score"].mask(wrong))
    made, _ = board_from_scores(read(pd.concat([twin, choosy])), threshold=0.5)
    rows = {row.cell.detector: row for row in made.rows}
    assert rows["choosy"].metrics["auc"] == pytest.approx(360 * 375 / 400**2)
    assert rows["choosy"].metrics["auc"] <= rows["twin"].metrics["auc"]  # type: ignore[operator]
    assert rows["choosy"].metrics["accuracy"] == rows["twin"].metrics["accuracy"] == 1 - 65 / 800
    assert (rows["choosy"].failed, rows["twin"].failed) == (65, 0)
    standings = standings_of(made)
    assert [line.name.partition("@")[0] for line in standings.lines] == ["twin", "choosy"]
    (leaderboard, *_) = leaderboard_of(standings)
    assert "counts as judged wrong: choosy 65" in leaderboard.note


def test_a_clip_that_nobody_scored_is_nobodys_fault() -> None:
    table = scored(40)
    table["score"] = table["score"].mask(np.arange(40) < 2)
    made = board(pd.concat([table.assign(detector=name) for name in ("one", "other")]), 0.5)
    assert made.wrong == {}
    assert {row.failed for row in made.rows} == {2}


def two_of_two_sets() -> pd.DataFrame:
    """Scores of `whole` and `choosy`: alike on an easy set, and poor on a hard one and under blur."""
    parts = []
    for detector in ("whole", "choosy"):
        named = {"detector": detector, "trained_on": "source"}
        easy, hard = scored(60, 1, **named, tested_on="easy"), scored(60, 2, **named, tested_on="hard")
        parts += [easy, hard.assign(score=1 - hard["score"])]
        parts += [easy.assign(perturbation="blur", severity=level) for level in (1, 2)]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("left_out", ["a set", "a severity"])
def test_nobody_gains_by_leaving_out_a_test_set_or_a_severity(left_out: str) -> None:
    table = two_of_two_sets()
    gone = table["tested_on"] == "hard" if left_out == "a set" else table["severity"] == 2
    chosen = table[~((table["detector"] == "choosy") & gone)]
    made, notes = board_from_scores(read(chosen), threshold=0.5)
    assert any("choosy has no row of" in note for note in notes)
    lines = {line.name.partition("@")[0]: line for line in standings_of(made).lines}
    assert lines["whole"].ranked
    if left_out == "a set":
        assert not lines["choosy"].ranked
        assert lines["choosy"].unjudged.startswith("hard: no score for 30 of 30 real")
    else:
        assert lines["choosy"].numbers["auc_robust_mean"] is None
        assert lines["choosy"].numbers["auc_unseen_mean"] == lines["whole"].numbers["auc_unseen_mean"]


def test_what_a_detector_was_trained_on_is_not_asked_of_it() -> None:
    """Each is tested on what the other was trained on: neither leaves anything out."""
    crossed = [
        scored(60, 1, detector="one", trained_on="a", tested_on="b"),
        scored(60, 2, detector="other", trained_on="b", tested_on="a"),
    ]
    made, notes = board_from_scores(read(pd.concat(crossed)), threshold=0.5)
    assert not any("no row of" in note for note in notes)
    assert all(line.ranked for line in standings_of(made).lines)


def test_a_clip_that_is_real_for_one_detector_and_fake_for_another_is_refused() -> None:
    one = scored(detector="one")
    other = one.assign(detector="other", label=1 - one["label"])
    with pytest.raises(HarnessError, match=r"is real in some rows and fake in others \("):
        board_from_scores(read(pd.concat([one, other])))


def test_scores_that_point_the_wrong_way_are_pointed_out_and_never_flipped() -> None:
    table = scored()
    right, backwards = only(table), table.assign(score=1 - table["score"])
    found, notes = board_from_scores(read(backwards))
    assert found.rows[0].metrics["auc"] == pytest.approx(1 - right.metrics["auc"])  # type: ignore[operator]
    (note,) = beyond_ranks(notes)
    refused("scores may be P(real)", note)
    assert "nothing was flipped" in found.about
    assert beyond_ranks(board_from_scores(read(table))[1]) == []


def test_a_file_of_one_class_has_no_auc_and_says_why() -> None:
    row = only(scored(label=1), 0.5)
    assert row.metrics["auc"] is None
    assert row.reasons["auc"] == "no scored real clip"
    assert row.metrics["accuracy"] is not None


def test_what_a_policy_said_of_clips_without_a_face_is_known_as_that_elsewhere_too() -> None:
    table = scored(note=None)
    fakes = table.index[table["label"] == 1][:10]
    table.loc[fakes, "score"] = 0.5
    table.loc[fakes, "note"] = "no face was found: as-chance"
    row = only(table, threshold=0.5)
    assert row.counts["faceless"] == (0, 10) and "10 of 20 fake" in row.unjudged
    called = table["score"].where(~table.index.isin(fakes), None)[table["label"] == 1] >= 0.5
    assert row.metrics["tpr"] == pytest.approx((called.sum() + 5) / 20)
    assert only(table.assign(note="blurred"), threshold=0.5).counts["faceless"] == (0, 0)


def test_each_circumstance_is_a_cell_and_each_seed_an_entry() -> None:
    parts = [
        scored(trained_on="lab", tested_on=test, perturbation=name, severity=level, seed=seed)
        for test in ("lab", "wild")
        for name, level in ((None, None), ("jpeg", 3))
        for seed in (0, 1)
    ]
    found = board(pd.concat(parts).astype({"severity": object}))
    assert [entry.name for entry in found.entries] == ["scores@lab", "scores@lab#1"]
    assert [str(row.cell) for row in found.entries[1].rows] == [
        *("scores@lab#1/lab/clean", "scores@lab#1/lab/jpeg-3"),
        *("scores@lab#1/wild/clean", "scores@lab#1/wild/jpeg-3"),
    ]
    assert {row.cell.regime for row in found.rows} == {"in-dataset", "cross-dataset"}


def test_a_name_stands_where_no_column_says_more_and_is_no_part_of_a_set() -> None:
    (row,) = board_from_scores(read(scored(), name="My-Net"))[0].rows
    assert (row.cell.detector, row.cell.tested_on) == ("My-Net", "My_Net")
    path = kept(scored(), "Scores of My-Net (v2).csv")
    assert board_from_scores(read_scores(path))[0].matrix == "scores-of-my-net-v2"


def test_a_set_read_as_a_part_of_another_is_pointed_out() -> None:
    parts = [scored(tested_on=name, trained_on="DFDC") for name in ("DFDC", "DFDC-P")]
    assert any(
        "read 'DFDC-P' as 'DFDC' without 'P'" in note for note in board_from_scores(read(pd.concat(parts)))[1]
    )
    parts = [scored(tested_on=name, trained_on="Celeb-DF") for name in ("Celeb-DF", "DFDC")]
    assert beyond_ranks(board_from_scores(read(pd.concat(parts)))[1]) == []


def test_a_hundred_thousand_lines_are_read_in_seconds() -> None:
    path = kept(scored(100_000, manipulation="swap", target="p1"))
    scores = read_scores(path)
    assert len(external_scores._apart(scores)[0]) == 100_000


@pytest.mark.parametrize(
    ("column", "many", "said"),
    [
        ("detector", 1001, "1,001 detectors"),
        ("seed", 1001, "1,001 detectors"),
        ("tested_on", 101, "101 test sets"),
        ("manipulation", 501, "501 manipulations"),
        ("severity", 5001, "5,001 cells"),
    ],
)
def test_more_of_anything_than_a_table_can_hold_is_refused_before_it_is_measured(
    column: str, many: int, said: str
) -> None:
    names = [str(number + 1) for number in range(many)]
    table = pd.DataFrame({"clip_id": names, "label": 1, "score": 0.5, column: names})
    if column == "severity":
        table["perturbation"] = "blur"
    with pytest.raises(HarnessError) as raised:
        board(table)
    refused(said, str(raised.value))


def test_rows_that_would_be_filled_in_for_absent_clips_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.concat(
        [scored(count=40, detector=f"d{n}").assign(clip_id=lambda t: t.index) for n in range(4)]
    )
    table["clip_id"] = [f"c{number}" for number in range(len(table))]
    monkeypatch.setenv("GAPBENCH_ALLOW_TABLE_ROWS", "200")
    with pytest.raises(HarnessError, match="640 rows with those that some detectors lack"):
        board(table)


def test_pairs_of_test_sets_are_limited_over_all_detectors() -> None:
    names = [(f"d{detector}", f"s{place}") for detector in range(60) for place in range(20)]
    table = pd.DataFrame(names, columns=["detector", "tested_on"]).assign(clip_id="a", label=1, score=0.5)
    with pytest.raises(HarnessError) as raised:
        board(table)
    refused("24,000 pairs of test sets", str(raised.value))
    refused("--allow score-pairs=24000", str(raised.value))
