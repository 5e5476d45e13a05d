"""A file of scores that any program wrote -> a table in which every column means one thing.

Nothing is guessed: a column, a label or a score that could mean two things is refused in one line.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from harness.files import TABLES, Sheet, digest, file_digest, is_parquet, sheet_of
from harness.guard.parsed import parquet, shortened
from harness.guard.regular import shown
from harness.results.frame_rows import FRAMES_OF, as_clips, numbers_frames
from harness.types import FAKE, REAL, SPLITS, HarnessError, unknown
from harness.words import LABELS, MISSING, SPLIT_WORDS

NEEDED = ("clip_id", "label", "score")
COLUMNS = (
    *NEEDED,
    *("split", "manipulation", "target", "source", "error", "note"),
    *("detector", "trained_on", "seed", "tested_on", "perturbation", "severity"),
)
"""Columns that are read from a file of scores; it needs the first three."""
SAME_AS_CLIP = ("clip", "video", "video_id", "clip_name", "video_name")
"""Columns of which one stands for `clip_id` where there is none."""

ENTRY = ["detector", "trained_on", "seed"]
CELL = [*ENTRY, "tested_on", "perturbation", "severity"]
CLIP = ["clip_id", "label", "manipulation"]
EXPORTED = (
    *(*CELL, "split", "clip_id", "label", "score"),
    *("manipulation", "target", "source", "error", "note"),
)
"""Columns of exported predictions, which `gapbench metrics --predictions` reads as they are."""
ONE = r"^(-?\d+)[.,]0+$"
"""A whole number written as a fraction, as programs do with a column that has gaps: 7.0 and 7 are one."""

ROUNDED = 1e-6
"""How far a probability may lie outside [0, 1] by rounding: the mean of float32 numbers does."""
UNPRINTED = ("clip_id", "target", "source")
"""Names that no table shows: they may hold what a file's name may."""
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
    frames_of: str | None = None
    """`clip` where rows are frames of clips, `none` where none is, whatever their ids look like."""


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
    frames: str = ""
    """How rows became clips, where they are frames; then the table has the column `frame_scores` too."""


def read_scores(path: Path, said: ColumnNames | None = None) -> Scores:
    """The scores in a CSV, TSV or Parquet file; `HarnessError` in one line where it is not clear."""
    said = said or ColumnNames()
    stem = _stem(path)
    table, names, decimal_comma = _read(path, {*COLUMNS, *said.columns.values()})
    chosen = _chosen(path.name, names, said.columns)
    if not table.num_rows:
        raise HarnessError(f"{path.name} has no rows")
    ours_as_is = {*EXPORTED} - {"note"} <= {*names} <= {*EXPORTED}  # older ones had no note
    texts = {
        ours: _texts(path.name, ours, table.column(theirs), ours_as_is)
        for ours, theirs in chosen.items()
        if ours != "score"
    }
    for name in ("clip_id", "label", "split", "detector", "tested_on"):
        if name in texts and (gone := pd.isna(texts[name])).any():
            raise HarnessError(
                f"row {int(gone.argmax()) + 1} of {path.name} has no {name} ({gone.sum()} such)"
            )
    for name, values in texts.items():
        if name in ("error", *UNPRINTED):
            continue
        if strange := [v for v in set(values) if v and not _printable(v)]:
            raise HarnessError(
                f"{name} {strange[0]!r} in {path.name} holds characters that cannot be printed"
            )
    found = pd.DataFrame({name: texts.get(name) for name in COLUMNS}, dtype=object)
    found["label"] = _labels(path.name, texts["label"], said.labels)
    found["score"], rounded = _scores(
        path.name, table.column(chosen["score"]), texts["clip_id"], decimal_comma
    )
    for name in ("seed", "severity"):
        found[name] = _counts(path.name, name, found[name])
    _settle(found, said.name or stem, path.name)
    ignored = [name for name in names if name not in chosen.values() and not numbers_frames(name)]
    notes = [f"columns of {path.name} that were not read: {_listed(ignored)}"] if ignored else []
    if rounded:
        notes.append(f"{rounded} scores outside [0, 1] by rounding were taken as 0 or 1")
    if chosen["clip_id"] != "clip_id" and "clip_id" not in said.columns:
        notes.append(f"clips are named by the column {chosen['clip_id']!r}")
    frames = ""
    if said.frames_of is not None or not ours_as_is:  # the ids of an export are those of clips
        numbered = any(map(numbers_frames, names))
        found, frames = as_clips(found, [*CELL, "split"], said.frames_of, numbered, path.name)
    sha256 = file_digest(path)
    return Scores(found, path.name, stem, sha256, digest([sha256, said]), tuple(notes), frames)


def _printable(text: Any) -> bool:
    """Whether a name can stand in a table: its spaces may be of any kind."""
    return all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in str(text))


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
    suffix = next((end for end in TABLES if path.name.lower().endswith(end)), None)
    if suffix is None:
        raise HarnessError(f"{path.name} is none of {', '.join(TABLES)}")
    return path.name[: -len(suffix)] or path.name


def _read(path: Path, wanted: set[str]) -> tuple[Any, list[str], bool]:
    """The wanted columns of a file, the names of all, and whether a comma is a decimal point.

    The cells of a text are text; names of columns have no blanks around them.
    """
    try:
        if is_parquet(path):
            with parquet(path) as opened:
                theirs = _refuse_twins(path.name, opened.schema_arrow.names)
                few = [n for n in theirs if n.strip() in wanted or n.strip().lower() in SAME_AS_CLIP]
                found = opened.read(few).select(few)
            return found.rename_columns([n.strip() for n in few]), [n.strip() for n in theirs], False
        sheet = sheet_of(path, NEEDED)
        table = _as_text(path.name, sheet)
        names = [str(name).strip() for name in table.column_names]
        return table.rename_columns(names), names, sheet.decimal_comma
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0][:200]
        reason = "".join(sign if sign.isprintable() else "?" for sign in first)
        raise HarnessError(f"{shown(path)} cannot be read: {reason}") from error


