"""Ranks, comparisons, seeds, operating points, drift, failures and oracles as a reader sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.metrics.measure import Terms
from harness.records import Board, Cost, Entry, Row
from harness.report.leaderboard import markdown, terminal
from harness.report.oracle import best_accuracy, oracle_tables
from harness.results import ranking
from harness.results.predictions import SCHEMA, write_predictions
from harness.results.rows import made_row, terms_from
from harness.types import Cell, HarnessError, parts_of

LAB, WILD, FAR = "lab", "wild", "far"
KINDS = ("gan", "swap")
PROVENANCE: dict[str, Any] = {
    "threshold": 0.5,
    "threshold_source": "source-val",
    "checkpoint_source": "source-val",
    "clips_sha256": "c" * 64,
    "protocol": 1,
    "commit": "abcdef1234567890",
    "dirty": False,
}
FIXED = {"threshold_source": "fixed", "checkpoint_source": "fixed"}
PEOPLE = 20
"""Identities of a test set; each has two real clips and two fakes of each kind."""


def clips(on: str) -> pd.DataFrame:
    """The clips of a dataset, or of one manipulation of it, without scores."""
    dataset, _, only = parts_of(on)
    lines = []
    for person in range(PEOPLE):
        for kind in (None, *(KINDS if only is None else (only,))):
            for take in range(2):
                source = None if kind is None else f"p{(person + 3 + take) % PEOPLE}"
                name = f"{dataset}/{kind}/{person}-{take}"
                lines.append((name, int(kind is not None), kind, f"p{person}", source))
    told = pd.DataFrame(lines, columns=["clip_id", "label", "manipulation", "target", "source"])
    return told.reindex(columns=SCHEMA.names)


def scored(on: str, strength: float, noise: int, failed: int = 0) -> pd.DataFrame:
    """Predictions that part reals from fakes by `strength` standard deviations; `noise` seeds the rest."""
    told = clips(on)
    rng = np.random.default_rng([noise, *on.encode()])
    score = 1 / (1 + np.exp(-rng.normal(strength * (told["label"] - 0.5), 1)))
    score = np.full(len(told), 0.5) if strength == 0 else score
    told = told.assign(
        score=score, frame_scores=[[value] for value in score], frame_indices=[[0]] * len(told)
    )
    told["error"] = [("no face" if k < failed else None) for k in range(len(told))]
    told.loc[: failed - 1, "score"] = None
    told.loc[: failed - 1, "frame_scores"] = pd.Series([[]] * failed, dtype=object)
    return told


@dataclasses.dataclass
class Making:
    """A board in the making: its entries, and the folder its predictions are stored in."""

    folder: Path
    toml: str = ""
    drawn: int = 300

    def __post_init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.entries: list[Entry] = []

    def entry(
        self,
        detector: str,
        trained_on: str | None,
        strengths: Mapping[str, float],
        seed: int = 0,
        failed: int = 0,
        validation: float | None = None,
        **said: Any,
    ) -> Entry:
        """One entry; `strengths` of `test set` or `test set/perturbation-severity`."""
        noise = [seed, *detector.encode(), *(trained_on or "").encode()]
        number = int(np.random.SeedSequence(noise).generate_state(1)[0])
        terms = Terms(draws=self.drawn)
        if validation is not None:
            terms = dataclasses.replace(terms_from(scored("val", validation, number), 0.01), draws=self.drawn)
        rows = [
            self.row(
                Cell(detector, trained_on, *where(text), seed=seed), strength, number, failed, terms, said
            )
            for text, strength in strengths.items()
        ]
        self.entries.append(Entry(detector, trained_on, seed, tuple(rows)))
        return self.entries[-1]

    def row(
        self, cell: Cell, strength: float, noise: int, failed: int, terms: Terms, said: Mapping[str, Any]
    ) -> Row:
        """The row of one cell, its predictions stored."""
        predictions = scored(cell.tested_on, strength, noise + cell.severity, failed)
        self.files[str(cell)] = self.folder / f"{len(self.files)}.parquet"
        write_predictions(self.files[str(cell)], predictions, {})
        given = FIXED if cell.trained_on is None else {}
        return made_row(cell, predictions, {**PROVENANCE, **given, **said}, terms)

    def board(self) -> Board:
        """What was made so far."""
        about = "Scores drawn at random."
        return Board("made", "m" * 64, self.toml, about, tuple(self.entries), {}, self.files)


def where(text: str) -> tuple[str, str, int]:
    """(tested on, perturbation, severity) of `wild` or `wild/blur-3`."""
    on, _, condition = text.partition("/")
    perturbation, _, severity = (condition or "clean-0").partition("-")
    return on, perturbation, int(severity)


def cross_dataset(folder: Path) -> Board:
    """Two strong detectors, a weak one and the row to beat; trained on one set, tested on it and another."""
    making = Making(folder, toml="prevalence = 0.05")
    making.entry("constant", None, {LAB: 0, WILD: 0, f"{WILD}/blur-3": 0})
    for name, strength in (("weak", 0.5), ("strong", 2.0), ("other", 2.05)):
        strengths = {LAB: 3.0, WILD: strength, f"{WILD}/blur-3": 0.4, f"{WILD}/jpeg-3": 1.0}
        making.entry(name, LAB, strengths, validation=3.0)
    return making.board()


def leave_one_out(folder: Path) -> Board:
    """Two detectors, each trained twice without one of two manipulations."""
    making = Making(folder)
    for name, strength in (("strong", 2.5), ("weak", 0.7)):
        for out in KINDS:
            strengths = {f"{LAB}:{only}": strength if only == out else 3.0 for only in KINDS}
            making.entry(name, f"{LAB}-{out}", strengths)
    return making.board()


def of_seeds(folder: Path, seeds: Iterable[int] = (0, 1, 2)) -> Board:
    """One detector trained from several seeds that differ in what they are worth, and one from one."""
    making = Making(folder)
    for seed in seeds:
        making.entry("unsteady", LAB, {LAB: 3.0, WILD: 0.6 + seed}, seed=seed)
    making.entry("steady", LAB, {LAB: 3.0, WILD: 1.6})
    return making.board()


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of `cross_dataset`; its files are not to be touched."""
    return cross_dataset(tmp_path_factory.mktemp("cross"))


