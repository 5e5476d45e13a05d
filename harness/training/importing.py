"""Published weights in, weights of this machine out: read as data, loaded strictly, proven where that can be.

The format is chosen by name, or by the file's ending where only one comes into question.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from harness import registry, weights
from harness.contracts import FileWeights
from harness.files import failed_download, file_digest, seed_of, write_whole, writing
from harness.guard.hdf5 import check_hdf5, is_hdf5
from harness.guard.parsed import fit_to_show, sized
from harness.guard.parsed import safetensors as check_safetensors
from harness.guard.stored import sealed
from harness.progress import say
from harness.types import HarnessError, Recipe, unknown
from harness.weights import ImportedWeights

OWN = "gapbench"
"""Format of tensors under our own names; every trainable detector takes it."""
ENDINGS: Mapping[str, tuple[str, ...]] = {OWN: (".safetensors",), "keras": (".h5", ".hdf5", ".keras")}
"""Format -> how its files end; any other format takes the files named in `TORCH`."""
PICKLED = (".pth", ".pt", ".ckpt", ".bin", ".tar", ".p", ".pkl", ".pickle", ".th", ".pyth", ".model")
TORCH = (*PICKLED, ".safetensors")
STATED = ("key", "mean", "std", "fake_class")
"""What whoever imports may state of a file, for importers that have a parameter for it."""
TOLERANCE = 1e-4
"""Largest difference in logits, as a share of the largest logit, between a file's own network and ours."""


@dataclass(frozen=True)
class ImportRequest:
    """What is to be imported, and what whoever imports it says of it."""

    file: Path
    detector: str
    """Registered name, or one of a family, e.g. `timm:resnet50`."""
    name: str | None = None
    """Lower-case words joined by `_`; made from the file's name if None."""
    format: str | None = None
    trained_on: str | None = None
    threshold: float | None = None
    selected: str = "unknown"
    size: int | None = None
    frames: int | None = None
    key: str | None = None
    """Where in the file the tensors lie, e.g. `state_dict_ema`; None to find them."""
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    """Of R, G and B, or one number for all: what is shown is (pixel - mean) / std, for pixels from 0 to 1, or
    from 0 to 255 where a number is above 1."""
    fake_class: Sequence[int] | None = None
    """Numbers of the classes that are fake, counted from 0."""
    replace: bool = False
    """Whether other weights of that name may be overwritten."""


def import_weights(wish: ImportRequest) -> ImportedWeights:
    """Read, check, prove and store the weights; nothing is stored unless all of it succeeds."""
    entry = registry.detectors.get(wish.detector)
    if not entry.trainable:
        raise HarnessError(f"{entry.name} is a fixed detector: it takes no weights")
    sized(wish.file, "weights-bytes", "weights")
    failed = failed_download(wish.file)
    if failed:
        raise HarnessError(f"{wish.file.name} {failed}")
    name = _name(wish)
    _check_claims(wish)
    form = _format(wish, entry)
    recipe = _recipe(entry)
    size, frames = wish.size or recipe.size, wish.frames or recipe.frames
    fit_to_show(f"the import of {wish.file.name}", size, frames)
    with _told(wish.file, form):
        digest = file_digest(wish.file)
        if is_hdf5(wish.file):
            check_hdf5(wish.file)
        found = _read(wish, entry, form)
    options = {**recipe.options, **found.options}
    detector = weights.empty_detector(entry, size, frames, options).eval()
    weights.load_strictly(detector, found.tensors, wish.file.name, entry.name)
    with _told(wish.file, form):
        difference = _prove(found.reference, wish.file, detector)
    record = ImportedWeights(
        detector=entry.name,
        name=name,
        sha256="",
        source=wish.file.name if wish.file.name.isprintable() else ascii(wish.file.name),
        source_sha256=digest,
        format=form,
        size=size,
        frames=frames,
        options=options,
        trained_on=wish.trained_on,
        threshold=wish.threshold,
        selected=wish.selected,
        difference=difference,
        assumed=[*found.notes],
    )
    return _store(record, detector, wish.replace)


