"""A matrix: which detectors, trained on what, meet which test sets under which perturbations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from math import inf
from pathlib import Path
from typing import Any

from harness import registry
from harness.data.clips import Subset
from harness.files import digest, home, settings_of
from harness.guard.parsed import shortened, toml_of, within
from harness.types import (
    BUDGETS,
    CROPS,
    FACE_POLICIES,
    FACE_POLICY,
    GATE_RULES,
    NO_FACE_POLICIES,
    NO_FACE_POLICY,
    PRECISIONS,
    PREVALENCE,
    Cell,
    HarnessError,
    Runtime,
    entry_parts,
    parts_of,
    set_and_recipe,
    unknown,
)

CONDITION = re.compile(r"(?P<name>[A-Za-z0-9_]+)(-(?P<severity>-?[0-9]{1,9}))?")
MOST = 10**9
"""Of clips that are shown at once or used."""
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
TABLES = {
    "data": 'dataset = "FOLDER"',
    "crop": 'dataset = "CROP"',
    "recipes": 'training set = "RECIPE"',
}


@dataclass(frozen=True, slots=True)
class Matrix:
    """What is measured. Read from `harness/matrices/<name>.toml` or from a TOML file of the user's."""

    name: str
    about: str
    """What is measured and what the numbers do not say; heads every table."""
    detectors: tuple[str, ...]
    """Names; one that says what it was trained on (`Cell.entry`) means weights that are there, and is no
    matter of `train`, `recipe` and `seeds`."""
    train: tuple[str, ...]
    """Training sets: `dataset`, or `dataset-manipulation` to leave one out."""
    test: tuple[str, ...]
    """Test sets: `dataset`, or `dataset:manipulation` for one manipulation and all reals."""
    perturbations: tuple[str, ...] = ()
    """`name-severity`, or `name` for all its severities. The clean condition is always measured."""
    recipe: str = "published"
    """Name of the recipe every trainable detector is trained with."""
    recipes: Mapping[str, str] = field(default_factory=dict)
    """Training set -> recipe, where it is another."""
    seeds: tuple[int, ...] = (0,)
    """Training seeds; each gives a row."""
    precision: str = "fp32"
    """Precision of scoring: `fp32`, `bf16`, `fp16` (GPUs only), or `auto` (bf16 where the device has it)."""
    batch: int = 8
    """Clips in one forward pass of scoring, at most."""
    compile: bool = False
    """Whether `torch.compile` compiles the detectors before they score."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Dataset -> folder, for datasets that are not embedded."""
    crop: Mapping[str, str] = field(default_factory=dict)
    """Dataset -> crop, where it is not the dataset's own: `none`, `center`, `boxes` or `face`."""
    no_face: str = NO_FACE_POLICY
    """What is said of a clip without a face: `exclude`, `as-real`, `as-fake` or `as-chance`."""
    faces: str = FACE_POLICY
    """Who of several people is judged: `largest`, `each` or `max`."""
    present: bool = False
    """Whether listed test clips that have no file are left out, where they would count as failed."""
    limit: int | None = None
    """Test clips of a set used at most (balanced, evenly spread over the listing); None uses all."""
    unseen_people: bool = False
    """Whether test clips are left out of people, or of recordings, that training clips of the matrix show."""
    gate: Mapping[str, float] = field(default_factory=dict)
    """Margins and budgets of the regression gate, by rule."""
    prevalence: float = PREVALENCE
    """Share of fakes that the positive predictive value is stated for, above 0 and below 1."""
    toml: str = ""
    """The file as text."""

    @property
    def sha256(self) -> str:
        """Digest of what is measured; wording, tolerances and folders do not change it."""
        parts = (self.detectors, self.train, self.test, self.perturbations, self.recipe, self.seeds)
        shown = (self.precision, self.batch, self.crop, self.no_face)
        stated = ["compile"] if self.compile else []
        stated += [self.faces] if self.faces != FACE_POLICY else []
        partly = [*(["present"] if self.present else []), *([["limit", self.limit]] if self.limit else [])]
        partly += ["unseen_people"] * self.unseen_people
        return digest([self.name, *parts, self.recipes, *shown, *stated, *partly])

    def recipe_for(self, trained_on: str) -> str:
        """Name of the recipe for a training set."""
        named = set_and_recipe(trained_on)[1] or self.recipes.get(trained_on)
        return named or (self.recipe if trained_on in self.train else default_recipe(trained_on))

    @property
    def named(self) -> tuple[str, ...]:
        """Those of the detectors that are weights which are there."""
        return tuple(name for name in self.detectors if "@" in name)

    @property
    def learnt(self) -> tuple[str, ...]:
        """All that is trained on, or was."""
        return tuple(dict.fromkeys([*self.train, *(str(entry_parts(name)[1]) for name in self.named)]))

    def conditions(self) -> list[tuple[str, int]]:
        """(perturbation, severity) pairs, clean first; a bad name or severity is a `HarnessError`."""
        found: dict[tuple[str, int], None] = {("clean", 0): None}
        for text in self.perturbations:
            found |= dict.fromkeys(parse_condition(text))
        return [*found]

    def cells(self, runtime: Runtime) -> list[Cell]:
        """Every cell of the matrix, test set by test set; unknown names are a `HarnessError`."""
        conditions = self.conditions()
        trained: list[tuple[str, str | None, int]] = []
        named, where = set(self.named), f"matrix {self.name}"
        for name in self.detectors:
            within(where, len(trained), "entries")
            if name in named:
                trained.append(entry_parts(name))
                continue
            entry = None if registry.detectors.why_absent(name) else registry.detectors.get(name)
            if entry is not None and not entry.trainable:
                trained.append((name, entry.trained_on, 0))
            elif entry is None and not self.train:
                trained.append((name, None, 0))
            elif self.train:
                within(where, len(self.train) * len(self.seeds), "entries")
                trained += [(name, on, seed) for on in self.train for seed in self.seeds]
            else:
                raise HarnessError(f"matrix {self.name} names nothing to train on, but {name} is trained")
        within(where, len(trained), "entries")
        within(where, len(trained) * len(conditions) * len(self.test), "cells")
        for text in (*self.train, *self.test):
            known_dataset(Subset.parse(text).dataset)
        for text in (*self.data, *self.crop):
            known_dataset(text)
        return [
            Cell(detector, on, tested, perturbation, severity, seed, runtime)
            for tested in self.test
            for perturbation, severity in conditions
            for detector, on, seed in trained
        ]


