"""A file of scores that any program wrote -> a table in which every column means one thing.

Nothing is guessed: a column, a label or a score that could mean two things is refused in one line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq

from harness.files import digest, file_digest, writing
from harness.records import Board
from harness.results.predictions import read_predictions
from harness.types import FAKE, REAL, SPLITS, Cell, HarnessError, unknown

NEEDED = ("clip_id", "label", "score")
COLUMNS = (
    *NEEDED,
    *("split", "manipulation", "target", "source", "error"),
    *("detector", "trained_on", "seed", "tested_on", "perturbation", "severity"),
)
"""Columns that are read from a file of scores; it needs the first three."""

ENTRY = ["detector", "trained_on", "seed"]
CELL = [*ENTRY, "tested_on", "perturbation", "severity"]
CLIP = ["clip_id", "label", "manipulation"]
EXPORTED = (*CELL, "split", "clip_id", "label", "score", "manipulation", "target", "source", "error")
"""Columns of exported predictions, which `gapbench metrics --predictions` reads as they are."""
SUFFIXES = (".csv", ".csv.gz", ".tsv", ".parquet")

MISSING = ("", "na", "n/a", "nan", "none", "null", "<na>")
"""What programs write where they have nothing to say, in any case."""

LABELS = {"0": REAL, "false": REAL, "real": REAL, "1": FAKE, "true": FAKE, "fake": FAKE}
SPLIT_WORDS = {
    **{name: name for name in SPLITS},
    **{"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test"},
}
ONE = r"^(-?\d+)\.0+$"
"""A whole number written as a fraction, as programs do with a column that has gaps: 7.0 and 7 are one."""

SHOWN = 12
"""Names listed in an error at most."""


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """How a file says what it says, where it does not say it as GapBench does."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of `COLUMNS` -> what the file calls it."""
    labels: tuple[str, str] | None = None
    """What the file calls real and fake; None for 0 and 1, false and true, real and fake."""
    name: str | None = None
    """Detector and test set where no column names them; None for the name of the file."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What a file of scores says, one line a clip and circumstance."""

    table: pd.DataFrame
    """`COLUMNS`: `label` 0 or 1, `score` in [0, 1] or NaN, `seed` and `severity` whole numbers; the
    others text, None where unknown. Without a column `split` every line is of `test`."""
    file: str
    """Name of the file, without folders."""
    stem: str
    """The same without its suffix."""
    sha256: str
    """Digest of the file's bytes."""
    key: str
    """Digest of those and of how they were read."""
    notes: tuple[str, ...] = ()
    """What of the file was not used, a line each."""


def read_scores(path: Path, said: ColumnNames | None = None) -> Scores:
    """The scores in a CSV, TSV or Parquet file; `HarnessError` in one line where it is not clear."""
    said = said or ColumnNames()
    stem = _stem(path)
    table = _read(path)
    table = table.rename_columns([str(name).strip() for name in table.column_names])
    chosen = _chosen(path.name, table.column_names, said.columns)
    if not table.num_rows:
        raise HarnessError(f"{path.name} has no rows")
    texts = {
        ours: _texts(path.name, ours, table.column(theirs))
        for ours, theirs in chosen.items()
        if ours != "score"
    }
    for name in ("clip_id", "label", "split", "detector", "tested_on"):
        if name in texts and (gone := pd.isna(texts[name])).any():
            raise HarnessError(
                f"row {int(gone.argmax()) + 1} of {path.name} has no {name} ({gone.sum()} such)"
            )
    for name, values in texts.items():
        if name != "error" and (strange := [v for v in set(values) if v and not str(v).isprintable()]):
            raise HarnessError(
                f"{name} {strange[0]!r} in {path.name} holds characters that cannot be printed"
            )
    found = pd.DataFrame({name: texts.get(name) for name in COLUMNS}, dtype=object)
    found["label"] = _labels(path.name, texts["label"], said.labels)
    found["score"] = _scores(path.name, table.column(chosen["score"]), texts["clip_id"])
    for name in ("seed", "severity"):
        found[name] = _counts(path.name, name, found[name])
    _settle(found, said.name or stem, path.name)
    ignored = [name for name in table.column_names if name not in chosen.values()]
    notes = (f"columns of {path.name} that were not read: {_listed(ignored)}",) if ignored else ()
    sha256 = file_digest(path)
    return Scores(found, path.name, stem, sha256, digest([sha256, said]), notes)


