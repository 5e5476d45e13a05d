"""Where the YuNet file comes from: a file of the user's own, else the Hugging Face cache, else a download."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.files import file_digest
from harness.progress import say
from harness.types import HarnessError

VARIABLE = "GAPBENCH_YUNET"
OPTION = "--face-model"
REPOSITORY = "opencv/face_detection_yunet"
FILE = "face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
"""Digest of that file; a cached or downloaded one with another is refused."""
URL = f"https://huggingface.co/{REPOSITORY}/resolve/main/{FILE}"


@dataclass(frozen=True, slots=True)
class Model:
    """A YuNet file on this machine."""

    path: Path
    sha256: str
    """Digest of its bytes; part of every row whose clips were cut by it."""


def find_model(explicit: Path | None = None) -> Model:
    """The YuNet file: `explicit`, else `$GAPBENCH_YUNET`, else the Hugging Face cache, else downloaded.

    A file the user names may be any version of YuNet. `HarnessError` when a named file is absent, the
    cached or downloaded one is not the pinned one, or the download fails.
    """
    for origin, named in ((OPTION, explicit), (f"{OPTION} or ${VARIABLE}", os.environ.get(VARIABLE))):
        if named:
            path = Path(named).expanduser()
            if not path.is_file():
                raise HarnessError(f"the face model {path} named by {origin} is not a file")
            return Model(path, _digest(path))
    path = _cached() or _downloaded()
    found = _digest(path)
    if found != SHA256:
        raise HarnessError(
            f"{path} is not the pinned face model: its sha256 is {found}, expected {SHA256}; "
            f"delete it and run again, or name the file you mean with {OPTION} FILE"
        )
    return Model(path, found)


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise HarnessError(f"the face model {path} cannot be read: {error.strerror}") from error


def _cached() -> Path | None:
    from huggingface_hub import try_to_load_from_cache  # slow to import, and rarely needed

    found = try_to_load_from_cache(REPOSITORY, FILE)
    return Path(found) if isinstance(found, str) else None


def _downloaded() -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import logging

    say(f"downloading the face model YuNet (0.2 MB, half a minute at most) from {URL}")
    logging.set_verbosity_error()  # it would say each of its retries
    try:
        return Path(hf_hub_download(REPOSITORY, FILE))
    except Exception as error:  # whatever stops it (offline, proxy, disk), the ways to bring it are these
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise HarnessError(
            f"the face model YuNet is not in the Hugging Face cache and cannot be downloaded ({reason}); "
            f"fetch {URL} and name the file with {OPTION} FILE or {VARIABLE}=FILE"
        ) from error