def default_recipe(trained_on: str) -> str:
    """The recipe that is meant where none is named: a small one for the sets that are made here."""
    name = parts_of(trained_on)[0]
    known = name in registry.datasets.names()
    return "procedural" if known and registry.datasets.get(name).embedded else "published"


def known_dataset(name: str) -> None:
    """Refuse a dataset name nobody registered; a registered file that is broken is left to its cells."""
    if name not in registry.datasets.broken():
        registry.datasets.get(name)


def parse_condition(text: str) -> list[tuple[str, int]]:
    """`blur-3` -> [("blur", 3)]; `blur` -> all its severities; `clean` -> [("clean", 0)]."""
    match = CONDITION.fullmatch(text)
    if match is None:
        raise HarnessError(f"{shortened(text)} is not a perturbation (write e.g. blur or blur-3)")
    name, severity = match["name"], match["severity"]
    if name == "clean" and severity in (None, "0"):
        return [("clean", 0)]
    if name in registry.perturbations.broken():
        return [(name, int(severity or 1))]
    entry = registry.perturbations.get(name)
    if severity is None:
        return [(name, level) for level in range(1, len(entry.parameters) + 1)]
    entry.parameter(int(severity))
    return [(name, int(severity))]


def known_matrices() -> list[str]:
    """Names of the matrices that come with GapBench."""
    folder = resources.files("harness.matrices")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def own_matrices() -> list[str]:
    """Names of the matrices made here of clips of the user's own."""
    return sorted(file.stem for file in (home() / "matrices").glob("*.toml"))


def load_matrix(name: str) -> Matrix:
    """The matrix of that name, or in that `.toml` file; anything wrong with it is a `HarnessError`."""
    if name.endswith(".toml"):
        path = Path(name)
        matrix = parse_matrix(settings_of(path, "matrix file"), path.stem)
        if path.stem in known_matrices() and matrix.sha256 != load_matrix(path.stem).sha256:
            raise HarnessError(
                f"matrix file {name}: {path.stem} is the name of another matrix; rename the file"
            )
        return matrix
    own = home() / "matrices" / f"{name}.toml"  # made of a folder of the user's before
    if name not in known_matrices() and own.is_file():
        return load_matrix(str(own))
    if name not in known_matrices():
        raise unknown("matrix", name, [*known_matrices(), *own_matrices()])
    file = resources.files("harness.matrices") / f"{name}.toml"
    return parse_matrix(file.read_text(), name)