@pytest.fixture(scope="module")
def left_out(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of `leave_one_out`."""
    return leave_one_out(tmp_path_factory.mktemp("out"))


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Board:
    """The board of `of_seeds`."""
    return of_seeds(tmp_path_factory.mktemp("seeds"))


def section(text: str, title: str) -> tuple[str, list[list[str]]]:
    """(note, lines as lists of cells, the header first) of one Markdown section; several tables are one."""
    body = text.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    note = " ".join(" ".join(line for line in body.splitlines() if not line.startswith("|")).split())
    return note, [line for line in cells if set("".join(line)) - set("-: ")]


def column(lines: Sequence[Sequence[str]], name: str) -> list[str]:
    """The cells under a heading."""
    return [line[list(lines[0]).index(name)] for line in lines[1:]]


def test_detectors_that_cannot_be_told_apart_share_a_rank_and_the_next_is_counted_on(cross: Board) -> None:
    _, lines = section(markdown(cross), "Leaderboard")
    assert column(lines, "#") == ["1", "1", "3", "4"]
    assert set(column(lines, "detector")[:2]) == {"strong", "other"}
    assert column(lines, "detector")[2:] == ["weak", "constant (to beat)"]


def test_the_leaderboard_shows_intervals_and_the_least_difference_that_can_be_seen(cross: Board) -> None:
    board = cross
    note, lines = section(markdown(board), "Leaderboard")
    best = ranking.standings_of(board).lines[0]
    low, high = best.interval("auc_unseen_mean") or (0, 0)
    shown = f"{best.numbers['auc_unseen_mean']:.3f} [{low:.3f}, {high:.3f}]".replace("[0.", "[.")
    assert column(lines, "unseen [95 %]")[0] == shown.replace(", 0.", ", .")
    assert "All that is trained was trained on lab." in note
    assert "80 % chance on these clips (one comparison, 5 % level)" in note
    note, _ = section(markdown(board), "LineOnTestSet on wild")
    assert "120 clean clips of 20 identities" in note
    assert "node bootstrap" in note
    assert "A difference must be about" in note


def test_names_say_the_training_set_where_there_are_several(tmp_path: Path) -> None:
    making = Making(tmp_path)
    for trained in (LAB, WILD):
        making.entry("strong", trained, {LAB: 2.0, WILD: 2.0})
    note, lines = section(markdown(making.board()), "Leaderboard")
    assert sorted(column(lines, "detector")) == ["strong@lab", "strong@wild"]
    assert "trained was trained on" not in note


def test_every_comparison_says_whether_two_are_apart(cross: Board) -> None:
    _, lines = section(markdown(cross), "Compared on the same clips")
    verdicts = {frozenset(line[:2]): line[-1] for line in lines[1:]}
    assert len(verdicts) == 6
    assert verdicts[frozenset(("strong", "other"))] == "not told apart"
    assert verdicts[frozenset(("strong", "weak"))] == "apart"
    assert verdicts[frozenset(("strong", "constant"))] == "apart"


def test_of_many_comparisons_those_of_neighbours_and_with_the_best_are_shown(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=50)
    for k in range(7):
        making.entry(f"d{k}", LAB, {LAB: 3.0, WILD: 3.0 - k / 3})
    note, lines = section(markdown(making.board()), "Compared on the same clips")
    assert "Of 21, those between neighbours and those with the best are shown." in note
    assert len(lines) - 1 == 6 + 5


def test_lines_that_met_different_test_sets_are_not_compared_but_their_detectors_are(left_out: Board) -> None:
    text = markdown(left_out)
    note, lines = section(text, "Compared on the same clips")
    assert [line[:2] for line in lines[1:]] == [["strong -gan", "weak -gan"], ["strong -swap", "weak -swap"]]
    assert "Pairs that met different test sets are not shown." in note
    _, lines = section(text, "Detectors compared")
    assert (lines[1][:2], lines[1][-1]) == (["strong", "weak"], "apart")
    _, lines = section(text, "By detector")
    assert column(lines, "lines") == ["2", "2"]


def test_a_line_of_several_seeds_shows_their_mean_their_spread_and_an_interval_that_holds_both(
    seeded: Board,
) -> None:
    board = seeded
    aucs = [row.metrics["auc"] or 0.0 for row in board.rows if row.cell.tested_on == WILD][:3]
    _, lines = section(markdown(board), "Seeds")
    (told,) = lines[1:]
    assert told[:2] == ["unsteady", "3"]
    assert told[2].startswith(f"{np.mean(aucs):.3f} [")
    assert told[3] == f"{max(aucs) - min(aucs):.3f}"
    low, high = (float(bound) for bound in told[2].split("[")[1].rstrip("]").split(","))
    assert low < min(aucs)
    assert high > max(aucs)
    _, lines = section(markdown(board), "LineOnTestSet on wild")
    assert column(lines, "detector") == ["steady", "unsteady"]


def test_one_seed_needs_no_table_of_seeds(cross: Board) -> None:
    assert "Seeds" not in markdown(cross)


def test_what_nobody_vouches_for_stands_below_the_line_without_threshold_metrics(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("strong", LAB, {LAB: 3.0, WILD: 1.0})
    making.entry("borrowed", None, {LAB: 3.0, WILD: 3.0}, checkpoint_source="unknown")
    making.entry("tuned", LAB, {LAB: 3.0, WILD: 3.0}, threshold_source="oracle")
    text = markdown(making.board())
    _, lines = section(text, "Leaderboard")
    assert column(lines, "detector") == ["strong"]
    _, lines = section(text, "Not ranked")
    assert dict(zip(column(lines, "detector"), column(lines, "why"), strict=True)) == {
        "borrowed": "checkpoint unknown",
        "tuned": "threshold oracle",
    }
    assert all(value[:2] == "0." for value in column(lines, "unseen [95 %]"))
    _, lines = section(text, "LineOnTestSet on wild")
    told = dict(zip(column(lines, "detector"), column(lines, "acc [95 %]"), strict=True))
    assert told["tuned (not ranked)"] == told["borrowed (not ranked)"] == "-"
    assert next(iter(told)) == "strong"
    assert told["strong"] != "-"


def test_a_board_of_nothing_but_unknowns_is_still_a_page(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("borrowed", None, {WILD: 1.0}, checkpoint_source="unknown")
    text = markdown(making.board())
    assert "## Leaderboard" not in text
    assert "## Not ranked" in text
    assert "## LineOnTestSet on wild" in text


def test_ppv_is_for_the_prevalence_of_the_matrix_and_what_is_undefined_says_why(
    cross: Board,
) -> None:
    board = cross
    note, lines = section(markdown(board), "Operating points and calibration")
    assert "where 5 % of clips are fake" in note
    assert "`TPR@1%` (40 scored reals; 1 % FPR needs 1000)" in note
    assert "TPR@1%" not in lines[0]
    assert {"TPR", "FPR", "PPV", "Brier [95 %]", "ECE"} < set(lines[0])
    constant = next(line for line in lines if line[0] == "constant")
    assert constant[lines[0].index("Brier [95 %]")] == "0.250 [.250, .250]"


def test_drift_shows_what_a_threshold_set_on_validation_gives_on_each_test_set(cross: Board) -> None:
    board = cross
    _, lines = section(markdown(board), "False-positive drift on wild")
    row = next(row for row in board.rows if str(row.cell) == "weak@lab/wild/clean")
    told = next(line for line in lines if line[0] == "weak")
    assert told[1].startswith(f"{row.metrics['fpr_at_val_5pct']:.3f} [.")
    assert told[-2:] == [f"{row.metrics[f'miss_at_val_5pct:{kind}']:.3f}" for kind in KINDS]
    assert lines[0] == ["detector", "5 % becomes", *KINDS]
    note, _ = section(markdown(board), "False-positive drift on lab")
    assert "`1 % becomes` (40 scored reals to set 1 % FPR by; it needs 100)" in note
    assert "Without such thresholds: constant." in note


def test_drift_that_is_not_known_is_said_and_not_shown(left_out: Board) -> None:
    text = markdown(left_out)
    note, _ = section(text, "Operating points and calibration")
    assert "False-positive drift is not known: no validation predictions." in note
    assert "False-positive drift on" not in text


def test_perturbed_tables_name_the_worst_of_several_perturbations(cross: Board) -> None:
    board = cross
    _, lines = section(markdown(board), "Perturbed")
    row = next(row for row in board.rows if str(row.cell) == "weak@lab/wild/blur-3")
    told = next(line for line in lines if line[0] == "weak")
    assert told[-1] == f"{row.metrics['auc']:.3f}"
    _, lines = section(markdown(board), "Leaderboard")
    robust = dict(zip(column(lines, "detector"), column(lines, "robust"), strict=True))
    assert robust["weak"].endswith(f"/{row.metrics['auc']:.3f}".replace("/0.", "/."))


def test_failed_clips_come_with_the_band_in_which_the_auc_may_lie(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("strong", LAB, {LAB: 3.0, WILD: 1.0}, failed=5)
    making.entry("other", LAB, {LAB: 3.0, WILD: 1.0}, failed=1)
    board = making.board()
    _, lines = section(markdown(board), "Failed clips")
    told = {(line[0], line[1]): line[2:] for line in lines[1:]}
    metrics = board.entries[0].rows[1].metrics
    assert told["strong", "wild/clean"] == [
        "5 of 120",
        f"{metrics['auc']:.3f}",
        f"{metrics['auc_failed_worst']:.3f} to {metrics['auc_failed_best']:.3f}",
    ]
    assert told["other", "wild/clean"][-1] == "-"
    assert (metrics["auc_failed_worst"] or 1) < (metrics["auc"] or 0) < (metrics["auc_failed_best"] or 0)


def test_reals_of_one_set_are_shown_against_fakes_of_another(cross: Board, left_out: Board) -> None:
    _, lines = section(markdown(cross), "Reals of one dataset, fakes of another")
    assert lines[0] == ["detector", "reals of", "fakes of lab", "fakes of wild"]
    assert [line[1] for line in lines[1:3]] == [LAB, WILD]
    assert "constant" not in [line[0] for line in lines]
    assert "Reals of one dataset" not in markdown(left_out)


@pytest.mark.parametrize("make", [cross_dataset, leave_one_out, of_seeds])
@pytest.mark.parametrize("render", [markdown, terminal])
def test_every_page_is_at_most_a_hundred_columns_wide(make: Any, render: Any, tmp_path: Path) -> None:
    text = render(make(tmp_path), oracle=True)
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_best_accuracy_is_the_best_of_all_thresholds() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        label, score = rng.integers(0, 2, 30), rng.integers(0, 6, 30) / 5
        best, threshold = best_accuracy(label, score)
        literal = max(((score >= cut) == label).mean() for cut in (*np.unique(score), 1.1))
        assert best == pytest.approx(literal)
        assert ((score >= threshold) == label).mean() == pytest.approx(best)


def test_what_calls_nothing_fake_may_be_best() -> None:
    assert best_accuracy(np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 1.0, 1.0]))[0] == 0.75


def test_the_oracle_claims_more_than_the_honest_threshold_and_only_when_asked(cross: Board) -> None:
    board = cross
    assert "Oracle" not in markdown(board)
    _, lines = section(
        markdown(board, oracle=True), "Oracle: the threshold chosen on the test clips, never ranked"
    )
    claims = [float(line[lines[0].index("claimed")]) for line in lines[1:] if line[1]]
    assert min(claims) >= 0
    assert max(claims) > 0.02


def test_the_oracle_of_seeds_takes_the_best_on_the_test_clips(cross: Board, seeded: Board) -> None:
    board = seeded
    aucs = [row.metrics["auc"] or 0.0 for row in board.rows if row.cell.tested_on == WILD][:3]
    table = oracle_tables(board)[1]
    assert table.title == "Oracle: the seed chosen on the test clips, never ranked"
    told = table.lines[-1]
    assert told == (
        *("unsteady", f"{np.mean(aucs):.3f}", f"{max(aucs):.3f}"),
        *(f"{max(aucs) - np.mean(aucs):.3f}", str(int(np.argmax(aucs)))),
    )
    assert len(oracle_tables(cross)) == 1


def test_the_oracle_needs_predictions(tmp_path: Path) -> None:
    board = cross_dataset(tmp_path)
    next(iter(board.predictions.values())).unlink()
    with pytest.raises(HarnessError, match="no stored predictions"):
        oracle_tables(board)


def test_the_leaderboard_stays_one_table_by_leaving_speed_to_the_table_of_costs(tmp_path: Path) -> None:
    making = Making(tmp_path, drawn=50)
    for kind in ("reenactment", "autoencoder"):
        name = "efficientnet_bilstm_b"
        entry = making.entry(name, f"{LAB}-{kind}", {f"{LAB}:{only}": 2.0 for only in (kind, *KINDS)})
        cost = Cost(name, "cpu", "fp32", 64, 4, 8, 1111.0, 9.0, 9.0, None, 1000, None, None)
        making.entries[-1] = dataclasses.replace(entry, cost=cost)
    text = markdown(making.board())
    note, lines = section(text, "Leaderboard")
    assert lines[0] == ["#", "detector", "unseen [95 %]", "seen", "gap [95 %]"]
    assert "fps" not in note
    assert "1111" in text.split("## Cost")[1]


def test_a_test_set_with_a_shortcut_has_a_badge_wherever_it_is_named(tmp_path: Path) -> None:
    making = Making(tmp_path)
    making.entry("one", "lab", {"lab": 2, "wild": 1, "far": 1, "wild/blur-3": 1, "far/blur-3": 1})
    board = dataclasses.replace(
        making.board(), shortcuts={"lab": "", "wild": "AUC 0.97 by container alone", "far": None}
    )
    page = markdown(board)
    said = " ".join(page.split())
    assert "## LineOnTestSet on wild [!]" in page and "on wild [!]" in page.partition("## Perturbed")[2]
    assert "Told apart without a look at the face: wild; see below" in said
    assert "(AUC 0.97 by container alone): a high AUC proves little" in said
    assert "Not audited for shortcuts: gapbench data audit far." in said
    assert "## LineOnTestSet on lab\n" in page and "## LineOnTestSet on far\n" in page
    assert "[!]" not in markdown(dataclasses.replace(board, shortcuts={"lab": "", "wild": "", "far": ""}))
