"""The house has wings: imports point down, plug-ins stand apart, and heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("detectors", "datasets", "perturbations")

WINGS: dict[str, tuple[str, ...]] = {
    "video": (),
    "metrics": (),
    "runtime": (),
    "checks": ("video",),
    "data": ("video",),
    "data.check": ("data", "video"),
    "data.audit": ("data", "video", "metrics"),
    "training": ("runtime", "video", "metrics"),
    "results": ("data.audit.record", "data.audit.findings", "metrics"),
    "evaluation": ("training", "results", "runtime", "data", "data.audit", "video", "metrics"),
    "gate": ("results", "metrics"),
    "report": ("report.plots", "results", "metrics"),
    "report.plots": ("results", "metrics"),
    "tracking": ("gate", "report", "report.plots", "results"),
}
"""Wing of the harness -> the wings (or single modules) it may import, besides the ground: the modules
directly in `harness/`. `cli` is the roof: it may import all, and nobody imports it."""
UNDER = ("guard", "matrices")
"""Folders that are part of the ground."""
GROUND = 14
"""Modules that a folder may hold at most, this one too."""
LONGEST = 350
"""Lines of a module, at most."""
WITHOUT_TORCH = (
    *("", "video", "metrics", "data", "data.check", "data.audit", "results", "gate", "report"),
    *("report.plots", "cli", "evaluation.matrix", "runtime.hardware", "runtime.cost_process"),
)
"""Wings and modules that load without torch; the empty name is the ground."""
MLFLOW_ROOM = "tracking"


def wing_of(module: str) -> str | None:
    """The wing a module of the harness stands in, "" for the ground; None for plug-ins and libraries."""
    parts = module.split(".")
    if parts[0] != "harness" or _kind(module) is not None:
        return None
    inner = ".".join(parts[1:])
    found = [wing for wing in (*WINGS, "cli") if inner == wing or inner.startswith(f"{wing}.")]
    if found:
        return max(found, key=len)
    return "" if len(parts) <= 2 or parts[1] in UNDER else parts[1]


@dataclass(frozen=True)
class Import:
    """One import statement's target, as seen from the module it stands in."""

    module: str
    target: str
    """Dotted name of a module of the tree, or of a library."""
    line: int
    on_import: bool
    """Whether it runs when the module is imported, rather than inside a function."""


