"""Scores made elsewhere -> a board like that of any matrix.

GapBench sees such scores only as numbers: how the detector was trained, and how its checkpoint was
chosen, is what the file says and nobody checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import __version__
from harness.files import digest, home, plain
from harness.guard.names import cut, visible
from harness.guard.parsed import within
from harness.metrics.missing import faceless
from harness.metrics.scored import COLUMNS
from harness.metrics.thresholds import best_threshold
from harness.records import Board, Entry, Row
from harness.results.completed import completed, scored_by_others
from harness.results.frame_rows import KEPT
from harness.results.predictions import write_predictions
from harness.results.rows import made_row, terms_from
from harness.results.score_file import CELL, CLIP, ENTRY, Scores
from harness.types import PREVALENCE, PROTOCOL, RANKED, REAL, Cell, HarnessError, Runtime, parts_of

RUNTIME = Runtime("elsewhere", "unknown", 0)
"""Nobody says what the scores were computed on."""
NO_SCORE = "no score in the file"
LONGEST_NAME = 100
"""Letters of the name of its tables at most: more are added to it, and file systems take 255."""


def board_from_scores(
    scores: Scores, threshold: float | None = None, prevalence: float = PREVALENCE
) -> tuple[Board, tuple[str, ...]]:
    """The board of a file of scores, and what its reader should know, a line each.

    `threshold` is a decision threshold that was fixed before the test; without it, one is taken from
    the rows with split `val` by the rule of training (`best_threshold`); without those either, the
    threshold is unknown: the AUC stands, and nothing that needs a threshold does. Predictions are
    kept under the home folder. `HarnessError` where rows contradict each other.
    """
    _bounded(scores)
    table, notes = _apart(scores)
    if not (table["split"] == "test").any():
        raise HarnessError(f"{scores.file} has no row of split test, and only those are measured")
    notes += _left_out(table)
    _agreed(table, scores.file)
    table = completed(table, notes)
    if said := _doubtful(table):
        notes.append(said)
    folder = home() / "elsewhere" / scores.key[:16]
    files: dict[str, Path] = {}
    wrong: dict[str, frozenset[str]] = {}
    table["wrong"] = scored_by_others(table)
    entries = [
        _entry(rows, threshold, prevalence, folder, files, notes, wrong)
        for _, rows in table.groupby(ENTRY, sort=False)
        if (rows["split"] == "test").any()
    ]
    notes += _to_be_ranked(entries)
    backwards = _backwards([row for entry in entries for row in entry.rows])
    if backwards:
        notes.append(backwards)
    notes += [scores.frames] if scores.frames else []
    about = _about(scores) + (f" Note: {backwards}." if backwards else "")
    told = {"about": about, "predictions": visible(scores.file), "prevalence": prevalence}
    toml = "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in told.items())
    board = Board(
        *(_matrix(scores.stem), digest([scores.key, threshold]), toml, about, tuple(entries)),
        predictions=files,
        environment={"gapbench": __version__},
        wrong=wrong,
    )
    return board, (*scores.notes, *notes)


def _matrix(stem: str) -> str:
    name = "-".join(re.findall(r"[a-z0-9]+", stem.lower())) or "scores"
    return cut(name, LONGEST_NAME).replace("...", "-")


def _about(scores: Scores) -> str:
    return (
        f"Scores from {visible(scores.file)} (sha256 {scores.sha256[:10]}), made elsewhere. GapBench measured"
        " only the numbers: what the detectors are, what they were trained on and how their checkpoints were"
        " chosen is what"
        " the file says; where it does not say what one was trained on, any set may have been seen."
        + f" {scores.frames[:1].upper()}{scores.frames[1:]}."
        * bool(scores.frames)
    )


def _entry(
    rows: pd.DataFrame,
    threshold: float | None,
    prevalence: float,
    folder: Path,
    files: dict[str, Path],
    notes: list[str],
    wrong: dict[str, frozenset[str]],
) -> Entry:
    """The rows of one detector, trained on one set from one seed; `files`, `notes`, `wrong` are added to."""
    detector, trained_on, seed = rows.iloc[0][ENTRY]
    test = rows[rows["split"] == "test"]
    validation = _validation(rows, test, notes)
    provenance = _selection(validation, threshold, notes, detector)
    terms = terms_from(validation, prevalence)
    found: list[Row] = []
    for _, here in test.groupby(CELL, sort=False):
        tested_on, perturbation, severity = here.iloc[0][CELL[3:]]
        cell = Cell(
            *(detector, trained_on or None, tested_on, perturbation, int(severity), int(seed), RUNTIME)
        )
        if str(cell) in files:
            raise HarnessError(f"two detectors of the file would both be called {cell.entry!r}; rename one")
        known = {**provenance, "clips_sha256": _clips_digest(here), "protocol": PROTOCOL}
        predictions = _stored(here)
        if here["wrong"].any():
            wrong[str(cell)] = frozenset(here.loc[here["wrong"], "clip_id"])
        found.append(made_row(cell, predictions, known, terms, wrong.get(str(cell), ())))
        files[str(cell)] = folder / f"{digest(cell)[:12]}.parquet"
        write_predictions(files[str(cell)], predictions, {"cell": plain(cell), "provenance": known})
    kept = None
    if validation is not None:
        kept = folder / f"{digest([detector, trained_on, int(seed)])[:12]}-validation.parquet"
        write_predictions(kept, _stored(validation), {})
    return Entry(detector, trained_on or None, int(seed), tuple(found), validation=kept)


def _bounded(scores: Scores) -> None:
    """Refuse a file of more detectors, test sets, manipulations or cells than a table can be made of."""
    named = scores.table[[*CELL, "manipulation"]].drop_duplicates()
    within(scores.file, len(named[ENTRY].drop_duplicates()), "score-detectors")
    within(scores.file, named["tested_on"].nunique(), "score-sets")
    sets = named[[*ENTRY, "tested_on"]].drop_duplicates().groupby(ENTRY, dropna=False).size()
    within(scores.file, int((sets**2).sum()), "score-pairs")
    within(scores.file, named["manipulation"].nunique(), "score-manipulations")
    # as many as there are when those that some detectors lack are filled in
    entries = len(named[ENTRY].drop_duplicates())
    cells = entries * named[CELL[3:]].drop_duplicates()["tested_on"].value_counts()
    within(scores.file, int(cells.sum()), "score-cells")
    clips = scores.table[["tested_on", *CLIP]].drop_duplicates()["tested_on"].value_counts()
    within(scores.file, int((clips * cells).sum()), "table-rows", " with those that some detectors lack")


def _apart(scores: Scores) -> tuple[pd.DataFrame, list[str]]:
    """The rows with clip ids that name one clip each within a cell, and what was done for that.

    Datasets reuse file names: four manipulations of one video in four folders, a real and a fake under
    one number. Merging them would give one clip the scores of another.
    """
    table = scores.table[scores.table["split"] != "train"].copy()
    ignored = len(scores.table) - len(table)
    notes = [f"{ignored} rows of split train were not read"] if ignored else []
    table["trained_on"] = table["trained_on"].fillna("")  # grouping would lose None
    place = [*CELL, "split"]
    twice = table.duplicated([*place, *CLIP], keep=False)
    if twice.any():
        raise HarnessError(_twice(table, table[twice], place, scores.file))
    names = table.duplicated([*place, "clip_id"], keep=False)
    if names.any():
        real = table["label"] == REAL
        named = table["manipulation"].where(table["manipulation"].notna(), "")
        folder = named.mask(real & (named != ""), "real/" + named).mask(real & (named == ""), "real")
        table["clip_id"] = folder.mask(folder == "", "fake") + "/" + table["clip_id"]
        shared = table.loc[names, "clip_id"].iloc[0]
        notes.append(
            f"{int(names.sum())} rows share a clip_id with a row of another label or manipulation; they are"
            f" different clips here, named like {shared!r}"
        )
    table["manipulation"] = table["manipulation"].mask(table["label"] == REAL, None)
    return table, notes


def _twice(table: pd.DataFrame, twice: pd.DataFrame, place: Sequence[str], file: str) -> str:
    first = twice.iloc[0]
    same = (twice[[*place, *CLIP]].fillna("") == first[[*place, *CLIP]].fillna("")).all(axis=1)
    where = f"{first['detector']!r} on {first['tested_on']!r}"
    said = f"clip {first['clip_id']!r} stands {int(same.sum())} times for {where} in {file}"
    if 2 * len(twice) >= len(table):
        return f"{said}; if a row is a frame, say --frames-of clip to average the frame scores of a clip"
    return f"{said} ({len(twice)} rows like it); a clip has one score"


def _agreed(table: pd.DataFrame, file: str) -> None:
    """Refuse a clip that is real for one detector and fake for another."""
    labels = table.groupby(["tested_on", "clip_id"], sort=False)["label"].nunique()
    torn = labels[labels > 1]
    for tested_on, clip in torn.index[:1]:
        raise HarnessError(
            f"clip {clip!r} of {tested_on} in {file} is real in some rows and fake in others"
            f" ({len(torn)} such)"
        )


def _to_be_ranked(entries: Sequence[Entry]) -> list[str]:
    """What is missing of what a rank, and an AUC, need."""
    rows = [row for entry in entries for row in entry.rows]
    notes = [
        f"the AUC of {row.cell} is undefined: {row.reasons['auc']}" for row in rows if "auc" in row.reasons
    ]
    if any(row.selection not in RANKED for row in rows):
        notes.append(
            "to be ranked and compared, a detector needs --threshold X, fixed before the test, or rows of"
            " split val and the set it was trained on"
        )
    return notes


def _left_out(table: pd.DataFrame) -> list[str]:
    """A line for detectors that have no test row."""
    tested = table[table["split"] == "test"]["detector"].unique()
    others = [name for name in table["detector"].unique() if name not in tested]
    notes = [f"without a row of split test: {', '.join(others)}"] if others else []
    validated, measured = (
        {tuple(key) for key in table.loc[table["split"] == split, ENTRY].itertuples(index=False)}
        for split in ("val", "test")
    )
    lost = [key for key in validated - measured if key[0] not in others]
    if lost:
        detector, trained_on, seed = min(lost)
        named = f"{detector} trained on {trained_on or 'nothing named'}, seed {seed}"
        notes.append(f"rows of split val that no test rows belong to set no threshold: {named}")
    return notes


def _doubtful(table: pd.DataFrame) -> str:
    """What names of sets were read as a part of a set that the file does not show to be one."""
    names = sorted({*table["tested_on"], *table["trained_on"]} - {""})
    made = set(table["manipulation"].dropna())
    doubtful = []
    for name in names:
        whole, left_out, only = parts_of(name)
        relatives = [other for other in names if other != name and parts_of(other)[0] == whole]
        if (left_out or only) and (left_out or only) not in made and relatives:
            doubtful.append(
                f"{name!r} as {whole!r} {'without' if left_out else 'with only'} {left_out or only!r}"
            )
    return f"read {'; '.join(doubtful)}; if it is a set of its own, write _ in its name" if doubtful else ""


def _validation(rows: pd.DataFrame, test: pd.DataFrame, notes: list[str]) -> pd.DataFrame | None:
    """The clean validation rows of an entry, of the set it was trained on where the file names that."""
    every = rows[rows["split"] == "val"]
    if every.empty:
        return None
    first = rows.iloc[0]
    trained_on = first["trained_on"]
    found = every[every["severity"] == 0]
    if not trained_on:
        notes.append(
            f"the file does not say what {first['detector']} was trained on; its rows of split val are"
            " taken as validation clips of that, not of a test set"
        )
    if trained_on and not found.empty:
        found = found[found["tested_on"] == trained_on]
    if found.empty:
        of = f"on {trained_on!r}, which it was trained on" if trained_on else "without a perturbation"
        notes.append(f"{first['detector']} has no row of split val {of}; its others set no threshold")
        return None
    clip = [*CLIP, "score"]
    again = found[clip].merge(test[clip].drop_duplicates(), on=clip)
    if found["score"].nunique() > 1 and 2 * len(again) > len(found):
        raise HarnessError(
            f"the val rows of {first['detector']} are its test rows again: a threshold from them would be"
            " chosen on the test; remove them"
        )
    return found


def _selection(
    validation: pd.DataFrame | None, threshold: float | None, notes: list[str], detector: str
) -> dict[str, Any]:
    """The decision threshold, and where it and the checkpoint came from."""
    if threshold is not None:
        return {"threshold": threshold, "threshold_source": "fixed", "checkpoint_source": "fixed"}
    nothing = {"threshold": None, "threshold_source": "unknown", "checkpoint_source": "unknown"}
    if validation is None:
        return nothing
    scored = validation[validation["score"].notna() & ~faceless(validation)]
    if scored["label"].nunique() < 2:
        notes.append(f"the val rows of {detector} lack a class; they set no threshold")
        return nothing
    found = best_threshold(scored["score"].to_numpy(np.float64), scored["label"].to_numpy(np.int64))
    return {"threshold": found, "threshold_source": "source-val", "checkpoint_source": "fixed"}


def _clips_digest(rows: pd.DataFrame) -> str:
    listed = [rows[name].fillna("").astype(str).tolist() for name in CLIP]
    return digest("\n".join(sorted(map("\x1f".join, zip(*listed, strict=True)))))


def _stored(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the file as predictions are stored; a clip without a score has failed."""
    failed = rows["score"].isna()
    why = rows["error"].where(rows["error"].notna(), NO_SCORE)
    empty: Iterator[list[float]] = ([] for _ in range(len(rows)))
    nothing = pd.Series(list(empty), index=rows.index, dtype=object)
    frames = rows[KEPT].where(~failed, nothing) if KEPT in rows else nothing
    told = rows.assign(error=why.where(failed, None), frame_scores=frames, frame_indices=nothing)
    return told[[*COLUMNS, "note"]].reset_index(drop=True)


def _backwards(rows: Sequence[Row]) -> str:
    """A line on cells whose AUC is surely below guessing; empty when there is none."""
    low = [row for row in rows if "auc" in row.intervals and row.intervals["auc"][1] < 0.5]
    if not low:
        return ""
    first, more = low[0], f" and {len(low) - 1} more cells" if len(low) > 1 else ""
    return (
        f"the AUC of {first.cell}{more} is below 0.5 ({first.metrics['auc']:.3f}): scores may be P(real),"
        " or labels the other way round; nothing was flipped"
    )
