"""The leaderboard: a finished matrix as tables in a file, in a terminal, and as plots."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.files import write_whole
from harness.standing import BASELINE, CROSS, gap_of, headline, in_dataset_auc, mean_of, rows_table
from harness.tables import Table, markdown_table, number, plain, wrapped
from harness.types import Board, Cost, Entry, Row

__all__ = ["cost_table", "headline", "in_dataset_auc", "markdown", "rows_table", "terminal", "write_board"]

MOST_PRINTED_RATE = 1e5
"""Frames a second above which there is no network to speak of."""

TEST_SET_NOTE = (
    "Gap: AUC on forgeries trained on minus this AUC, or `seen` where these were trained on, `fixed` where"
    " nothing was trained. `acc`: accuracy at the threshold chosen on the training dataset's validation"
    " split. The 95 % interval says how far the AUC may move with other people and footage of the same"
    " kind, not with other forgeries or another training."
)


def markdown(board: Board) -> str:
    """The leaderboard as a Markdown file of at most 100 columns, headed by what it was measured on."""
    parts = [f"# {board.matrix}", "", wrapped(board.about), ""]
    for table in _tables(board):
        parts += [markdown_table(table), ""]
    parts += [wrapped(f"{_footer(board)} {_timing(board)}"), ""]
    return "\n".join(parts)


def terminal(board: Board) -> str:
    """The leaderboard as plain text of at most 100 columns, headed by what it was measured on."""
    parts = [board.matrix, "=" * len(board.matrix), wrapped(board.about)]
    tables = [plain(table) for table in _tables(board)]
    return "\n\n".join(["\n".join(parts), *tables, wrapped(_timing(board))]).rstrip()


def cost_table(board: Board) -> pd.DataFrame:
    """What each detector costs, one line a detector and device, columns as in `Cost`; equal lines once."""
    names = [field.name for field in dataclasses.fields(Cost)]
    lines = [dataclasses.asdict(cost) for cost in _costs(board)]
    return pd.DataFrame(lines, columns=names, dtype=object)


def write_board(board: Board, folder: Path) -> list[Path]:
    """Write `<matrix>.md`, `.csv`, `-cost.csv` and the plots there are numbers for; each file whole."""
    from harness import plots  # drawing takes a second to import, and tables need none of it

    named = {kind: folder / f"{board.matrix}{kind}" for kind in (".md", ".csv")}
    write_whole(named[".md"], markdown(board))
    write_whole(named[".csv"], rows_table(board.rows).to_csv(index=False, lineterminator="\n"))
    written = list(named.values())
    if _costs(board):
        written.append(folder / f"{board.matrix}-cost.csv")
        write_whole(written[-1], cost_table(board).round(3).to_csv(index=False, lineterminator="\n"))
    drawn = {
        "heatmap": plots.heatmap,
        "robustness": plots.robustness,
        "roc": plots.roc,
        "speed": plots.speed,
    }
    for name, draw in drawn.items():
        if plots.has(name, board):
            written.append(folder / f"{board.matrix}-{name}.png")
            draw(board, written[-1])
    return written


def ranked(board: Board) -> list[tuple[str, Entry, dict[str, float | None]]]:
    """(rank, entry, headline), best mean unseen AUC first; the row to beat has no rank, nor has None."""
    judged = [(entry, headline(entry)) for entry in board.entries]
    judged.sort(key=lambda pair: _order(pair[1]), reverse=True)
    found, place = [], 0
    for entry, numbers in judged:
        counted = entry.detector != BASELINE and numbers["auc_unseen_mean"] is not None
        place += counted
        found.append((str(place) if counted else "-", entry, numbers))
    return found


def _order(said: Mapping[str, float | None]) -> tuple[float, float]:
    """Unseen AUC, then the AUC on what was trained on; undefined is last."""
    unseen, seen = said["auc_unseen_mean"], said["auc_in_dataset"]
    return (-1.0 if unseen is None else unseen, -1.0 if seen is None else seen)


def _tables(board: Board) -> Iterator[Table]:
    if board.entries:
        yield _standing(board)
    if len({entry.detector for entry in board.entries}) < len(board.entries):
        yield _by_detector(board)
    clean = [row for row in board.rows if row.cell.severity == 0]
    for k, tested in enumerate(dict.fromkeys(row.cell.tested_on for row in clean)):
        here = [row for row in clean if row.cell.tested_on == tested]
        yield _on_test_set(tested, here, board.rows, explained=k > 0)
        yield from _by_manipulation(tested, here)
    for tested in dict.fromkeys(row.cell.tested_on for row in board.rows if row.cell.severity):
        yield _robustness(tested, [row for row in board.rows if row.cell.tested_on == tested])
    yield from _cost(board)
    yield from _recipes(board)
    yield from _failed(board)
    yield from _absent(board)


def _standing(board: Board) -> Table:
    columns = {
        "unseen": "auc_unseen_mean",
        "worst": "auc_unseen_worst",
        "seen": "auc_in_dataset",
        "gap": "auc_gap",
        "robust": "auc_robust_mean",
        "fps": "fps",
    }
    judged = ranked(board)
    shown = [name for name, key in columns.items() if any(said[key] is not None for _, _, said in judged)]
    lines = []
    for rank, entry, said in judged:
        mark = " (the row to beat)" if entry.detector == BASELINE else ""
        cells = [(_rate if name == "fps" else number)(said[columns[name]]) for name in shown]
        lines.append((rank, entry.name + mark, *cells))
    meant = {
        "unseen": "the mean over clean test sets of forgeries not trained on; it gives the rank",
        "worst": "the lowest of them",
        "seen": "the AUC on clean forgeries trained on",
        "gap": "seen minus unseen",
        "robust": "the mean over all perturbed cells",
        "fps": "frames scored a second (device below)",
    }
    note = "Video-level AUC. " + "; ".join(f"`{name}`: {meant[name]}" for name in shown) + "."
    return Table("Leaderboard", ("rank", "detector", *shown), tuple(lines), note, keep=2)


def _by_detector(board: Board) -> Table:
    names = ("auc_unseen_mean", "auc_in_dataset", "auc_gap")
    lines = []
    for detector in dict.fromkeys(entry.detector for entry in board.entries):
        said = [headline(entry) for entry in board.entries if entry.detector == detector]
        means = [mean_of([one[name] for one in said]) for name in names]
        lines.append((detector, str(len(said)), *(number(mean) for mean in means)))
    lines.sort(key=lambda line: line[2], reverse=True)
    note = "Means over the rows above of one detector (training sets and seeds): each is a single AUC."
    return Table("By detector", ("detector", "rows", "unseen", "seen", "gap"), tuple(lines), note)


def _on_test_set(tested: str, rows: Sequence[Row], board_rows: Sequence[Row], explained: bool) -> Table:
    lines = []
    for row in sorted(rows, key=_auc_or_zero, reverse=True):
        gap, _ = gap_of(row, board_rows)
        kind = "fixed" if row.cell.regime == "fixed" else "seen"
        shown = number(gap) if row.cell.regime in CROSS else kind
        rest = [number(row.metrics.get(name)) for name in ("eer", "accuracy")]
        lines.append((row.cell.entry, _with_interval(row), shown, *rest))
    scored = sorted({row.clips - row.failed for row in rows})
    count = " to ".join(str(clips) for clips in dict.fromkeys((scored[0], scored[-1])))
    note = f"Clean clips, {count} scored." + ("" if explained else f" {TEST_SET_NOTE}")
    header = ("detector", "AUC [95 %]", "gap", "EER", "acc")
    return Table(f"Tested on {tested}", header, tuple(lines), note)


def _by_manipulation(tested: str, rows: Sequence[Row]) -> Iterator[Table]:
    names = sorted({name for row in rows for name in row.metrics if name.startswith("auc:")})
    if len(names) < 2:
        return
    ordered = sorted(rows, key=_auc_or_zero, reverse=True)
    lines = tuple((row.cell.entry, *(number(row.metrics.get(name)) for name in names)) for row in ordered)
    header = ("detector", *(name.removeprefix("auc:") for name in names))
    yield Table(
        f"Each manipulation of {tested}", header, lines, "Clean AUC of that manipulation against all reals."
    )


def _robustness(tested: str, rows: Sequence[Row]) -> Table:
    names = list(dict.fromkeys(row.cell.perturbation for row in rows))
    lines = []
    for entry in dict.fromkeys(row.cell.entry for row in sorted(rows, key=_auc_or_zero, reverse=True)):
        mine = [row for row in rows if row.cell.entry == entry]
        means = [
            mean_of([row.metrics.get("auc") for row in mine if row.cell.perturbation == name])
            for name in names
        ]
        lines.append((entry, *(number(mean) for mean in means)))
    levels = sorted({row.cell.severity for row in rows if row.cell.severity})
    note = f"AUC, mean over the severities measured ({', '.join(map(str, levels))}; 1 is mild, 5 is strong)."
    return Table(f"Perturbed: {tested}", ("detector", *names), tuple(lines), note)


def _cost(board: Board) -> Iterator[Table]:
    costs = _costs(board)
    for device in dict.fromkeys(cost.device for cost in costs):
        lines = tuple(
            (
                *(cost.detector, cost.precision, str(cost.size), str(cost.frames), str(cost.batch)),
                *(_rate(cost.frames_per_second), number(cost.latency_ms_p50, 1)),
                *(number(cost.latency_ms_p95, 1), number(cost.peak_vram_allocated_mib, 0)),
                number(cost.parameters / 1e6, 2),
            )
            for cost in costs
            if cost.device == device
        )
        header = ("detector", "precision", "size", "frames", "batch", "fps", "p50", "p95", "VRAM", "params")
        note = (
            "Scoring alone, without decoding: frames/s at the best batch (clips); latency of one clip in ms;"
            " peak VRAM in MiB (none on a CPU); parameters in millions."
        )
        yield Table(f"Cost on {device}", header, lines, note)


def _recipes(board: Board) -> Iterator[Table]:
    fields = {"size": "size", "frames": "frames", "clips": "clips", "epochs": "epochs", "batch": "batch"}
    lines = []
    for entry in board.entries:
        recipe = _recipe(entry)
        if recipe is not None:
            cells = ["all" if recipe.get(key) is None else str(recipe[key]) for key in fields.values()]
            lines.append((entry.detector, *cells, "ImageNet" if recipe.get("pretrained") else "random"))
    if lines:
        note = (
            "Input side in pixels, frames of a clip, training clips and epochs at most, clips a step, and"
            " what the weights started from. Where these are below the detector's published recipe, the"
            " matrix shrank them; the architecture and the loss are never changed."
        )
        yield Table("Trained with", ("detector", *fields, "start"), tuple(dict.fromkeys(lines)), note)


def _failed(board: Board) -> Iterator[Table]:
    lines = tuple((str(row.cell), f"{row.failed} of {row.clips}") for row in board.rows if row.failed)
    if lines:
        note = "Clips that could not be scored. They are counted here and are in no number above."
        yield Table("Failed clips", ("cell", "failed"), lines, note)


def _absent(board: Board) -> Iterator[Table]:
    if board.absent:
        lines = tuple(
            (name if k == 0 else "", text)
            for name, how in board.absent.items()
            for k, text in enumerate(textwrap.wrap(how, 60) or [""])
        )
        note = "Sets this matrix names that are not on this machine; their cells were left out."
        yield Table("Absent", ("set", "what would make it present"), lines, note)


def _footer(board: Board) -> str:
    failed = sum(row.failed for row in board.rows)
    commits = sorted(
        {str(row.provenance["commit"])[:10] for row in board.rows if row.provenance.get("commit")}
    )
    return (
        f"{len(board.rows)} cells, {failed} failed predictions; code {', '.join(commits) or 'unknown'}."
        f" Every column of `{board.matrix}.csv` is explained in [README.md](README.md)."
    )


def _timing(board: Board) -> str:
    """Where the time of the runs went, and what scoring gave from end to end, as far as it is known."""
    timing = board.environment.get("timing", {})
    said = []
    if "made_s" in timing:
        said.append(f"Making the clips took {timing['made_s']:.0f} s.")
    if timing.get("training_s"):
        said.append(f"Training took {timing['training_s']:.0f} s in all.")
    if "scoring_s" in timing:
        frames, seconds = timing["frames_scored"], timing["scoring_s"]
        said.append(
            f"The last run that scored anything scored {frames} frames in {seconds:.0f} s,"
            f" {frames / seconds:.0f} a second from end to end (decode, perturb, crop, score, write)."
        )
    return " ".join(said)


def _recipe(entry: Entry) -> Mapping[str, Any] | None:
    for row in entry.rows:
        if row.provenance.get("recipe"):
            return dict(row.provenance["recipe"])
    return dataclasses.asdict(entry.weights.recipe) if entry.weights else None


def _costs(board: Board) -> list[Cost]:
    return list(dict.fromkeys(entry.cost for entry in board.entries if entry.cost is not None))


def _with_interval(row: Row) -> str:
    auc, bounds = row.metrics.get("auc"), row.intervals.get("auc")
    return number(auc) + (f" [{number(bounds[0])}, {number(bounds[1])}]" if bounds else "")


def _auc_or_zero(row: Row) -> float:
    return row.metrics.get("auc") or 0.0


def _rate(value: float | None) -> str:
    """Frames a second, as it is printed."""
    return number(value, 1) if value is None or value < MOST_PRINTED_RATE else "> 100k"
