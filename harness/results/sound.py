"""What stored predictions must be to be believed: their columns, their clips, their scores, their digest."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.guard.stored import fault_of, opened, table_digest, type_name
from harness.types import Clip, HarnessError

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("label", pa.int8()),
        ("manipulation", pa.string()),
        ("target", pa.string()),
        ("source", pa.string()),
        ("score", pa.float64()),
        ("frame_scores", pa.list_(pa.float32())),
        ("frame_indices", pa.list_(pa.int32())),
        ("error", pa.string()),
        ("note", pa.string()),
        ("seen", pa.int32()),
        ("looked", pa.int32()),
        ("people", pa.int32()),
    ]
)
LATER = ("seen", "looked", "people")
"""Columns that predictions of earlier versions lack."""
CLIP = SCHEMA.names[:5]
"""The columns that say which clip was scored."""
MADE = {"versions?": (None, dict)}
META = {
    "key?": str,
    "cell?": dict,
    "difference?": (None, float),
    "made?": (None, MADE),
    "provenance?": {"versions?": (None, dict), "made?": (None, [MADE])},
}
"""What may be written of predictions, as `guard.stored.fault_of` wants it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a file of predictions holds."""

    table: Any
    """`pyarrow.Table` of the stored columns; None where it cannot be read."""
    meta: dict[str, Any]
    fault: str
    """Why it cannot be believed, whatever is asked for; empty where it can."""

    def fault_for(self, key: str, clips: Sequence[Clip] | None) -> str:
        """Why it cannot be believed to be what is asked for: under that key, of these clips in this order."""
        if self.fault:
            return self.fault
        if self.meta.get("key") != key:
            return "belongs to another request"
        if clips is None:
            return ""
        if len(clips) != len(self.table):
            return f"has {len(self.table)} clips, not the {len(clips)} that are asked for"
        for column in CLIP:
            name = "id" if column == "clip_id" else column
            told = self.table[column].to_pylist()
            wrong = next((c for c, said in zip(clips, told, strict=True) if getattr(c, name) != said), None)
            if wrong is not None:
                return f"says something else of {wrong.id} than the dataset (column {column})"
        return ""


def meta_in(text: bytes) -> dict[str, Any]:
    """What was written beside predictions; a `HarnessError` for what GapBench does not write."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HarnessError("has a description that is not JSON") from error
    fault = fault_of(said, META)
    if fault:
        raise HarnessError(f"has a description that {fault}")
    return dict(said)


def fault_in(table: pa.Table, meta: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What was written beside predictions, without its digest, and why both cannot be believed."""
    for name in SCHEMA.names:
        wanted, found = (type_name(schema.field(name).type) for schema in (SCHEMA, table.schema))
        if wanted != found:
            return meta, f"has {found} in the column {name}, not {wanted}"
    try:
        said, fault = opened(meta, table_digest(table))
    except (ValueError, pa.ArrowException) as error:  # text that is none
        return meta, f"cannot be read ({str(error).splitlines()[0]})"
    return said, fault or _fault_of_values(table)


def _fault_of_values(table: pa.Table) -> str:
    ids, labels, scores = table["clip_id"], table["label"], table["score"]
    if ids.null_count or len(ids.unique()) != len(ids):
        return "has a clip without an id, or twice"
    if not set(labels.unique().to_pylist()) <= {0, 1}:
        return "has a label that is neither 0 nor 1"
    within = pc.and_(pc.greater_equal(scores, 0), pc.less_equal(scores, 1))  # false for NaN
    return "" if pc.all(within, min_count=0).as_py() else "has a score outside [0, 1]"
