"""Where the faces of clips are: found once on the clean clip, kept, and put into the clip's attributes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from harness.files import home
from harness.types import Clip, HarnessError
from harness.video import face_finder, face_model, face_tracks


def finder() -> Any:
    """The face finder of this machine, from `$GAPBENCH_YUNET`, the Hugging Face cache or a download."""
    found = _finder(os.environ.get(face_model.VARIABLE))
    if isinstance(found, str):
        raise HarnessError(found)
    return found


@cache
def _finder(named: str | None) -> Any:
    """The finder, or why there is none: a download that failed is not tried again by the same run."""
    try:
        return face_finder.Finder(face_model.find_model())
    except HarnessError as error:
        return str(error)


def faces_missing() -> str | None:
    """Why no face can be found on this machine, and what would change that; None when they can be."""
    try:
        finder()
    except HarnessError as error:
        return str(error)
    return None


def located(clips: Iterable[Clip], crop: str, name: str) -> tuple[Clip, ...]:
    """The clips, for the crop `face` each with its `track` (None where no face was found).

    Boxes that were found before are not looked for again; `name` is shown with the progress. A clip
    that cannot be read gets no track: reading it to score it fails once more, and is counted then.
    """
    listed: Sequence[Clip] = tuple(clips)
    if crop != "face":
        return tuple(listed)
    found = face_tracks.FaceCache(home() / "faces", finder()).tracks(listed, name)
    tracks = {clip: track for clip, track in found.items() if not isinstance(track, str)}
    return tuple(
        replace(clip, attributes={**clip.attributes, "track": tracks[clip.id]}) if clip.id in tracks else clip
        for clip in listed
    )