def _read(wish: ImportRequest, entry: registry.DetectorEntry, form: str) -> FileWeights:
    """What the importer of that format finds in the file, told what is stated of it."""
    importer: Callable[..., Any] = _read_own if form == OWN else entry.importers[form]
    stated = {name: getattr(wish, name) for name in STATED if getattr(wish, name) is not None}
    for name in stated:
        if name not in inspect.signature(importer).parameters:
            raise HarnessError(
                f"--{name.replace('_', '-')} is not for weights of {entry.name} in the format {form}"
            )
    stated |= _pixels(wish)
    found = importer(wish.file, **stated)
    return found if isinstance(found, FileWeights) else FileWeights(found)


def _pixels(wish: ImportRequest) -> dict[str, list[float]]:
    """Mean and std of three channels, for pixels in [0, 1], where they are stated."""
    if wish.mean is None and wish.std is None:
        return {}
    if wish.mean is None or wish.std is None:
        raise HarnessError("--mean and --std go together: state both")
    pixels = {"mean": [*wish.mean], "std": [*wish.std]}
    for name, values in pixels.items():
        if len(values) not in (1, 3) or not all(map(math.isfinite, values)):
            raise HarnessError(f"--{name} is one number or three (R, G, B), not {values}")
    if min(pixels["std"]) <= 0:
        raise HarnessError(f"--std is above 0, not {min(pixels['std']):g}")
    scale = 1.0
    if max(*pixels["mean"], *pixels["std"]) > 1:
        say("note: a mean or std above 1 is one of pixels from 0 to 255: both are divided by 255")
        scale = 255.0
    return {name: [value / scale for value in (values * 3)[:3]] for name, values in pixels.items()}


def _recipe(entry: registry.DetectorEntry) -> Recipe:
    return entry.recipes.get("published") or next(iter(entry.recipes.values()))


@contextmanager
def _told(file: Path, form: str) -> Iterator[None]:
    """Turn whatever an importer raises into one line that names the file."""
    try:
        yield
    except HarnessError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise HarnessError(f"{file.name} cannot be read in the format {form}: {reason}") from error


def _name(wish: ImportRequest) -> str:
    name = wish.name or re.sub("[^a-z0-9]+", "_", wish.file.stem.lower()).strip("_")
    if not weights.WEIGHTS_NAME.fullmatch(name):
        raise HarnessError(f"name of weights {name!r} must be lower-case words joined by '_' (see --name)")
    if not weights.DETECTOR_NAME.fullmatch(wish.detector):
        raise HarnessError(f"weights cannot be kept for a detector called {wish.detector!r}")
    return name


def _check_claims(wish: ImportRequest) -> None:
    if wish.selected not in ("fixed", "unknown"):
        raise HarnessError(f"--selected is 'fixed' or 'unknown', not {wish.selected!r}")
    if wish.threshold is not None and not 0 <= wish.threshold <= 1:
        raise HarnessError(f"--threshold is a number from 0 to 1, not {wish.threshold}")
    for option, number in (("--size", wish.size), ("--frames", wish.frames)):
        if number is not None and number < 1:
            raise HarnessError(f"{option} is a whole number above 0, not {number}")
    if wish.trained_on is None:
        return
    dataset, *left_out = wish.trained_on.split("-", 1)
    if not all(registry.NAME.fullmatch(part.lower()) for part in (dataset, *left_out)):
        raise HarnessError(f"--trained-on is a dataset or dataset-manipulation, not {wish.trained_on!r}")
    if not registry.datasets.knows(dataset):
        say(f"note: no dataset here is called {dataset!r}, what it shares with test sets cannot be checked")


