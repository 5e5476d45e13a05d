"""Making a dataset: scenes filmed in parallel, every file whole or absent, the manifest last."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from harness.datasets.procedural.camera import photograph
from harness.datasets.procedural.encoder import encode
from harness.datasets.procedural.face import Face, build_face
from harness.datasets.procedural.identity import draw_identity
from harness.datasets.procedural.plan import GENERATOR, Family, Forgery, Scene, Size, plan
from harness.datasets.procedural.scene import RATE, Footage, direct, face_box, render
from harness.datasets.procedural.seen import autoencoder, graphics, reenactment
from harness.datasets.procedural.unseen import diffusion, gan, refined_swap

from harness.files import digest, digest_of, file_digest, read_json, seed_of, write_whole
from harness.guard.stored import below, record_of, sealed, set_aside, shape_of
from harness.process import usable_cores
from harness.progress import Progress, say
from harness.trees import file_stamp
from harness.types import FAKE, REAL, Clip, HarnessError

Forger = Callable[[Footage, Face, np.random.Generator], np.ndarray]

MANIPULATIONS: dict[str, Forger] = {
    "autoencoder": autoencoder,
    "graphics": graphics,
    "reenactment": reenactment,
    "refined_swap": refined_swap,
    "gan": gan,
    "diffusion": diffusion,
}

MANIFEST = "manifest.json"
ENTRY = {name.removesuffix("?"): shape for name, shape in shape_of(Clip).items()}
SHAPE = {"key": str, "generator": str, "seed": int, "clips": [ENTRY], "files?": dict}
MAKING = "making.json"
"""Present while clips are being made; says for which key, so that a later run continues or restarts."""
_looked: dict[tuple[Path, str], dict[Path, list[Any] | None]] = {}
"""Root and key -> the files there and their stamps when they were found to be as they were written."""


def make(
    root: Path, family: Family, size: Size | None = None, seed: int = 0, workers: int | None = None
) -> None:
    """Make the dataset under `root` unless it is there; what an interrupted run made is kept.

    `workers` processes (as many as there are cores if None; 1 makes everything in this process).
    """
    size = size or family.size
    key = digest([GENERATOR, family.name, size, seed])
    scenes = plan(family, size, seed)
    if _made(root, family.name, scenes, key):
        return
    _begin(root, key)
    entries: list[dict[str, Any]] = []
    clips = sum(1 + len(scene.forgeries) for scene in scenes)
    with _told(family.name), Progress(f"making {family.name}", clips) as progress:
        for made in _films(root, family.name, scenes, size.frames, workers):
            entries += made
            progress.advance(len(made))
    entries.sort(key=lambda entry: entry["id"])
    files = {entry["path"]: file_digest(root / entry["path"]) for entry in entries}
    manifest = {"key": key, "generator": GENERATOR, "seed": seed, "clips": entries, "files": files}
    write_whole(root / MANIFEST, json.dumps(sealed(manifest), indent=1))
    (root / MAKING).unlink(missing_ok=True)


def listing(root: Path) -> Iterator[Clip]:
    """The clips of the manifest under `root`, in the order of their ids."""
    if not (root / MANIFEST).is_file():
        raise HarnessError(f"no {MANIFEST} in {root}: the dataset has not been made there")
    for entry in _manifest(root)["clips"]:
        yield Clip(**{**entry, "path": root / entry["path"]})


def _manifest(root: Path) -> dict[str, Any]:
    """What the manifest under a root says; `HarnessError` unless it is as it was written, and stays below it.

    One of an earlier version has neither a digest of its own nor those of the files.
    """
    path = root / MANIFEST
    said = record_of(read_json(path), path, "rendered clips", SHAPE, "it is made again when it is used")
    for entry in said["clips"]:
        if set(entry) != ENTRY.keys():
            raise HarnessError(f"{path} has other fields of a clip than {', '.join(ENTRY)}")
        below(root, entry["path"], path)
    return said


def _made(root: Path, name: str, scenes: list[Scene], key: str) -> bool:
    """Whether the dataset of that key is there, as it was written.

    A manifest that does not fit is set aside, and so are files that are not those that were rendered; both
    are made again. Nobody can tell the files of an earlier version, whose manifest has no digests of them.
    """
    path = root / MANIFEST
    if not path.is_file():
        return False
    looked = _looked.pop((root, key), None)
    if looked and looked == {path: file_stamp(path) for path in looked}:
        _looked[root, key] = looked
        return True
    looked = {path: file_stamp(path)}
    try:
        said = _manifest(root)
        if said["key"] != key:
            return False
        fault = _other_clips(said, name, scenes)
    except HarnessError as error:
        said, fault = {}, f"cannot be believed ({error})"
    if fault:
        write_whole(root / MAKING, json.dumps({"key": key}))  # first: then the folder is known to be ours
        say(set_aside(path, fault, "made again"))
        return False
    looked |= {clip: file_stamp(clip) for clip in (root / entry["path"] for entry in said["clips"])}
    found = {entry["path"]: digest_of(root / entry["path"]) for entry in said["clips"]}
    told = said.get("files", found)
    spoilt = [root / name for name, now in found.items() if now is None or now != told.get(name)]
    if not spoilt:
        _looked[root, key] = looked
        return True
    write_whole(root / MAKING, json.dumps({"key": key}))
    there = filter(os.path.lexists, spoilt)
    lines = [set_aside(path, "is not the clip that was rendered", "rendered again") for path in there]
    if lines:
        say(f"{lines[0]}{f' (and {len(lines) - 1} more)' * (len(lines) > 1)}")
    return False


def _other_clips(said: Mapping[str, Any], name: str, scenes: list[Scene]) -> str:
    """Why a manifest is not that of these scenes; empty where it is."""
    planned = [_entry(name, scene, forgery, {}) for scene in scenes for forgery in (None, *scene.forgeries)]
    planned.sort(key=lambda entry: str(entry["id"]))
    if len(planned) != len(said["clips"]):
        return f"has {len(said['clips'])} clips, not {len(planned)}"
    for found, wanted in zip(said["clips"], planned, strict=True):
        if {**found, "attributes": found["attributes"] | wanted["attributes"]} != {
            **wanted,
            "attributes": found["attributes"],
        }:
            return f"says something else of {wanted['id']} than is rendered"
    return ""


def _key_of(file: Path) -> str | None:
    said = read_json(file) if file.is_file() else None
    return str(said.get("key")) if isinstance(said, dict) else None


def _begin(root: Path, key: str) -> None:
    """Ready the folder: keep what a run of this key left, remove what one of another key made."""
    if _key_of(root / MAKING) == key:
        _sweep(root)
        return
    if root.is_dir() and any(not path.name.startswith(".") for path in root.iterdir()):
        if not any((root / name).is_file() for name in (MANIFEST, MAKING)):
            raise HarnessError(f"{root} is not empty and was not made by GapBench; it is left as it is")
        _clear(root)
    write_whole(root / MAKING, json.dumps({"key": key}))


def _clear(root: Path) -> None:
    """Remove what another version, size or seed left; the manifest first, so that no half is believed."""
    # A key that no run has: should this be killed halfway, the next run knows the folder and starts again.
    write_whole(root / MAKING, json.dumps({"key": None}))
    (root / MANIFEST).unlink(missing_ok=True)
    for folder in ("real", "fake"):
        shutil.rmtree(root / folder, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Remove temporary files of a run that was killed; young ones may belong to a run that is alive."""
    for left in root.rglob(".*.mp4"):
        if time.time() - left.stat().st_mtime > 60:
            left.unlink(missing_ok=True)


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turn what a full disk or a killed worker raises into one line."""
    try:
        yield
    except OSError as error:
        raise HarnessError(f"cannot make {name}: {error.strerror or error}") from error
    except BrokenProcessPool as error:
        raise HarnessError(f"making {name} stopped: a worker was killed; run again to continue") from error


def _films(
    root: Path, dataset: str, scenes: list[Scene], frames: int, workers: int | None
) -> Iterator[list[dict[str, Any]]]:
    """Film all scenes; the manifest entries of each person's scenes as they are finished."""
    people: dict[str, list[Scene]] = {}
    for scene in scenes:
        people.setdefault(scene.person, []).append(scene)
    count = min(workers or usable_cores(), len(people))
    if count <= 1:
        for group in people.values():
            yield film(root, dataset, group, frames)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=spawned, initializer=_start_worker) as pool:
        jobs = [pool.submit(film, root, dataset, group, frames) for group in people.values()]
        try:
            for job in as_completed(jobs):
                yield job.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """One thread each, and deaf to Ctrl-C: the process that started it ends it in order."""
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def film(root: Path, dataset: str, scenes: list[Scene], frames: int) -> list[dict[str, Any]]:
    """Film the scenes of one person and forge the footage; files already there are left alone."""
    entries: list[dict[str, Any]] = []
    for scene in scenes:
        box = face_box(draw_identity(scene.person), direct(scene.person, scene.name, frames))
        footage: Footage | None = None
        for forgery in (None, *scene.forgeries):
            entry = _entry(dataset, scene, forgery, {"box": box, "frames": frames})
            path = root / entry["path"]
            if not path.is_file():
                footage = footage or render(scene.person, scene.name, frames)
                write_whole(path, _clip(scene, forgery, footage, entry["id"]))
            entries.append(entry)
    return entries


