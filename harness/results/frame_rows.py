"""Rows that score frames -> one row a clip: frames of a video are no independent clips."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

from harness.trees import VIDEOS
from harness.types import HarnessError
from harness.words import before_number, ending_of, frame_told, frames_in_folders, parted, says_class

FRAMES_OF = ("clip", "none")
"""What rows may be said to be: frames of clips, whatever their ids look like, or of none."""
KEPT = "frame_scores"
"""Column of the scores of a clip's frames."""

FRAME_COLUMNS = ("frame", "frame_id", "frame_idx", "frame_index", "frame_number", "frame_no", "frame_num")
"""Columns that number the frames of a clip, in small letters: then a row is a frame."""

Clips = dict[str, str]
"""Id of a row -> the clip that it is a frame of."""


def numbers_frames(column: str) -> bool:
    """Whether a column of that name numbers frames."""
    return column.lower() in FRAME_COLUMNS


def as_clips(
    table: pd.DataFrame, place: list[str], said: str | None, numbered: bool, file: str
) -> tuple[pd.DataFrame, str]:
    """The table with one row a clip, and in words what was done for that; as it is where no row is a frame.

    The arguments are those of `clips_of_frames`.
    """
    clips = clips_of_frames(table, place, said, numbered, file)
    if not clips:
        return table, ""
    rows, example = int(table["clip_id"].isin(clips).sum()), next(iter(clips))
    return by_clip(table, clips, place), (
        f"{rows:,} rows are scores of frames (such as {example!r}, of {clips[example]!r}); a clip is scored"
        f" by the mean of its frames: {len(set(clips.values())):,} clips"
    )


def clips_of_frames(
    table: pd.DataFrame, place: list[str], said: str | None, numbered: bool, file: str
) -> Clips:
    """The rows of a table of scores that are frames, and of which clip each is; empty where none is.

    `place`: columns that tell apart what is measured. `said` is one of `FRAMES_OF`, None where nobody says.
    `numbered`: a column numbers the frames, so equal ids are frames of one clip. Ids that say they are
    frames, and images that are numbered items of one folder with one label, are frames; those that may as
    well be clips are a `HarnessError`.
    """
    if said == "none":
        return {}
    told = {each: clip for each in table["clip_id"].unique() if (clip := frame_told(each))}
    again = table.duplicated([*place, "clip_id", "label", "manipulation"])
    alike = 2 * int(again.sum()) >= len(table)  # then an id is that of a clip
    if (numbered and again.any()) or (said == "clip" and alike):
        return {each: told.get(each, each) for each in table["clip_id"].unique()}
    counted = Counter(told.values())
    sure = {each: clip for each, clip in told.items() if counted[clip] > 1}
    ids = table[~table["clip_id"].isin(sure)].drop_duplicates(["clip_id", "label"])
    in_folders, doubtful = frames_in_folders(ids[["clip_id", "label"]].itertuples(index=False))
    if said == "clip":
        named = {each: clip for each, clip in doubtful.items() if clip}
        return _anyhow(table["clip_id"].unique()) | told | in_folders | named
    if doubtful:
        example, clip = next(iter(doubtful.items()))
        raise HarnessError(
            f"{len(doubtful):,} ids in {file} may be frames of {len(set(doubtful.values())):,} clips"
            f" ({example!r} of {clip!r}), and frames are no clips of their own: say --frames-of clip to score"
            " each clip by the mean of its frames, or --frames-of none if each id is a clip"
        )
    return sure | in_folders


def by_clip(table: pd.DataFrame, clips: Mapping[str, str], place: list[str]) -> pd.DataFrame:
    """The table with the frames of each clip as one row, scored by the mean of those that have a score.

    `place`: columns that tell apart what is measured. Rows that are no frames stay as they are.
    """
    framed = table["clip_id"].isin(clips)
    named = table[framed].assign(clip_id=table.loc[framed, "clip_id"].map(clips))
    groups = named.groupby([*place, "clip_id", "label", "manipulation"], sort=False, dropna=False)
    whole = groups.first().reset_index()
    whole[KEPT] = groups["score"].agg(lambda scores: scores.dropna().tolist()).to_numpy()
    whole["score"] = groups["score"].mean().to_numpy()
    rest = table[~framed].copy()
    rest[KEPT] = [[score] for score in rest["score"]]
    columns = [*table.columns, KEPT]
    parts = [part[columns].astype(object) for part in (whole, rest) if len(part)]
    joined = pd.concat(parts, ignore_index=True)
    return joined.where(joined.notna(), None).astype(table.dtypes.to_dict())


def _anyhow(ids: Iterable[str]) -> Clips:
    """The clip of each id that is a frame: its folder, or what stands before its number."""
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for each in ids:
        folder, name = parted(each)
        names[folder][name] = each
    found: Clips = {}
    for folder, here in names.items():
        if folder and not says_class(folder) and not any(ending_of(name) in VIDEOS for name in here):
            found |= dict.fromkeys(here.values(), folder)
            continue
        numbered = before_number(here)
        for name, each in here.items():
            found[each] = "/".join((*filter(None, [folder]), numbered[name][0])) if name in numbered else each
    return found