class House:
    """The modules of a source tree, by the name they are installed under, and what each imports."""

    def __init__(self, root: Path) -> None:
        self.trees: dict[str, ast.Module] = {}
        self.packages: set[str] = set()
        self.lines: dict[str, int] = {}
        for folder in ("harness", *KINDS):
            for path in sorted((root / folder).rglob("*.py")):
                self._add(root, path)
        self.imports = [found for module in self.trees for found in self._imports_of(module)]

    def _add(self, root: Path, path: Path) -> None:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts if parts[0] == "harness" else ("harness", *parts))
        if parts[-1] == "__init__":
            name = name.removesuffix(".__init__")
            self.packages.add(name)
        text = path.read_text()
        self.trees[name], self.lines[name] = ast.parse(text, str(path)), text.count("\n")

    def _imports_of(self, module: str) -> Iterator[Import]:
        for node, on_import in _statements(self.trees[module]):
            for target in self._targets(module, node):
                yield Import(module, target, node.lineno, on_import)

    def _targets(self, module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
            return
        origin = node.module or ""
        if node.level:
            package = module if module in self.packages else module.rpartition(".")[0]
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            origin = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            inner = f"{origin}.{alias.name}"
            yield inner if inner in self.trees else origin

    @property
    def doors(self) -> set[str]:
        """Packages of the harness, which are imported along with whatever is in them."""
        return {name for name in self.packages if _kind(name) is None}

    def engine(self) -> list[str]:
        """The modules that are no plug-ins and not the plug-ins' folders."""
        return [name for name in self.trees if _kind(name) is None]

    def plugins(self) -> set[str]:
        """Modules and packages directly in a plug-in folder that register something."""
        return {
            ".".join(name.split(".")[:3])
            for name, tree in self.trees.items()
            if _kind(name) is not None and name.count(".") >= 2 and _registers(tree)
        }


def _statements(tree: ast.AST, on_import: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, on_import
        else:
            inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from _statements(node, on_import and not inside)


def _kind(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in KINDS else None


def _registers(tree: ast.Module) -> bool:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {func.id for func in called if isinstance(func, ast.Name)}
    names |= {func.attr for func in called if isinstance(func, ast.Attribute)}
    return bool(names & {"detector", "dataset", "perturbation"})


def _library(found: Import) -> str:
    return found.target.partition(".")[0]


def broken_rules(house: House) -> list[str]:
    """Every rule of the house that is broken, one line each."""
    return sorted(
        {
            *unknown_wings(house),
            *arrows_not_allowed(house),
            *crowded_folders(house),
            *cycles(house),
            *plugins_by_name(house),
            *plugins_that_climb(house),
            *libraries_out_of_their_rooms(house),
            *bare_plugin_folders(house),
        }
    )


def unknown_wings(house: House) -> Iterator[str]:
    """A folder of the harness that the table does not name."""
    for module in house.engine():
        wing = wing_of(module)
        if wing not in ("", "cli", *WINGS):
            yield f"{module} stands in no wing: add {wing!r} to WINGS in tests/test_floors.py"


def arrows_not_allowed(house: House) -> Iterator[str]:
    """A module that imports from a wing above or beside its own, where the table does not say that it may."""
    for found in house.imports:
        here, there = wing_of(found.module), wing_of(found.target)
        if here is None or there is None or here in (there, "cli") or (there == "" and here in WINGS):
            continue
        inner = found.target.removeprefix("harness.")
        if not {there, inner} & set(WINGS.get(here, ())):
            yield f"{found.module}:{found.line} ({here or 'ground'}) imports {found.target} ({there})"


def crowded_folders(house: House) -> Iterator[str]:
    """A folder of more modules than one looks over, or a module that is longer than one reads."""
    counted = Counter(module.rpartition(".")[0] for module in house.engine() if module not in house.packages)
    for folder, modules in counted.items():
        if modules > GROUND:
            yield f"{folder} holds {modules} modules, more than {GROUND}"
    for module in house.engine():
        if house.lines[module] > LONGEST:
            yield f"{module} has {house.lines[module]} lines, more than {LONGEST}"


def cycles(house: House) -> Iterator[str]:
    """Modules that import each other in a circle, inside functions too."""
    graph: dict[str, set[str]] = {module: set() for module in house.trees}
    for found in house.imports:
        if found.target in graph and found.target not in (found.module, *house.doors):
            graph[found.module].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"cycle: {' -> '.join(error.args[1])}"


def plugins_by_name(house: House) -> Iterator[str]:
    """An import of a plug-in from outside it: the registry is asked instead."""
    plugins = house.plugins()
    for found in house.imports:
        kind = _kind(found.target)
        if kind is None:
            continue
        own = ".".join(found.module.split(".")[:3])
        plugin = ".".join(found.target.split(".")[:3])
        if _kind(found.module) is None or (plugin in plugins and plugin != own):
            yield f"{found.module}:{found.line} imports the plug-in {found.target} by name"


def plugins_that_climb(house: House) -> Iterator[str]:
    """A plug-in that imports the harness above floor 1, or another kind of plug-in."""
    for found in house.imports:
        kind = _kind(found.module)
        if kind is None or _library(found) != "harness":
            continue
        if _kind(found.target) != kind and wing_of(found.target) != "":
            yield f"{found.module}:{found.line} imports {found.target}; a plug-in stands on the ground"


def without_torch(house: House) -> list[str]:
    """The modules that load without torch."""
    return [m for m in house.engine() if {wing_of(m), m.removeprefix("harness.")} & set(WITHOUT_TORCH)]


def libraries_out_of_their_rooms(house: House) -> Iterator[str]:
    """mlflow outside its room; torch where numbers are computed from stored predictions, or in datasets."""
    light = set(without_torch(house))
    for found in house.imports:
        library = _library(found)
        if library == "mlflow" and wing_of(found.module) != MLFLOW_ROOM:
            yield f"{found.module}:{found.line} imports mlflow"
        if library in ("torch", "torchvision", "timm") and (
            found.module in light or _kind(found.module) in ("datasets", "perturbations")
        ):
            yield f"{found.module}:{found.line} imports {library}"
    reached = _reached(house.imports)
    for module in sorted(light):
        for found in house.imports:
            if found.module in reached.get(module, ()) and found.on_import and _library(found) == "torch":
                yield f"{module} imports torch by way of {found.module}"


def _reached(imports: list[Import]) -> Mapping[str, set[str]]:
    """Module -> all modules that are imported along with it."""
    direct: dict[str, set[str]] = {}
    for found in imports:
        if found.on_import:
            direct.setdefault(found.module, set()).add(found.target)
    reached: dict[str, set[str]] = {}
    for module in direct:
        todo, seen = [module], set[str]()
        while todo:
            for target in direct.get(todo.pop(), set()) - seen:
                seen.add(target)
                todo.append(target)
        reached[module] = seen
    return reached


def bare_plugin_folders(house: House) -> Iterator[str]:
    """`import datasets`: the folders install inside `harness`."""
    for found in house.imports:
        if _library(found) in KINDS:
            yield f"{found.module}:{found.line} imports bare {_library(found)!r}"


def test_the_house_keeps_its_rules() -> None:
    assert broken_rules(House(ROOT)) == []


def test_the_floor_table_names_no_module_that_is_gone() -> None:
    modules = set(House(ROOT).trees)
    named = {*WINGS, *(target for allowed in WINGS.values() for target in allowed), *WITHOUT_TORCH}
    assert sorted(name for name in named if name and f"harness.{name}" not in modules) == []


def test_the_table_is_the_one_that_contributors_read() -> None:
    """Every wing is a line of CONTRIBUTING.md, and what it may import is what stands there."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    told = dict(re.findall(r"^\| `harness/([a-z/]+)/` \|[^|]*\|([^|]*)\|$", text, flags=re.MULTILINE))
    assert {name.replace("/", ".") for name in told} == {*WINGS, "cli"}
    for wing, allowed in WINGS.items():
        names = set(re.findall(r"`([a-z/_]+)`", told[wing.replace(".", "/")]))
        assert names == {name.replace(".", "/") for name in allowed}, wing


def test_tests_import_no_bare_plugin_folder() -> None:
    bare = [
        f"{path.name}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node, _ in _statements(ast.parse(path.read_text()))
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
        )
        if name.partition(".")[0] in KINDS
    ]
    assert bare == []


def test_metrics_gate_and_leaderboard_really_load_no_torch_and_no_plugin() -> None:
    plugins = tuple(f"harness.{kind}." for kind in KINDS)
    light = sorted(without_torch(House(ROOT)))
    code = (
        f"import sys, importlib\nfor name in {light!r}: importlib.import_module(name)\n"
        "heavy = {'torch', 'timm', 'mlflow', 'albumentations'} & set(sys.modules)\n"
        f"heavy |= {{name for name in sys.modules if name.startswith({plugins!r})}}\n"
        "print(sorted(heavy))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    """A tree of a few sound modules, to plant violations in."""
    sound = {
        "harness/__init__.py": "",
        "harness/types.py": "import dataclasses\n",
        "harness/files.py": "from harness.types import Clip\n",
        "harness/registry.py": "from harness.types import Clip\n",
        "harness/video/__init__.py": "",
        "harness/video/frames.py": "import numpy\nfrom harness import files\n",
        "harness/runtime/__init__.py": "",
        "harness/runtime/device.py": "import torch\n",
        "harness/metrics/__init__.py": "",
        "harness/metrics/measure.py": "import numpy\n",
        "harness/results/__init__.py": "",
        "harness/results/predictions.py": "from harness.files import writing\n",
        "harness/gate/__init__.py": "",
        "harness/gate/judge.py": "from harness.metrics.measure import measure\n",
        "harness/training/__init__.py": "",
        "harness/training/train.py": "from harness.runtime.device import place\n",
        "harness/tracking/__init__.py": "",
        "harness/tracking/publish.py": "import mlflow\n",
        "harness/cli/__init__.py": "from harness.cli.entry import main\n",
        "harness/cli/entry.py": (
            "from harness.gate import judge\ndef eval():\n    from harness.training import train\n"
        ),
        "detectors/__init__.py": "",
        "detectors/eye.py": (
            "import torch\nfrom harness.registry import detector\n@detector('eye')\nclass Eye: ...\n"
        ),
        "datasets/__init__.py": "",
        "datasets/faces/__init__.py": (
            "from harness.registry import dataset\nfrom harness.datasets.faces.draw import line\n"
            "@dataset('faces', about='')\ndef faces(root): ...\n"
        ),
        "datasets/faces/draw.py": "from harness.files import seed_of\nfrom . import pen\n",
        "datasets/faces/pen.py": "",
        "perturbations/__init__.py": "",
        "perturbations/fog.py": (
            "from harness import registry\n"
            "@registry.perturbation('fog', parameters=(1,))\ndef fog(frames, parameter, rng): ...\n"
        ),
    }
    for name, text in sound.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_sound_house_breaks_no_rule(small_house: Path) -> None:
    assert broken_rules(House(small_house)) == []


@pytest.mark.parametrize(
    ("file", "text", "rule"),
    [
        ("harness/attic/trunk.py", "", "harness.attic.trunk stands in no wing"),
        (
            "harness/types.py",
            "from harness.video import frames",
            "harness.types:1 (ground) imports harness.video.frames (video)",
        ),
        ("harness/files.py", "from . import video", "harness.files:1 (ground) imports harness.video (video)"),
        (
            "harness/video/frames.py",
            "from ..gate.judge import judge",
            "harness.video.frames:1 (video) imports harness.gate.judge (gate)",
        ),
        (
            "harness/results/predictions.py",
            "def late():\n    import harness.cli.entry",
            "harness.results.predictions:2 (results) imports harness.cli.entry (cli)",
        ),
        (
            "harness/metrics/measure.py",
            "if True:\n    from typing import Any\n    from harness.runtime import device",
            "harness.metrics.measure:3 (metrics) imports harness.runtime.device (runtime)",
        ),
        ("harness/files.py", "def late():\n    from harness import registry\nimport harness.types", None),
        (
            "harness/results/predictions.py",
            "from harness.data.audit import record, summary",
            "(results) imports harness.data.audit (data.audit)",
        ),
        ("harness/gate/judge.py", "from harness.metrics import measure", None),
        (
            "harness/cli/gate.py",
            "from harness.training import train",
            "harness.cli.gate imports torch by way of",
        ),
        ("harness/types.py", "from harness.files import digest", "cycle: "),
        ("harness/gate/judge.py", "def late():\n    import torch.nn", "harness.gate.judge:2 imports torch"),
        ("harness/progress.py", "from torch import nn", "harness.progress:1 imports torch"),
        ("harness/training/train.py", "import mlflow.pyfunc", "harness.training.train:1 imports mlflow"),
        ("harness/tracking/views.py", "from mlflow import client", None),
        ("harness/files.py", "a = 1\n" * 351, "harness.files has 352 lines, more than 350"),
        ("harness/evaluation/matrix.py", "import torch", "harness.evaluation.matrix:1 imports torch"),
        ("harness/evaluation/engine.py", "import torch", None),
        (
            "harness/training/train.py",
            "import harness.detectors.eye",
            "imports the plug-in harness.detectors.eye by name",
        ),
        (
            "harness/cli/entry.py",
            "def late():\n    from harness.datasets.faces import faces",
            "harness.cli.entry:2 imports the plug-in harness.datasets.faces by name",
        ),
        (
            "harness/cli/entry.py",
            "from harness.datasets import faces",
            "harness.cli.entry:1 imports the plug-in harness.datasets.faces by name",
        ),
        (
            "datasets/crowd.py",
            "from harness.datasets.faces.draw import line",
            "harness.datasets.crowd:1 imports the plug-in harness.datasets.faces.draw by name",
        ),
        (
            "perturbations/mist.py",
            "from .fog import fog",
            "imports the plug-in harness.perturbations.fog by name",
        ),
        ("perturbations/density.py", "from harness.files import seed_of", None),
        (
            "perturbations/fog.py",
            "from harness.detectors.eye import Eye",
            "harness.perturbations.fog:1 imports the plug-in harness.detectors.eye by name",
        ),
        (
            "detectors/eye.py",
            "from harness.video import frames",
            "harness.detectors.eye:1 imports harness.video.frames; a plug-in stands on the ground",
        ),
        (
            "datasets/faces/draw.py",
            "def late():\n    import torch",
            "harness.datasets.faces.draw:2 imports torch",
        ),
        ("datasets/faces/pen.py", "from ..faces import draw", "cycle: "),
        ("perturbations/fog.py", "import torchvision", "harness.perturbations.fog:1 imports torchvision"),
        ("harness/cli/entry.py", "import datasets", "harness.cli.entry:1 imports bare 'datasets'"),
        (
            "detectors/eye.py",
            "from detectors.nose import Nose",
            "harness.detectors.eye:1 imports bare 'detectors'",
        ),
    ],
)
def test_a_planted_violation_is_found(file: str, text: str, rule: str | None, small_house: Path) -> None:
    (small_house / file).parent.mkdir(exist_ok=True)
    (small_house / file).write_text(text + "\n")
    found = broken_rules(House(small_house))
    if rule is None:
        assert found == []
    else:
        assert any(rule in line for line in found), found