def _format(wish: ImportRequest, entry: registry.DetectorEntry) -> str:
    known = [*entry.importers, OWN]
    if wish.format is not None:
        if wish.format not in known:
            raise unknown(f"format of weights of {entry.name}", wish.format, known)
        return wish.format
    ending = wish.file.suffix.lower()
    fitting = [form for form in known if ending in ENDINGS.get(form, TORCH)]
    stated = any(getattr(wish, name) is not None for name in STATED)
    if ending == ".safetensors" and len(fitting) > 1 and not stated and _are_ours(wish, entry):
        return OWN
    fitting = [form for form in fitting if form != OWN] or fitting
    if not fitting:
        if ending == ".onnx":
            raise HarnessError(
                f"{wish.file.name} is used as it is, without an import: as the detector onnx:{wish.file}"
            )
        takes = "; ".join(f"{form} ({', '.join(ENDINGS.get(form, TORCH))})" for form in known)
        raise HarnessError(f"{wish.file.name}: weights of {entry.name} are known in these formats: {takes}")
    return fitting[0]


def _are_ours(wish: ImportRequest, entry: registry.DetectorEntry) -> bool:
    """Whether the tensors of a file are those of our module, which others call so only by chance."""
    recipe = _recipe(entry)
    size, frames = wish.size or recipe.size, wish.frames or recipe.frames
    ours = weights.empty_detector(entry, size, frames, recipe.options).state_dict()
    theirs = _read_own(wish.file)
    return {name: value.shape for name, value in ours.items()} == {
        name: value.shape for name, value in theirs.items()
    }


def _read_own(file: Path) -> dict[str, Any]:
    check_safetensors(file)
    try:
        return safetensors.torch.load_file(file)
    except (safetensors.SafetensorError, OSError) as error:
        raise HarnessError(f"{file.name} is not a safetensors file: {str(error)[:120]}") from error


def _prove(reference: Callable[[Any], Any] | None, file: Path, detector: Any) -> float | None:
    """Compare the detector with the file's own network on random pixels, where the importer has one."""
    if reference is None:
        return None
    clips = _random_clips(detector.size)
    with torch.inference_mode():
        ours, theirs = detector(clips).double(), reference(clips).double()
    difference = float((ours - theirs).abs().max() / theirs.abs().max())
    spread = float((theirs.max() - theirs.min()) / theirs.abs().max())
    if not difference <= TOLERANCE:
        raise HarnessError(
            f"{file.name} would not be what is imported: on random pixels the logits differ by "
            f"{difference:.1e} of the largest, at most {TOLERANCE:.0e} is rounding"
        )
    if not spread > 10 * TOLERANCE:
        raise HarnessError(
            f"{file.name} says the same of any pixels (to {spread:.0e}), so it cannot be proven to be right"
        )
    return difference


def _random_clips(size: int) -> torch.Tensor:
    """Two clips of two frames, from coarse blots to fine noise: uint8 `[2, 2, size, size, 3]`."""
    rng = np.random.default_rng(seed_of("weights import", size) % 2**32)
    frames = []
    for cell in (64, 16, 4, 1):
        few = rng.integers(0, 256, (-(-size // cell), -(-size // cell), 3), dtype=np.uint8)
        frames.append(few.repeat(cell, 0).repeat(cell, 1)[:size, :size])
    return torch.from_numpy(np.stack(frames).reshape(2, 2, size, size, 3))


def _store(record: ImportedWeights, detector: Any, overwrite: bool) -> ImportedWeights:
    """Write the tensors, then the record that makes them count."""
    tensors = {key: tensor.detach().contiguous().clone() for key, tensor in detector.state_dict().items()}
    stored = safetensors.torch.save(tensors)
    record = replace(record, sha256=hashlib.sha256(stored).hexdigest())
    if record.path.exists() and not overwrite:
        earlier = weights.find_imported(record.full_name)
        if earlier is None or replace(earlier, difference=record.difference) != record:
            raise HarnessError(
                f"{record.full_name} is already there and not the same; give another --name, or --replace"
            )
    with writing(record.path.with_suffix(".safetensors")) as temporary:
        temporary.write_bytes(stored)
    write_whole(record.path, json.dumps(sealed(asdict(record)), indent=1) + "\n")
    return record