def _as_text(file: str, sheet: Sheet) -> Any:
    """The cells of a text as text, so that 007 stays 007."""
    data = pa.py_buffer(sheet.text.encode())
    cut = pcsv.ParseOptions(delimiter=sheet.delimiter, newlines_in_values=True)
    with pcsv.open_csv(pa.BufferReader(data), parse_options=cut) as opened:
        names = opened.schema.names
    _refuse_twins(file, names)
    as_text = pcsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    return pcsv.read_csv(pa.BufferReader(data), parse_options=cut, convert_options=as_text)


def _refuse_twins(file: str, names: Sequence[str]) -> Sequence[str]:
    """The names, of which no two are one but for blanks around them."""
    twins = [name for name, many in Counter(name.strip() for name in names).items() if many > 1]
    if twins:
        raise HarnessError(f"{file} has several columns named {twins[0]!r}; each needs a name of its own")
    return names


def _chosen(file: str, has: Sequence[str], mapped: Mapping[str, str]) -> dict[str, str]:
    """Our column -> the file's; a column that stands for another no longer stands for its own name."""
    for theirs in mapped.values():
        if theirs not in has:
            raise unknown(f"column of {file}", theirs, has)
    own = {name: name for name in COLUMNS if name in has and name not in mapped.values()}
    chosen = {**own, **mapped}
    stands = [name for name in has if name.lower() in SAME_AS_CLIP and name not in mapped.values()]
    if "clip_id" not in chosen and len(stands) == 1:
        chosen["clip_id"] = stands[0]
    lacking = [name for name in NEEDED if name not in chosen]
    if lacking:
        raise HarnessError(_absent(file, has, lacking[0]))
    return chosen


def _absent(file: str, has: Sequence[str], name: str) -> str:
    lowered = {other.lower(): other for other in has}
    near = difflib.get_close_matches(name, lowered, n=1, cutoff=0.6)
    hint = lowered[near[0]] if near else "COLUMN"
    return f"{file} has no column {name!r} (it has: {_listed(has)}); say which it is: --map {name}={hint}"


def _texts(file: str, name: str, column: Any, as_is: bool = False) -> np.ndarray:
    """The values as text `[N]`, None where there is none; only an empty clip id is none.

    `as_is`: written by GapBench, so that a clip may be called ` none`.
    """
    try:
        text = pc.cast(column, pa.string())
        text = text if as_is else pc.utf8_trim_whitespace(text)
    except pa.ArrowException:
        raise HarnessError(f"column {name!r} of {file} holds {column.type}, not text or numbers") from None
    if name in ("label", "target", "source", "seed", "severity"):
        text = pc.replace_substring_regex(text, ONE, r"\1")
    if name == "clip_id" and not as_is:  # two programs may spell one name in two ways
        text = pc.utf8_normalize(text, form="NFC")
    nothing = pa.array(("",) if name == "clip_id" or as_is else MISSING)
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


def _scores(file: str, column: Any, clips: np.ndarray, decimal_comma: bool) -> tuple[np.ndarray, int]:
    """The scores `[N]`, NaN where there is none, and how many lay outside [0, 1] by rounding."""
    if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
        values = np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    else:
        texts = _texts(file, "score", column)
        found = [_number(text, decimal_comma) for text in texts]
        if None in found:
            first = found.index(None)
            raise HarnessError(f"score {texts[first]!r} of clip {clips[first]!r} in {file} is not a number")
        values = np.array(found, dtype=np.float64)
    wrong = ~np.isnan(values) & ~((values >= -ROUNDED) & (values <= 1 + ROUNDED))
    if wrong.any():
        first = int(wrong.argmax())
        raise HarnessError(
            f"score {values[first]:.9g} of clip {clips[first]!r} in {file} is outside [0, 1]"
            f" ({int(wrong.sum())} such); are these logits? Pass probabilities of fake"
        )
    within = np.clip(values, 0, 1)
    return within, int(np.sum(within < values) + np.sum(within > values))


def _number(text: str | None, decimal_comma: bool) -> float | None:
    if text is not None and decimal_comma and text.count(",") == 1 and "." not in text:
        text = text.replace(",", ".")
    try:
        return float("nan") if text is None else float(text.replace("_", "?"))  # Python reads 1_0 as 10
    except ValueError:
        return None


def _counts(file: str, name: str, texts: pd.Series) -> np.ndarray:
    given = texts.fillna("0").astype(str)
    whole = given.str.fullmatch(r"[0-9]{1,18}")
    if not whole.all():
        raise HarnessError(
            f"{name} {shortened(given[~whole].iloc[0])} in {file} is not a whole number from 0 on"
        )
    return given.to_numpy(dtype=object).astype(np.int64)


def _listed(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def wording(
    columns: Sequence[str],
    labels: str | None,
    name: str | None,
    frames_of: str | None = None,
    known: Sequence[str] = COLUMNS,
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
    if frames_of not in (None, *FRAMES_OF):
        raise unknown("--frames-of", str(frames_of), FRAMES_OF)
    return ColumnNames(found, None if words is None else (words[0], words[1]), name, frames_of)
