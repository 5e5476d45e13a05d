"""Weights and predictions that were stored before keys held what was asked: kept under the keys of today.

A key once held the digests of source files and the versions of libraries, too. Those digests are written down
here, and the versions stand in what was stored, so an old key can be worked out again: where it is the one in
the file, the same was asked, and nobody trains or scores again. What is adopted stays where it was, too.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.environment import versions_then
from harness.files import digest, digest_of, file_digest, plain, read_json, write_whole, writing
from harness.guard.stored import opened, sealed
from harness.training.job import TrainingJob, stated
from harness.types import HarnessError, Recipe

PROTOCOL = 1
"""The protocol of what was stored then; `TRAINING`, `SCORING` and versions of detectors count as 1, too."""
READING = (
    "8a3e094a3233c4f376bcc7339c25ce465e6e80da7dfa26306be15751f168c41a",
    "ea524acac1b746a0681e645985619fcee2f46470dc0719d40b32630117754ab4",
    "275c12c7e1b013b29901a334d3758af7643fbcafa044b161a72fb1c94d4eb554",
    "5f935086af8333556898688fc19b500c260a24d8b3ca45a8f2d9fc90e9890f52",
    "7f7bc099187aaa410c45fa17c05937568eab6df1463458fe0e5e80b9cd60ef3b",
    "5ffd00e33dba56815105b4360dcd6f43ad86589dfc3e0323c0dd5f41248b090f",
    "71b104b24b5b0446448a00e32b982e219462e73b9b89db6a1b6912111821b40d",
)
"""sha256 of `video`, `decoding`, `packets`, `coded`, `av_reading`, `decord_reading`, `torchcodec_reading`."""
LEARNING = (
    "2247165e99fbf308a4cd32ad13d0b5faa9718b6347d498c9e3301a6329644749",
    "53c5b58595c02ec3bd9bb2fbd6f8453b2dee54d9013ba81377196f68f101f65c",
    "8182d4ac66a4d00a360b47d4ecb7a96cb3ce8552ed0cf63fc593b18a9bf49bbf",
    "166ac577eb017aa27f6eab99bb31ff958035a1d9399dba5a99346789cc360e87",
    "a8b39a46998a75a6b4a03a1877714df98e1a174086de7943408115331a20aaf1",
    "57ea7cf0e3c7a32bd191b89634b783ea4909aed67ef2c2f89eb8d6365de22e15",
)
"""sha256 of `training`, `augmentation`, `footage`, `frame_cache`, `learning`, `scoring`."""
RECIPE = (
    *("size", "frames", "epochs", "batch", "learning_rate", "train_frames", "passes", "backbone_rate"),
    *("weight_decay", "schedule", "clip_norm", "patience", "precision", "pretrained", "augment", "clips"),
    "options",
)
"""The fields a recipe had."""


def adopt_weights(job: TrainingJob, folder: Path) -> Path | None:
    """Keep the weights that an earlier version stored for a job under the key of today; their record."""
    if not _askable_then(job):
        return None
    found = []
    for record in folder.glob(f"{job.name}-*.json"):
        tensors = record.with_suffix(".safetensors")
        try:
            said = read_json(record)
            then = said["provenance"]
            old = weights_key(job, then["source_sha256"], then["versions"], str(then["device"]))
        except (HarnessError, KeyError, TypeError):  # no record of weights, or an unfinished one
            continue
        if said.get("key") == old and digest_of(tensors) == said.get("sha256"):
            elsewhere = str(then["device"]).partition(":")[0] != job.device.partition(":")[0]
            found.append((elsewhere, -record.stat().st_mtime_ns, record))
    for _, _, record in sorted(found):
        tensors, said = record.with_suffix(".safetensors"), read_json(record)
        stem = job.stem(folder)
        _linked(tensors, stem.with_suffix(".safetensors"))
        renamed = {**said, "key": job.key, "path": stem.with_suffix(".safetensors").name}
        renamed["provenance"] = {**said["provenance"], "adopted_from": said["key"]}
        kept = stem.with_suffix(".json")
        write_whole(kept, json.dumps(sealed(opened(renamed)[0]), indent=1))
        age = record.stat()
        os.utime(kept, ns=(age.st_atime_ns, age.st_mtime_ns))  # the newest of a name is what that name means
        return kept
    return None


def adopt_checkpoint(job: TrainingJob, folder: Path) -> None:
    """Go on with a training that an earlier version began with the libraries of today, if there is one."""
    checkpoint = partial_of(job.stem(folder))
    if checkpoint.exists() or not _askable_then(job):
        return
    key = weights_key(job, file_digest(Path(job.entry.file)), versions_then(), job.device)
    begun = partial_of(folder / f"{job.name}-{key[:10]}")
    if begun.is_file():
        os.replace(begun, checkpoint)


def _askable_then(job: TrainingJob) -> bool:
    """Whether an earlier version could have been asked for it: no number raised, no newer field stated."""
    newer = set(stated(job.recipe)) - set(RECIPE)
    return as_then(job.asked["training"], job.entry.version) and not newer


def as_then(*numbers: int | str) -> bool:
    """Whether declared numbers are still those that everything had then."""
    return all(str(number) == str(PROTOCOL) for number in numbers)


def partial_of(stem: Path) -> Path:
    """Where an unfinished training of that stem is kept."""
    return stem.with_name(f"{stem.name}.partial")


def weights_key(job: TrainingJob, source: str, libraries: Mapping[str, str], device: str) -> str:
    """The key of weights as it was; `source` is the sha256 of the detector's file."""
    return digest(
        [
            job.entry.name,
            [source, *LEARNING, *READING],
            [_recipe(job.recipe), job.precision, device.partition(":")[0], job.seed],
            [job.trained_on, job.clips_sha256, job.crop, job.faces],
            [libraries, PROTOCOL],
        ]
    )


def _recipe(recipe: Recipe) -> dict[str, Any]:
    return {name: said for name, said in plain(recipe).items() if name in RECIPE}


def _linked(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where the disk knows no such thing."""
    with writing(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)


def predictions_key(asked: Mapping[str, Any], libraries: Mapping[str, str]) -> str:
    """The key of predictions as it was; `asked` is what it held besides how files are read and versions."""
    preprocessing, shown_how = asked["preprocessing"]
    read = {"video": list(READING), **preprocessing}
    return digest({**asked, "preprocessing": [read, shown_how], "protocol": PROTOCOL, "versions": libraries})
