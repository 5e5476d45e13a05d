"""Whether a published figure and a measured row are of one kind, and whether they may be compared."""

from __future__ import annotations

from collections.abc import Iterator

from harness.metrics.measure import FEW_FAILED
from harness.report.published_figures import Figure
from harness.types import BENCH, COMPRESSION, RANKED, Cell, Row, parts_of, world_of

STANDS_FOR = {"ffpp": "ffpp_c23"}
"""What DeepfakeBench's name of a dataset stands for, where it is not our own name of it."""
FIFTH = "FaceShifter"
"""Came to FaceForensics++ later; figures on that set are over its first four manipulations."""
CHOSEN = {
    "oracle": "it was selected on test data",
    "unknown": "nobody says on what it was selected",
}


def why_not(row: Row, figure: Figure, recipe: str = "published") -> list[str]:
    """Why a measured row and a published figure may not be compared; empty where they may.

    `recipe` is the name of the one that the row's weights were trained by.
    """
    cell = row.cell
    without = row.failed + int(row.provenance.get("faceless") or 0)
    said = [
        "only its authors claim it" if figure.kind == "claim" else "",
        CHOSEN.get(figure.selection, ""),
        _granularity(row, figure),
        *_sets(cell, figure),
        f"here {FIFTH} is tested too" if _has_fifth(row) else "",
        _preprocessing(cell, figure),
        "" if _bare(cell.detector) == figure.detector else f"it is of {figure.detector}",
        "" if figure.perturbation in (cell.condition, "clean") else "its severity is not said",
        "" if row.selection in RANKED else f"here checkpoint or threshold: {row.selection}",
        "here test clips share footage with training clips" if row.shares_footage else "",
        f"here the recipe is {recipe}" if recipe != "published" and _trained_here(cell) else "",
        "here over 1 % of the clips failed or show no face" if without > FEW_FAILED * row.clips else "",
    ]
    said = [each for each in said if each]
    return [f"{said[0]} ({figure.note})", *said[1:]] if said and figure.note else said


def _granularity(row: Row, figure: Figure) -> str:
    if not figure.granularity:
        return "it does not say whether it is over frames or videos"
    by_video = figure.granularity == "frame" and metric_beside(row, figure) != "frame_auc"
    return "it is over frames, here over videos" if by_video else ""


def metric_beside(row: Row, figure: Figure) -> str:
    """The number of the row that the figure stands beside."""
    by_frame = figure.metric == "auc" and figure.granularity == "frame"
    return "frame_auc" if by_frame and row.metrics.get("frame_auc") is not None else figure.metric


def _sets(cell: Cell, figure: Figure) -> Iterator[str]:
    trained, left_out, _ = parts_of(cell.trained_on or "")
    if not trained or not figure.trained_on:
        yield "its training set is not said" if trained else "the training set here is not said"
    elif world_of(trained) != world_of(figure.trained_on):
        yield f"it was trained on {figure.trained_on}, here on {trained}"
    if left_out and (world_of(trained), left_out) != ("ffpp", FIFTH):
        yield f"here trained without {left_out}"
    only, its_only = (parts_of(name)[2] for name in (cell.tested_on, figure.tested_on))
    if only != its_only:
        yield f"it is over {its_only or 'all manipulations'}, here over {only or 'all'}"
    names = (_ours(name) for name in (trained, parts_of(cell.tested_on)[0]))
    here = {match[1] for match in map(COMPRESSION.search, names) if match}
    if here - {figure.compression}:
        its = figure.compression or "not said"
        yield f"its compression is {its}, here {' and '.join(sorted(here))}"


def _has_fifth(row: Row) -> bool:
    whole = parts_of(row.cell.tested_on)[2] is None
    return whole and world_of(row.cell.tested_on) == "ffpp" and f"auc:{FIFTH}" in row.metrics


def _preprocessing(cell: Cell, figure: Figure) -> str:
    if not figure.preprocessing:
        return "its preprocessing is not said"
    here = BENCH.rstrip("_") if cell.tested_on.startswith(BENCH) else "gapbench"
    other = here != figure.preprocessing
    return f"its faces were cut by {figure.preprocessing}, here by {here}" if other else ""


def _ours(dataset: str) -> str:
    """`deepfakebench_ffpp` -> `ffpp_c23`; our own names as they are."""
    name = dataset.removeprefix(BENCH)
    return dataset if name == dataset else STANDS_FOR.get(name, name)


def _bare(detector: str) -> str:
    """`deepfakebench_xception:mine` -> `deepfakebench_xception`."""
    return detector.partition(":")[0]


def _trained_here(cell: Cell) -> bool:
    """Whether a recipe made its weights; imported ones are called `detector:name`."""
    return cell.trained_on is not None and cell.detector == _bare(cell.detector)


def meets(row: Row, figure: Figure) -> bool:
    """Whether a figure is of the row's kind of detector, on its test set, under its condition."""
    cell = row.cell
    kinds = {_bare(name).removeprefix(BENCH) for name in (cell.detector, figure.detector)}
    worlds = {world_of(name) for name in (cell.tested_on, figure.tested_on)}
    conditions = {cell.condition, cell.perturbation if cell.severity else "clean"}
    return len(kinds) == len(worlds) == 1 and figure.perturbation in conditions
