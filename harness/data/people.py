"""Who is seen in clips of one's own, and which show one recording, where folders or names say so."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

from harness.types import FAKE, REAL, Clip
from harness.words import folder_says

MOST_WORDS = 8
"""Words of a name of which every choice is looked up; of a longer one only those that stand together."""
OFFERED = 0.5
"""Share of the fakes whose names hold the name of a real clip, from which on that is pointed out."""

Words = tuple[str, ...]
"""The words and numbers that a name consists of: `id0_id1_0000` -> ("id0", "id1", "0000")."""


def with_people(clips: Sequence[Clip], people_from: str, name: str) -> tuple[Clip, ...]:
    """The clips with `target`, `source` and `footage` as folders or names say; what is known already stays.

    `people_from` is one of `own_sets.PEOPLE_FROM`, or empty. People and recordings are named within `name`.
    """
    if people_from == "parent":
        return tuple(_told(clip, name, target=_folder_of(clip)) for clip in clips)
    if people_from == "names":
        return tuple(_by_names(clips, name))
    return tuple(clips)


def offer(clips: Sequence[Clip]) -> str:
    """One line that points to `--people-from names` where it would tell something new; else empty."""
    fakes = [clip for clip in clips if clip.label == FAKE]
    if not fakes or any(clip.target or clip.source or clip.attributes.get("footage") for clip in clips):
        return ""
    reals = _reals(clips)
    held = {clip.id: _within(_words(clip), reals) for clip in fakes}
    example = next((clip for clip in fakes if held[clip.id]), None)
    count = sum(map(bool, held.values()))
    if example is None or count < OFFERED * len(fakes):
        return ""
    return (
        f"the names of {count:,} of {len(fakes):,} fakes hold the name of a real clip"
        f" ({_stem(example)} and {reals[held[example.id]]}): --people-from names counts them as one"
        " recording, in splits and in intervals"
    )


def recordings_by_name(clips: Sequence[Clip]) -> dict[str, Words]:
    """Clip id -> the name of the recording that a clip shows, by names alone: see `_by_names`.

    A real clip's is its own name; a fake's is the longest name of a real clip that its own holds, () where
    it holds none.
    """
    reals = _reals(clips)
    return {clip.id: _words(clip) if clip.label == REAL else _within(_words(clip), reals) for clip in clips}


def _told(clip: Clip, name: str, **known: str | None) -> Clip:
    """The clip with what is known of it now, under names of its set; what it said before stays."""
    said = {key: f"{name}/{value}" for key, value in known.items() if value}
    footage = said.pop("footage", None)
    said = {key: value for key, value in said.items() if getattr(clip, key) is None}
    if clip.label == REAL:
        said.pop("source", None)
    attributes = {"footage": footage, **clip.attributes} if footage else clip.attributes
    return replace(clip, attributes=attributes, **said)  # type: ignore[arg-type]


def _folder_of(clip: Clip) -> str | None:
    """The folder that a clip lies in, unless it is that of its class, split or manipulation."""
    inner = clip.id.split("/")[1:-1]
    folder = inner[-1] if inner else None
    return None if folder in (None, clip.manipulation) or folder_says(str(folder)) else folder


def _by_names(clips: Sequence[Clip], name: str) -> Iterator[Clip]:
    """Recordings and people by names: a fake is of the real clip whose words its own name holds.

    A fake that holds more words like those which begin a real clip's name (`000_003`, `id0_id1_0000`) shows a
    second person; then the first word of a name is a person. Otherwise each real clip shows its own.
    """
    reals = _reals(clips)
    first = {_shape(words[:1]) for words in reals}
    footage = recordings_by_name(clips)
    sources = {
        clip.id: _source(_words(clip), footage[clip.id], reals, first)
        for clip in clips
        if clip.label == FAKE and footage[clip.id]
    }
    by_first = any(source and source not in reals for source in sources.values())
    for clip in clips:
        seen, other = footage[clip.id], sources.get(clip.id, ())
        person = seen[:1] if by_first else seen
        yield _told(clip, name, footage="_".join(seen), target="_".join(person), source="_".join(other))


def _source(words: Words, seen: Words, reals: Collection[Words], first: Collection[str]) -> Words:
    """The words of a fake's name that name a second person; empty where none do."""
    left = list(words)
    for word in seen:
        left.remove(word)
    whole = _within(tuple(left), reals)
    if whole:
        return whole
    return next(((word,) for word in left if _shape((word,)) in first), ())


def _reals(clips: Sequence[Clip]) -> dict[Words, str]:
    """The words of the names of real clips -> such a name."""
    return {_words(clip): _stem(clip) for clip in clips if clip.label == REAL}


def _stem(clip: Clip) -> str:
    return Path(clip.id.rpartition("/")[2]).stem


def _words(clip: Clip) -> Words:
    return tuple(re.findall(r"[^\W_]+", _stem(clip).lower()))


def _shape(words: Words) -> str:
    """What words look like: `id7` and `id12` are alike, `003` and `017` are, `003` and `2` are not."""
    return " ".join("9" * len(word) if word.isdigit() else re.sub(r"\d+", "9", word) for word in words)


def _within(words: Words, reals: Collection[Words]) -> Words:
    """The longest name of a real clip whose words a name holds in this order, the first of several."""
    for length in range(len(words), 0, -1):
        if len(words) <= MOST_WORDS:
            choices: Iterator[Words] = combinations(words, length)
        else:
            choices = (words[at : at + length] for at in range(len(words) - length + 1))
        found = next((choice for choice in choices if choice in reals), None)
        if found is not None:
            return found
    return ()