def _settle(found: pd.DataFrame, name: str, file: str) -> None:
    """Fill in what no column says, and refuse conditions that say two things."""
    if found["split"].isna().any():
        found["split"] = "test"
    words = found["split"].str.lower()
    if not words.isin(SPLIT_WORDS).all():
        raise unknown(f"split in {file}", str(found["split"][~words.isin(SPLIT_WORDS)].iloc[0]), SPLITS)
    found["split"] = words.map(SPLIT_WORDS).astype(object)
    if found["detector"].isna().any():
        found["detector"] = name
    if found["tested_on"].isna().any():
        found["tested_on"] = name.replace("-", "_").replace(":", "_")  # those would name a part of a set
        validation = (found["split"] == "val") & found["trained_on"].notna()
        found.loc[validation, "tested_on"] = found["trained_on"]
    condition = found["perturbation"].fillna("clean").astype(object)
    found["perturbation"] = condition.mask(condition.str.lower() == "clean", "clean")
    clean = found["perturbation"] == "clean"
    if (wrong := ~clean & (found["severity"] == 0)).any():
        what = found.loc[wrong, "perturbation"].iloc[0]
        raise HarnessError(f"perturbation {what!r} in {file} needs a severity of 1 or more in `severity`")
    if (wrong := clean & (found["severity"] > 0)).any():
        level = found.loc[wrong, "severity"].iloc[0]
        raise HarnessError(f"severity {level} in {file} has no perturbation; what is clean has severity 0")


def _stem(path: Path) -> str:
    suffix = next((end for end in SUFFIXES if path.name.lower().endswith(end)), None)
    if suffix is None:
        raise HarnessError(f"{path.name} is none of {', '.join(SUFFIXES)}")
    return path.name[: -len(suffix)] or path.name


def _read(path: Path) -> Any:
    try:
        if path.name.lower().endswith(".parquet"):
            _refuse_twins(path.name, pq.read_schema(path).names)
            return pq.read_table(path, partitioning=None)
        cut = pcsv.ParseOptions(
            delimiter="\t" if path.suffix.lower() == ".tsv" else ",", newlines_in_values=True
        )
        with pcsv.open_csv(path, parse_options=cut) as opened:
            names = opened.schema.names
        _refuse_twins(path.name, names)
        as_text = pcsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))  # 007 stays 007
        return pcsv.read_csv(path, parse_options=cut, convert_options=as_text)
    except FileNotFoundError:
        raise HarnessError(f"no file {path}") from None
    except UnicodeDecodeError:
        raise HarnessError(f"{path} cannot be read: its column names are not UTF-8 text") from None
    except (OSError, pa.ArrowException) as error:
        first = (str(error) or type(error).__name__).splitlines()[0][:200]
        reason = "".join(sign if sign.isprintable() else "?" for sign in first)
        raise HarnessError(f"{path} cannot be read: {reason}") from error


def _refuse_twins(file: str, names: Sequence[str]) -> None:
    stripped = [name.strip() for name in names]
    twins = [name for name in dict.fromkeys(stripped) if stripped.count(name) > 1]
    if twins:
        raise HarnessError(f"{file} has several columns named {twins[0]!r}; each needs a name of its own")


def _chosen(file: str, has: Sequence[str], mapped: Mapping[str, str]) -> dict[str, str]:
    """Our column -> the file's; a column that stands for another no longer stands for its own name."""
    for theirs in mapped.values():
        if theirs not in has:
            raise unknown(f"column of {file}", theirs, has)
    own = {name: name for name in COLUMNS if name in has and name not in mapped.values()}
    chosen = {**own, **mapped}
    lacking = [name for name in NEEDED if name not in chosen]
    if lacking:
        raise HarnessError(_absent(file, has, lacking[0]))
    return chosen


def _absent(file: str, has: Sequence[str], name: str) -> str:
    if len(has) == 1 and any(sign in has[0] for sign in ";\t|"):
        return f"{file} is not separated by commas (its first line is {has[0]!r}); tabs are read in a .tsv"
    lowered = {other.lower(): other for other in has}
    near = difflib.get_close_matches(name, lowered, n=1, cutoff=0.6)
    hint = lowered[near[0]] if near else "COLUMN"
    return f"{file} has no column {name!r} (it has: {_listed(has)}); say which it is: --map {name}={hint}"


def _texts(file: str, name: str, column: Any) -> np.ndarray:
    """The values as text `[N]`, None where there is none; only an empty clip id is none."""
    try:
        text = pc.utf8_trim_whitespace(pc.cast(column, pa.string()))
    except pa.ArrowException:
        raise HarnessError(f"column {name!r} of {file} holds {column.type}, not text or numbers") from None
    if name in ("label", "target", "source", "seed", "severity"):
        text = pc.replace_substring_regex(text, ONE, r"\1")
    nothing = pa.array(("",) if name == "clip_id" else MISSING)
    text = pc.if_else(pc.is_in(pc.utf8_lower(text), value_set=nothing), None, text)
    return np.array(text.to_pylist(), dtype=object)


