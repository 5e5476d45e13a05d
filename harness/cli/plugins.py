"""The commands about plug-ins: what there is, and whether it keeps its contract."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from harness import registry
from harness.cli.options import Adder
from harness.data.location import root_of, why_absent
from harness.evaluation.matrix import known_matrices, load_matrix, own_matrices
from harness.own_sets import own_names
from harness.progress import show, tell
from harness.tables import Table, plain
from harness.types import HarnessError, unknown
from harness.weights import imported_names


def add_ls(command: Adder) -> None:
    """The arguments of `gapbench ls`."""
    ls = command("ls", "list what is registered and what is on this machine", "gapbench ls datasets")
    ls.add_argument("kind", nargs="?", choices=("detectors", "datasets", "perturbations", "matrices"))


def add_check(command: Adder) -> None:
    """The arguments of `gapbench check`."""
    check = command("check", "check that a plug-in keeps its contract", "gapbench check xception")
    check.add_argument("name")
    check.add_argument("--root", type=Path, help="folder of a dataset that is not embedded")


def list_kind(kind: str) -> str:
    """The table of one registry, or of the matrices, with what is broken."""
    if kind == "matrices":
        lines = []
        for name in [*known_matrices(), *own_matrices()]:
            matrix = load_matrix(name)
            lines.append((name, ", ".join(matrix.detectors), ", ".join(matrix.test)))
        return plain(Table("Matrices", ("name", "detectors", "tested on"), tuple(lines)))
    found = {"detectors": _detectors, "datasets": _datasets, "perturbations": _perturbations}[kind]()
    known: registry.Registry = getattr(registry, kind)
    broken = "".join(f"\nbroken: {file} ({why})" for file, why in known.broken().items())
    return plain(found) + broken


def _detectors() -> Table:
    entries = [registry.detectors.get(name) for name in registry.detectors.names()]
    lines = [(e.name, ", ".join(e.recipes) or "fixed", ", ".join(e.importers)) for e in entries]
    lines += [(f"{prefix}:...", "takes an argument", "") for prefix in registry.detectors.families()]
    for name in imported_names():
        entry = registry.detectors.get(name)
        lines.append((name, "imported", f"trained on {entry.trained_on or 'nobody says what'}"))
    return Table("Detectors", ("name", "recipes", "published weights"), tuple(lines))


def _datasets() -> Table:
    names = [*registry.datasets.names(), *own_names()]
    entries = [registry.datasets.get(name) for name in names]
    return Table("Datasets", ("name", "here", "what"), tuple((e.name, _present(e), e.about) for e in entries))


def _present(entry: registry.DatasetEntry) -> str:
    if why_absent(entry):
        return "absent"
    return "yes" if root_of(entry).exists() else "made on first use"


def _perturbations() -> Table:
    entries = [registry.perturbations.get(name) for name in registry.perturbations.names()]
    lines = [(e.name, str(len(e.parameters)), ", ".join(str(p) for p in e.parameters)) for e in entries]
    return Table("Perturbations", ("name", "severities", "parameters"), tuple(lines))


def run_ls(options: Namespace) -> int:
    """List what is registered, what is broken, and what is on this machine."""
    kinds = [options.kind] if options.kind else ["detectors", "datasets", "perturbations", "matrices"]
    show("\n\n".join(list_kind(kind) for kind in kinds))
    return 0


def run_check(options: Namespace) -> int:
    """Check one plug-in by name, in whichever registry knows it."""
    from harness import registry
    from harness.checks import conformance
    from harness.data.location import root_of

    name = options.name
    if name in registry.detectors.names() or ":" in name:
        findings = conformance.check_detector(registry.detectors.get(name))
    elif name in registry.datasets.names():
        entry = registry.datasets.get(name)
        if entry.embedded and options.root:
            raise HarnessError(f"{name} is made by GapBench; --root is for datasets that you bring")
        findings = conformance.check_dataset(entry, options.root or root_of(entry))
    elif name in registry.perturbations.names():
        findings = conformance.check_perturbation(registry.perturbations.get(name))
    else:
        kinds = (registry.detectors, registry.datasets, registry.perturbations)
        broken = {file: why for kind in kinds for file, why in kind.broken().items()}
        if name in broken:
            raise HarnessError(f"{name} cannot be imported: {broken[name]}")
        raise unknown("plug-in", name, [known for kind in kinds for known in kind.names()])
    for finding in findings:
        tell(f"{'ok  ' if finding.passed else 'FAIL'}  {finding.check:44} {finding.detail}".rstrip())
    failed = sum(not finding.passed for finding in findings)
    tell(f"{name}: {len(findings) - failed} checks passed, {failed} failed")
    return 1 if failed else 0