def parse_matrix(text: str, name: str) -> Matrix:
    """A matrix from TOML text; unknown keys, wrong types and empty lists are a `HarnessError`."""
    where = f"matrix {name}"
    if not NAME.fullmatch(name):
        raise HarnessError(f"matrix {shortened(name)}: its name must be lower-case words joined by '-'")
    said = toml_of(text, where)
    known = {key for key in Matrix.__dataclass_fields__ if key not in ("name", "toml")}
    for key in said:
        if key not in known:
            raise unknown(f"key of {where}", key, known)
    for key in ("about", "detectors", "test"):
        if key not in said:
            raise HarnessError(f"{where} lacks {key!r}")
    said.setdefault("train", [])
    for key in said.get("gate", {}) if isinstance(said.get("gate"), dict) else ():
        if key not in GATE_RULES:
            raise unknown(f"rule of the gate of {where}", key, GATE_RULES)
    matrix = Matrix(name=name, toml=text, **{key: _checked(where, key, value) for key, value in said.items()})
    within(where, max(len(matrix.detectors), len(matrix.train)), "entries")
    within(where, len(matrix.test), "test-sets")
    if matrix.precision not in (*PRECISIONS, "auto"):
        raise unknown(f"precision of {where}", matrix.precision, (*PRECISIONS, "auto"))
    if matrix.no_face not in NO_FACE_POLICIES:
        raise unknown(f"no_face of {where}", matrix.no_face, NO_FACE_POLICIES)
    if matrix.faces not in FACE_POLICIES:
        raise unknown(f"faces of {where}", matrix.faces, FACE_POLICIES)
    train = set(matrix.train)
    for name in matrix.recipes:
        if name not in train:
            raise unknown(f"training set in recipes of {where}", name, matrix.train)
    for crop in matrix.crop.values():
        if crop not in CROPS:
            raise unknown(f"crop of {where}", crop, CROPS)
    return matrix


def _checked(where: str, key: str, value: Any) -> Any:
    if key in ("about", "recipe", "precision", "no_face", "faces"):
        return _expect(where, key, value, isinstance(value, str) and bool(value), "a text")
    if key in ("batch", "limit"):
        good = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST
        return _expect(where, key, value, good, f"a whole number above 0, and at most {MOST:,}")
    if key in ("compile", "present", "unseen_people"):
        return _expect(where, key, value, isinstance(value, bool), "true or false")
    if key == "prevalence":
        good = isinstance(value, float) and 0 < value < 1
        return _expect(where, key, value, good, "a share above 0 and below 1")
    if key == "seeds":
        good = isinstance(value, list) and bool(value) and all(type(v) is int and v >= 0 for v in value)
        within(where, len(value) if good else 0, "entries", ", one a seed")
        return tuple(
            _expect(where, key, value, good and len(set(value)) == len(value), "different seeds, 0 or more")
        )
    if key in TABLES:
        good = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
        return _expect(where, key, value, good, f"a table, {TABLES[key]}")
    if key == "gate":
        good = isinstance(value, dict)
        good = good and all(type(v) in (int, float) and 0 <= v < inf for v in value.values())
        _expect(where, key, value, good, "a table of margins and budgets, 0 or more")
        for rule, margin in value.items():
            if rule not in BUDGETS and not margin < 1:
                raise HarnessError(f"{where}: the margin of {rule} is a share below 1, not {margin}")
        return value
    good = isinstance(value, list) and all(isinstance(v, str) and v for v in value)
    good = good and len(set(value)) == len(value) and (bool(value) or key in ("train", "perturbations"))
    return tuple(_expect(where, key, value, good, "a list of different names"))


def _expect(where: str, key: str, value: Any, good: bool, wanted: str) -> Any:
    if not good:
        raise HarnessError(f"{where}: {key} must be {wanted}, not {shortened(value)}")
    return value
