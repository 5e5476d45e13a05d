"""What a plug-in promises: the entry of a detector, a dataset, a perturbation, as it is registered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from harness.guard.parsed import fit_to_show, shortened
from harness.types import Clip, HarnessError, Recipe, unknown

if TYPE_CHECKING:  # the command line loads this to print its help
    import numpy as np

NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
"""Names are lower-case words joined by `_`: `-`, `:`, `@`, `#` and `/` mean something in cells."""


@runtime_checkable
class Detector(Protocol):
    """What scores clips. A trainable detector is also a `torch.nn.Module` with a `loss`."""

    size: int
    """Side of the square input, in pixels."""
    frames: int
    """Frames of a clip it wants, evenly spaced."""

    def score(self, clips: Any) -> Any:
        """P(fake) in [0, 1] of uint8 RGB clips `[B, T, S, S, 3]`: `[B, T]` frame-based, `[B, 1]` clip-based.

        An `nn.Module` gets and gives tensors on its own device; any other detector gets and gives
        numpy arrays. Normalisation is the detector's own business. The score of a clip does not
        depend on the other clips of the batch.
        """
        ...


@dataclass(frozen=True)
class FileWeights:
    """What an importer found in a file, where the tensors are not all that there is to say."""

    tensors: Mapping[str, Any]
    """Under the names of our module, into which they must load strictly."""
    reference: Callable[[Any], Any] | None = None
    """The file's own network, computed apart from our module: logits `[B, T]`, fake positive, of uint8 clips
    `[B, T, S, S, 3]`. Whoever imports compares the two, and refuses the weights if they differ."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the detector's constructor that belong to these weights, in JSON's types."""
    notes: tuple[str, ...] = ()
    """What was assumed, left out or changed, a line each."""


Importer = Callable[..., Mapping[str, Any] | FileWeights]
"""A file of weights -> its tensors under the names of our module, or `FileWeights`.

Called with the path and, by name, what is stated of the file; an importer takes what it has parameters for:
`key`, where in the file the tensors lie; `mean` and `std`, three numbers each, for pixels in [0, 1];
`fake_class`, the numbers of classes that are fake."""


CHANGES: Mapping[str, tuple[str, str]] = {
    **{name: (name, r"[1-9]\d{0,11}") for name in ("epochs", "size", "clips", "batch")},
    "lr": ("learning_rate", r"0\.\d{1,30}"),
    "limit": ("limit", r"[1-9]\d{0,11}"),
    "present": ("present", ""),
    "from": ("start", "[0-9a-f]{10}"),
}
"""What of a recipe can be changed on the command line, in the order of its name -> field, and what it may
be: `published+epochs3+lr0.001+present` is the recipe `published` with three changes."""


def changed_recipe(name: str, changes: Mapping[str, Any]) -> str:
    """The name of a recipe with changes, word of `CHANGES` -> value; None and False change nothing."""
    said = [
        word if changes[word] is True else f"{word}{_decimal(changes[word])}"
        for word in CHANGES
        if changes.get(word) not in (None, False, "")
    ]
    return "+".join([name, *said])


def clips_of_recipe(name: str) -> tuple[bool, int | None]:
    """Whether a recipe of that name takes only clips that have a file, and how many of a split at most."""
    said = dict(map(_change, name.split("+")[1:]))
    return said.get("present", False), said.get("limit")


def _decimal(value: Any) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _change(text: str) -> tuple[str, Any]:
    """Field and value of one change: `epochs3` -> ("epochs", 3)."""
    for word, (name, pattern) in CHANGES.items():
        match = re.fullmatch(f"{word}({pattern})", text)
        if match:
            return name, match[1] if word == "from" else _value(match[1])
    raise unknown("change of a recipe", text, CHANGES)


def _value(text: str) -> float | int | bool:
    """A number as its kind, and True where there is none."""
    return True if not text else float(text) if "." in text else int(text)


@dataclass(frozen=True)
class DetectorEntry:
    """A registered detector."""

    name: str
    build: Callable[..., Any]
    """`build(size=, frames=, pretrained=, **recipe.options)` if trainable, `build()` if fixed."""
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Ways to train it, by name; empty for a fixed detector."""
    file: str = ""
    importers: Mapping[str, Importer] = field(default_factory=dict)
    """Format of a published checkpoint -> what reads it."""
    trained_on: str | None = None
    """What imported weights were trained on, as whoever imported them says; None when nobody does."""
    identity: str = ""
    """sha256 (hex) over weights that came from outside and what is stated of them; empty otherwise."""
    version: str = "1"
    """Raised whenever the same recipe or the same weights come to mean another network."""

    @property
    def trainable(self) -> bool:
        """Whether it needs weights."""
        return bool(self.recipes)

    def recipe(self, name: str) -> Recipe:
        """The recipe of that name, with its changes (`CHANGES`); `HarnessError` names the known ones."""
        base, *changes = name.split("+")
        if base not in self.recipes:
            raise unknown(f"recipe of {self.name}", base, self.recipes)
        changed = replace(self.recipes[base], **dict(map(_change, changes)))
        if changes:
            fit_to_show(f"the recipe {shortened(name)} of {self.name}", changed.size, changed.frames)
        return changed

    def make(self, recipe: Recipe | None = None) -> Any:
        """A new detector: with the recipe's size, frames and options, or a fixed one as it is."""
        if not self.trainable:
            return self.build()
        if recipe is None:
            raise HarnessError(f"{self.name} is trained, so it is built from a recipe")
        return self.build(
            size=recipe.size, frames=recipe.frames, pretrained=recipe.pretrained, **recipe.options
        )


