"""What `gapbench data` does: say where a dataset lies, check it, audit it."""

from __future__ import annotations

from argparse import Namespace

from harness import registry
from harness.data.location import absent_files, list_clips, set_root


def run_data(options: Namespace) -> int:
    """One of `data set`, `data check` and `data audit`."""
    return {"set": _set, "check": _check, "audit": _audit}[options.action](options)


def _set(options: Namespace) -> int:
    entry = registry.datasets.get(options.dataset)
    place = options.folder.expanduser()
    clips = list_clips(entry, place) if place.exists() and not entry.embedded else ()
    file = set_root(options.dataset, options.folder)
    print(f"{options.dataset} = {place.absolute()} (in {file})")
    lacking = absent_files(clips)
    said = f", of which {lacking} have no file" if lacking else ""
    print(f"{len(clips)} clips listed{said}; look at them with: gapbench data check {options.dataset}")
    return 0


def _check(options: Namespace) -> int:
    from harness.cli.inspecting import run_data_check

    return run_data_check(options)


def _audit(options: Namespace) -> int:
    from harness.data.audit.summary import run_data_audit

    return run_data_audit(options)
