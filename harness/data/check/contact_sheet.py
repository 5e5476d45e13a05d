"""Pictures of clips on one sheet, a group below the other, each with its class and its id."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib.font_manager import get_font
from PIL import Image, ImageDraw, ImageFont, ImageOps

from harness.guard.clip_bounds import named_failure
from harness.guard.names import drawn
from harness.types import Clip, HarnessError
from harness.video.frames import read_frames

MOST = 12
"""Clips of a group that are shown."""
COLUMNS = 6
TILE, GAP, LINE = (176, 132), 12, 15
"""Width and height of a picture, space around it, and height of a line of text, in pixels."""
LETTERS = 400
"""Of a name, at most; what is then too wide is cut."""
INK, PAPER, NOTHING = (29, 37, 48), (255, 255, 255), (217, 222, 229)
COLOURS = ((31, 119, 60), (179, 38, 30))
"""Of the frame around a real and a fake clip."""


@dataclass(frozen=True, slots=True)
class Group:
    """Clips that are shown for one reason."""

    title: str
    clips: tuple[Clip, ...]

    @property
    def shown(self) -> tuple[Clip, ...]:
        """Those that there is room for."""
        return self.clips[:MOST]

    @property
    def heading(self) -> str:
        """The title, and how many are not shown."""
        return self.title if len(self.clips) <= MOST else f"{self.title} ({MOST} of {len(self.clips):,})"


def contact_sheet(groups: Sequence[Group]) -> bytes:
    """The clips of all groups, the middle frame of each, as a PNG.

    Around real clips is a green line, around fakes a red one; a clip that cannot be read is an empty box.
    """
    cell = TILE[0] + GAP, TILE[1] + 2 * LINE + GAP
    heights = [2 * LINE + cell[1] * -(-len(group.shown) // COLUMNS) for group in groups]
    sheet = Image.new("RGB", (GAP + COLUMNS * cell[0], GAP + sum(heights)), PAPER)
    draw, top = ImageDraw.Draw(sheet), GAP
    for group, height in zip(groups, heights, strict=True):
        draw.text((GAP, top), _printable(group.heading), INK, _font(13))
        for place, clip in enumerate(group.shown):
            row, column = divmod(place, COLUMNS)
            left, upper = GAP + column * cell[0], top + 2 * LINE - 6 + row * cell[1]
            sheet.paste(_picture(clip), (left, upper))
            draw.rectangle(
                (left, upper, left + TILE[0] - 1, upper + TILE[1] - 1), None, COLOURS[clip.label], 2
            )
            for line, text in enumerate(_caption(clip)):
                draw.text((left, upper + TILE[1] + 1 + LINE * line), text, INK, _font(11))
        top += height
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return file.getvalue()


def _picture(clip: Clip) -> Image.Image:
    try:
        with named_failure(f"{clip.path.name}: showing it"):
            frame = Image.fromarray(read_frames(clip.path, (1,)).pixels[0])
            return ImageOps.pad(frame, TILE, color=NOTHING)
    except HarnessError:
        return Image.new("RGB", TILE, NOTHING)


def _caption(clip: Clip) -> tuple[str, str]:
    """Class and folders of a clip, and its name; of what is too long the end is shown."""
    folder, _, name = _printable(clip.id).rpartition("/")
    return _cut(f"{folder}/" if folder else "", f"{('real', 'fake')[clip.label]} "), _cut(name)


def _cut(text: str, before: str = "") -> str:
    whole, kept = f"{before}{text}", text
    while _font(11).getlength(whole) > TILE[0] and kept:
        kept = kept[1:]
        whole = f"{before}...{kept}"
    return whole


def _printable(text: str) -> str:
    return drawn(text, lambda sign: sign in _glyphs(), LETTERS)


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(_font(11).path).get_charmap())


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)