LeftOut = Callable[[Path], Iterable[tuple[Path, str]]]
"""`left_out(root)` -> every file under the root that is no part of a clip, and why in a few words."""
Remarks = Callable[[Path], Iterable[str]]
"""`remarks(root)` -> what was decided by names alone in listing what is there, a sentence each."""


@dataclass(frozen=True)
class DatasetEntry:
    """A registered dataset."""

    name: str
    clips: Callable[[Path], Iterator[Clip]]
    """Lists the clips found under a root folder, lazily, in a fixed order."""
    about: str
    """One line for tables: what it is."""
    crop: str = "center"
    """`none` (whole frame), `center` (largest centred square), `boxes` (1.3 x the clip's face box) or `face`
    (1.3 x the box of the face that is found)."""
    embedded: bool = False
    """Made here on first use; every other dataset is brought by the user."""
    version: str = "1"
    """Raised whenever the same clip ids come to mean other pixels or labels."""
    prepare: Callable[[Path], None] | None = None
    """For an embedded dataset: makes the files under the root if they are not there yet."""
    official: Mapping[str, int] = field(default_factory=dict)
    """Clips in the complete dataset: `split/real`, `split/manipulation` or `split/fake` (all of them; `*` for
    all splits) -> count."""
    shares: str = ""
    """Dataset whose folder is also this one's, unless a folder of its own is named."""
    file: str = ""
    left_out: LeftOut | None = None
    """For a dataset that is what lies in its folders: which files are no clips. Others come with a list."""
    remarks: Remarks | None = None
    """What whoever reads a number must know of how it was listed."""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What can be named as `dataset:part` beside manipulations, domains and what is here -> manipulations."""
    faults: Remarks | None = None
    """What is wrong with what lies there, and makes a number wrong."""
    root: Path | None = None
    """Where the clips of one's own lie that were given this name (`own_sets`); None for all others."""
    people_from: str = ""
    """What of such clips says who is seen (`own_sets.PEOPLE_FROM`); empty: the list itself, if anything."""
    splits: bool = False
    """Whether such clips are split here where nobody says of which split they are."""
    alike: Mapping[str, str] = field(default_factory=dict)
    """Id of such a clip, without the set's name -> what it shares with those that look like copies of it."""


Apply = Callable[["np.ndarray", Any, "np.random.Generator"], "np.ndarray"]


@dataclass(frozen=True)
class PerturbationEntry:
    """A registered perturbation."""

    name: str
    apply: Apply
    """`apply(frames uint8 [T, H, W, 3] RGB, parameter, rng) -> the same shape and type`; one draw a clip."""
    parameters: tuple[Any, ...]
    """The parameter at severity 1, 2, ...; each changes the frames more than the one before."""
    version: str = "1"
    """Raised whenever the same parameter comes to mean other pixels."""
    file: str = ""

    def parameter(self, severity: int) -> Any:
        """The parameter at a severity of 1..n; `HarnessError` names the range."""
        if not 1 <= severity <= len(self.parameters):
            raise HarnessError(
                f"{self.name} has no severity {severity} (known: 1 to {len(self.parameters)}; clean is 0)"
            )
        return self.parameters[severity - 1]


def stated_selection(detector: Any, name: str) -> dict[str, Any]:
    """`threshold`, `threshold_source` and `checkpoint_source` of a fixed detector, which may state them.

    `threshold` is within [0, 1], 0.5 unless stated, None where there is none; `checkpoint_source` is
    `fixed` unless it is stated as `unknown`: on what its weights were chosen nobody knows. Anything
    else is a `HarnessError`.
    """
    threshold = getattr(detector, "threshold", 0.5)
    checkpoint = getattr(detector, "checkpoint_source", "fixed")
    if threshold is not None and not (isinstance(threshold, (int, float)) and 0 <= threshold <= 1):
        raise HarnessError(f"{name}: threshold must be None or a number from 0 to 1, not {threshold!r}")
    if checkpoint not in ("fixed", "unknown"):
        raise HarnessError(f"{name}: checkpoint_source must be 'fixed' or 'unknown', not {checkpoint!r}")
    source = "unknown" if threshold is None else "fixed"
    return {"threshold": threshold, "threshold_source": source, "checkpoint_source": checkpoint}