def _clip(scene: Scene, forgery: Forgery | None, footage: Footage, name: str) -> bytes:
    """The file of a scene as it was filmed, or as it was forged before the camera."""
    frames = footage.frames
    if forgery is not None:
        rng = np.random.default_rng(seed_of("forgery", scene.person, name))
        frames = MANIPULATIONS[forgery.manipulation](footage, build_face(forgery.source), rng)
    sensor = np.random.default_rng(seed_of("sensor", scene.person, name))
    return encode(photograph(frames, scene.camera, sensor), RATE, scene.encoder)


def _entry(dataset: str, scene: Scene, forgery: Forgery | None, seen: dict[str, Any]) -> dict[str, Any]:
    """The manifest's line of one clip: the fields of `Clip`, the path relative to the root."""
    folder = "real" if forgery is None else f"fake/{forgery.manipulation}"
    return {
        "id": f"{dataset}/{folder}/{scene.name}",
        "path": f"{folder}/{scene.name}.mp4",
        "label": REAL if forgery is None else FAKE,
        "split": scene.split,
        "manipulation": forgery.manipulation if forgery else None,
        "target": scene.person,
        "source": forgery.source if forgery else None,
        "attributes": {
            **seen,
            "fps": RATE,
            "camera": scene.camera.name,
            "encoder": scene.encoder.name,
            "bitrate": scene.encoder.bitrate,
            "footage": f"{dataset}/real/{scene.name}",
        },
    }