def _labels(file: str, texts: np.ndarray, words: tuple[str, str] | None) -> np.ndarray:
    known = LABELS if words is None else {words[0]: REAL, words[1]: FAKE}
    lowered = pd.Series(texts, dtype=object).str.lower()
    if not lowered.isin(known).all():
        found = _listed(sorted(set(texts)))
        wanted = "0/1 nor real/fake" if words is None else " nor ".join(map(repr, words))
        hint = "; say which is which: --labels REAL,FAKE" if words is None else ""
        first = texts[(~lowered.isin(known)).argmax()]
        raise HarnessError(f"label {first!r} in {file} is neither {wanted} (found: {found}){hint}")
    return lowered.map(known).to_numpy(dtype=np.int64)


def _scores(file: str, column: Any, clips: np.ndarray) -> np.ndarray:
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    else:
        texts = _texts(file, "score", column)
        found = [_number(text) for text in texts]
        if None in found:
            first = found.index(None)
            raise HarnessError(f"score {texts[first]!r} of clip {clips[first]!r} in {file} is not a number")
        values = np.array(found, dtype=np.float64)
    wrong = ~np.isnan(values) & ~((values >= 0) & (values <= 1))
    if wrong.any():
        first = int(wrong.argmax())
        raise HarnessError(
            f"score {values[first]:g} of clip {clips[first]!r} in {file} is outside [0, 1]"
            f" ({int(wrong.sum())} such); are these logits? Pass probabilities of fake"
        )
    return values


def _number(text: str | None) -> float | None:
    try:
        return float("nan") if text is None else float(text.replace("_", "?"))  # Python reads 1_0 as 10
    except ValueError:
        return None


def _counts(file: str, name: str, texts: pd.Series) -> np.ndarray:
    given = texts.fillna("0").astype(str)
    whole = given.str.fullmatch(r"[0-9]{1,18}")
    if not whole.all():
        raise HarnessError(f"{name} {given[~whole].iloc[0]!r} in {file} is not a whole number from 0 on")
    return given.to_numpy(dtype=object).astype(np.int64)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def wording(
    columns: Sequence[str], labels: str | None, name: str | None, known: Sequence[str] = COLUMNS
) -> ColumnNames:
    """The wording that flags state: `columns` (of `known`) as `score=prob`, `labels` as `real's,fake's`."""
    found: dict[str, str] = {}
    for text in columns:
        ours, _, theirs = (part.strip() for part in text.partition("="))
        if not ours or not theirs:
            raise HarnessError(f"--map {text!r} is not COLUMN=THEIRS, as in --map score=prob")
        if ours not in known:
            raise unknown("column", ours, known)
        if ours in found:
            raise HarnessError(f"--map says twice what {ours!r} is: {found[ours]!r} and {theirs!r}")
        found[ours] = theirs
    words = None if labels is None else tuple(part.strip().lower() for part in labels.split(","))
    if words is not None and (len(words) != 2 or not all(words) or words[0] == words[1]):
        raise HarnessError(f"--labels {labels!r} is not REAL,FAKE, as in --labels pristine,swapped")
    return ColumnNames(found, None if words is None else (words[0], words[1]), name)


def exported(board: Board, cell: str | None = None) -> pd.DataFrame:
    """The stored predictions of a board as one table (`EXPORTED`), with the validation rows of its entries.

    `cell` names one cell by its text, e.g. `xception@lab/wild/clean`; the validation rows of its
    detector come with it. `HarnessError` for an unknown cell, and where predictions are missing.
    """
    names = [str(row.cell) for row in board.rows]
    if cell is not None and cell not in names:
        raise unknown("cell", cell, names)
    parts: list[pd.DataFrame] = []
    for entry in board.entries:
        rows = [row for row in entry.rows if cell in (None, str(row.cell))]
        for row in rows:
            if str(row.cell) not in board.predictions:
                raise HarnessError(f"no stored predictions of {row.cell}")
            parts.append(_as_exported(board.predictions[str(row.cell)], row.cell, "test"))
        if rows and entry.validation is not None:
            seen = Cell(entry.detector, entry.trained_on, entry.trained_on or "", seed=entry.seed)
            parts.append(_as_exported(entry.validation, seen, "val"))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(EXPORTED))


def write_scores(table: pd.DataFrame, path: Path) -> None:
    """Write exported predictions as `.csv` or `.parquet`, whole or not at all."""
    exportable(path)
    with writing(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False, lineterminator="\n")
        else:
            table.to_parquet(temporary, index=False)


def exportable(path: Path) -> None:
    """Refuse a file to write whose name ends in neither `.csv` nor `.parquet`, or that is a folder."""
    if path.suffix not in (".csv", ".parquet"):
        raise HarnessError(f"predictions are written as .csv or .parquet, not as {path.name!r}")
    if path.is_dir():
        raise HarnessError(f"{path} is a folder; name a file in it")


def _as_exported(path: Path, cell: Cell, split: str) -> pd.DataFrame:
    predictions, _ = read_predictions(path)
    said = {name: getattr(cell, name) for name in CELL} | {"split": split}
    table = predictions.assign(**{name: [value] * len(predictions) for name, value in said.items()})
    return table[list(EXPORTED)]
