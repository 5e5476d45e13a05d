"""The DFDC preview (DFDCP): two methods, listed with identities and split in one `dataset.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from harness.files import read_json
from harness.registry import dataset
from harness.trees import Stored
from harness.types import FAKE, REAL, Clip, HarnessError

LABELS = {"real": REAL, "fake": FAKE}
SETS = ("train", "test")
METHODS = ("method_A", "method_B")


@dataset(
    "dfdc_preview",
    about="DFDC preview: dataset.json with original_videos, method_A and method_B; train and test",
    crop="face",
    official={"*/real": 1131, "*/fake": 4119},
)
def dfdc_preview(root: Path) -> Iterator[Clip]:
    """Clips by `dataset.json`: label (lower case), split, and the identities of target and swapped face.

    The method is the folder of a fake. A fake is called `<swapped>_<target>_<take>`, the recording that it
    was made of `<target>_<take>`: that is its footage (else what `source_video` says). There is no val
    split. The full challenge is another dataset, `dfdc`. (Dolhansky et al., 2019, arXiv 1910.08854)
    """
    listing = root / "dataset.json"
    if not listing.is_file():
        full = any((root / name).exists() for name in ("metadata.json", "labels.csv", "test"))
        if full or any(any(root.glob(f"{above}dfdc_train_part_*")) for above in ("", "*/")):
            raise HarnessError(f"dataset dfdc_preview: {root} has no dataset.json: it looks like dfdc")
        raise HarnessError(f"dataset dfdc_preview: {root} has no dataset.json")
    content = read_json(listing)
    if not isinstance(content, dict):
        raise HarnessError(f"{listing} is not a mapping of paths to labels")
    stored = Stored()
    for path, facts in content.items():
        parts = PurePosixPath(path).parts
        if not parts or {"/", ".."} & {*parts}:
            raise HarnessError(f"{listing}: {path!r} is not a path below the folder of the dataset")
        yield replace(_clip(root, listing, path, facts), path=stored(root / path))


def _clip(root: Path, listing: Path, path: str, facts: Mapping[str, Any]) -> Clip:
    label, split = _said(listing, path, facts, "label", LABELS), _said(listing, path, facts, "set", SETS)
    method = PurePosixPath(path).parts[0]
    if label == "fake" and method not in METHODS:
        raise HarnessError(f"{listing}: {path} is fake but not in {' or '.join(METHODS)}")
    target, swapped = facts.get("target_id"), facts.get("swapped_id")
    footage = _footage(PurePosixPath(path).stem, target, swapped if label == "fake" else None)
    footage = footage or facts.get("source_video")
    return Clip(
        id=f"dfdc_preview/{PurePosixPath(path).with_suffix('')}",
        path=root / path,
        label=LABELS[label],
        split=split,
        manipulation=method if label == "fake" else None,
        target=f"dfdc_preview/{target}" if target else None,
        source=f"dfdc_preview/{swapped}" if swapped and label == "fake" else None,
        attributes={"footage": f"dfdc_preview/{footage}"} if footage else {},
    )


def _footage(stem: str, target: Any, swapped: Any) -> str | None:
    """The recording that a file shows, by its name; None where it is not named as the release names it."""
    start = f"{target}_" if swapped is None else f"{swapped}_{target}_"
    return f"{target}_{stem.removeprefix(start)}" if stem.startswith(start) else None


def _said(listing: Path, path: str, facts: Any, key: str, known: Mapping[str, int] | tuple[str, ...]) -> str:
    said = facts.get(key) if isinstance(facts, dict) else None
    if isinstance(said, str) and said in known:
        return said
    hint = "; upper-case labels are those of dfdc" if said in ("REAL", "FAKE") else ""
    raise HarnessError(f"{listing}: {path}: {key} is {said!r}, not {' or '.join(known)}{hint}")
