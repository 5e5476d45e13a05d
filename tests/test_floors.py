"""The house has floors: imports point down, plug-ins stand apart, and heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
KINDS = ("detectors", "datasets", "perturbations")

FLOORS: dict[str, int] = {
    f"harness.{name}".rstrip("."): floor
    for floor, names in enumerate(
        (
            ("", "matrices", "types"),
            (
                "registry",
                "files",
                "progress",
                "trees",
                "shelf",
                "process",
                "breakdown",
                "streaming",
                "environment",
            ),
            (
                *("video", "decoding", "packets", "coded"),
                *("av_reading", "decord_reading", "torchcodec_reading"),
                *("scoring", "folding", "features", "augmentation", "data", "device_facts"),
                *("metrics", "intervals", "resampling", "weighted", "operating", "calibration", "tables"),
                *("findings", "checks", "detector_checks", "dataset_checks", "perturbation_checks"),
                *("faces", "face_model", "face_cache", "places", "fingerprints", "print_cache", "likeness"),
                *(
                    "overlaps",
                    "leaks",
                    "faults",
                    "container_facts",
                    "background",
                    "audits",
                    "makeup",
                    "columns",
                    "folds",
                    "leading",
                ),
            ),
            (
                *("stopwatch", "costing", "cost_tables"),
                *("matrix", "campaign", "footage", "learning", "training", "evaluation", "cost", "store"),
                *("stages", "engine", "passes", "frame_cache", "training_job", "adoption"),
                *("record", "rows", "runs", "standing", "lines", "compare", "domains", "oracle", "elsewhere"),
                *("foreign", "leaderboard", "ranking", "sections", "testsets", "trust", "circumstances"),
                *("shown", "plots", "drawing", "grids", "curves", "forest"),
                *("gate", "accepted", "paired", "budgets", "verdicts", "listing"),
                *("address", "tracked", "tracking", "views", "seal", "sealing", "gallery"),
                *(
                    "planning",
                    "shared_footage",
                    "own",
                    "naming",
                    "importing",
                    "ledger",
                    "comparable",
                    "published",
                ),
                *("inspection", "inspection_page", "audit", "separation", "counterfactual"),
            ),
            ("commands", "gating", "reading", "bringing", "shelving", "inspecting", "auditing", "cli"),
        )
    )
    for name in names
}
WITHOUT_TORCH = frozenset(
    {name for name, floor in FLOORS.items() if floor < 2}
    | {f"harness.{name}" for name in ("metrics", "intervals", "resampling", "weighted", "operating")}
    | {f"harness.{name}" for name in ("calibration", "tables", "standing", "lines", "compare", "domains")}
    | {f"harness.{name}" for name in ("oracle", "elsewhere", "leaderboard", "plots", "store", "rows", "runs")}
    | {f"harness.{name}" for name in ("gate", "accepted", "paired", "budgets", "verdicts", "foreign")}
    | {f"harness.{name}" for name in ("ranking", "sections", "testsets", "trust", "circumstances", "shown")}
    | {f"harness.{name}" for name in ("drawing", "grids", "curves", "forest", "matrix", "data")}
    | {f"harness.{name}" for name in ("faces", "face_model", "face_cache", "places", "fingerprints")}
    | {f"harness.{name}" for name in ("overlaps", "print_cache", "likeness", "leaks", "faults", "makeup")}
    | {f"harness.{name}" for name in ("inspection", "inspection_page", "inspecting", "audits", "audit")}
    | {f"harness.{name}" for name in ("container_facts", "background", "separation", "columns", "folds")}
    | {f"harness.{name}" for name in ("leading", "ledger", "comparable", "published", "seal", "sealing")}
    | {f"harness.{name}" for name in ("device_facts", "costing", "cost_tables")}
    | {f"harness.{name}" for name in ("own", "bringing", "gating", "reading", "cli")}
)
MLFLOW_ROOMS = frozenset({"harness.tracking", "harness.views"})


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
        self.trees[name] = ast.parse(path.read_text(), str(path))

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
            *unknown_modules(house),
            *upward_imports(house),
            *cycles(house),
            *plugins_by_name(house),
            *plugins_that_climb(house),
            *libraries_out_of_their_rooms(house),
            *bare_plugin_folders(house),
        }
    )


def unknown_modules(house: House) -> Iterator[str]:
    """A module without a floor."""
    for module in house.engine():
        if module not in FLOORS:
            yield f"{module} has no floor: add it to FLOORS in tests/test_floors.py"


def upward_imports(house: House) -> Iterator[str]:
    """An engine module that imports from a floor above its own."""
    for found in house.imports:
        here, there = FLOORS.get(found.module), FLOORS.get(found.target)
        if here is not None and there is not None and there > here:
            yield f"{found.module}:{found.line} (floor {here}) imports {found.target} (floor {there})"


def cycles(house: House) -> Iterator[str]:
    """Modules that import each other in a circle, inside functions too."""
    graph: dict[str, set[str]] = {module: set() for module in house.trees}
    for found in house.imports:
        if found.target in graph and found.target not in (found.module, "harness"):
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
        if _kind(found.target) != kind and FLOORS.get(found.target, 9) > 1:
            yield f"{found.module}:{found.line} imports {found.target}; a plug-in stands on floors 0 and 1"


def libraries_out_of_their_rooms(house: House) -> Iterator[str]:
    """mlflow outside its rooms; torch where numbers are computed from stored predictions, or in datasets."""
    for found in house.imports:
        library = _library(found)
        if library == "mlflow" and found.module not in MLFLOW_ROOMS:
            yield f"{found.module}:{found.line} imports mlflow"
        if library in ("torch", "torchvision", "timm") and (
            found.module in WITHOUT_TORCH or _kind(found.module) in ("datasets", "perturbations")
        ):
            yield f"{found.module}:{found.line} imports {library}"
    reached = _reached(house.imports)
    for module in sorted(WITHOUT_TORCH):
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
    assert sorted(set(FLOORS) - set(House(ROOT).trees)) == []


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
    code = (
        f"import sys, importlib\nfor name in {sorted(WITHOUT_TORCH)!r}: importlib.import_module(name)\n"
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
        "harness/video.py": "import numpy\nfrom harness import files\n",
        "harness/scoring.py": "import torch\n",
        "harness/metrics.py": "import numpy\n",
        "harness/gate.py": "from harness.metrics import measure\n",
        "harness/store.py": "from harness.files import writing\n",
        "harness/training.py": "from harness.scoring import place\n",
        "harness/tracking.py": "import mlflow\n",
        "harness/cli.py": "from harness import gate\ndef eval():\n    from harness import training\n",
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
        ("harness/attic.py", "", "harness.attic has no floor"),
        (
            "harness/types.py",
            "from harness.files import digest",
            "harness.types:1 (floor 0) imports harness.files",
        ),
        ("harness/files.py", "from . import video", "harness.files:1 (floor 1) imports harness.video"),
        ("harness/video.py", "from .gate import judge", "harness.video:1 (floor 2) imports harness.gate"),
        (
            "harness/store.py",
            "def late():\n    import harness.cli",
            "harness.store:2 (floor 3) imports harness.cli (floor 4)",
        ),
        (
            "harness/metrics.py",
            "if True:\n    from typing import Any\n    from harness import training",
            "harness.metrics:3 (floor 2) imports harness.training",
        ),
        ("harness/files.py", "def late():\n    from harness import registry\nimport harness.types", None),
        ("harness/store.py", "from harness import gate, training", "harness.store imports torch by way of"),
        ("harness/metrics.py", "from harness.gate import judge", "cycle: "),
        ("harness/gate.py", "def late():\n    import torch.nn", "harness.gate:2 imports torch"),
        ("harness/progress.py", "from torch import nn", "harness.progress:1 imports torch"),
        ("harness/metrics.py", "from harness.scoring import place", "harness.gate imports torch by way of"),
        ("harness/training.py", "import mlflow.pyfunc", "harness.training:1 imports mlflow"),
        ("harness/views.py", "from mlflow import client", None),
        (
            "harness/training.py",
            "import harness.detectors.eye",
            "imports the plug-in harness.detectors.eye by name",
        ),
        (
            "harness/cli.py",
            "def late():\n    from harness.datasets.faces import faces",
            "harness.cli:2 imports the plug-in harness.datasets.faces by name",
        ),
        (
            "harness/cli.py",
            "from harness.datasets import faces",
            "harness.cli:1 imports the plug-in harness.datasets.faces by name",
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
            "from harness import video",
            "harness.detectors.eye:1 imports harness.video; a plug-in stands on floors 0 and 1",
        ),
        (
            "datasets/faces/draw.py",
            "def late():\n    import torch",
            "harness.datasets.faces.draw:2 imports torch",
        ),
        ("datasets/faces/pen.py", "from ..faces import draw", "cycle: "),
        ("perturbations/fog.py", "import torchvision", "harness.perturbations.fog:1 imports torchvision"),
        ("harness/cli.py", "import datasets", "harness.cli:1 imports bare 'datasets'"),
        (
            "detectors/eye.py",
            "from detectors.nose import Nose",
            "harness.detectors.eye:1 imports bare 'detectors'",
        ),
    ],
)
def test_a_planted_violation_is_found(file: str, text: str, rule: str | None, small_house: Path) -> None:
    (small_house / file).write_text(text + "\n")
    found = broken_rules(House(small_house))
    if rule is None:
        assert found == []
    else:
        assert any(rule in line for line in found), found
