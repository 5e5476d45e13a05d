"""How every plot is set, coloured and written: without a screen, and the same file for the same numbers."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.files import write_whole
from harness.guard import names
from harness.records import Board, told_as
from harness.types import HarnessError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 130
PALETTE = 256
"""Colours in a file: all that lines and cells need, at a third of the bytes of full colour."""
PANELS_ACROSS = 3
CROWD = 10
"""Colours that colour-blind eyes can tell apart."""
LETTERS = 13.5
"""Letters of a heading on an inch."""
LONGEST = 60
"""Letters of a name that a picture has room for."""
GUESSING: dict[str, Any] = {"color": "0.4", "linestyle": ":", "linewidth": 1}
"""The look of the line on which a detector guesses."""


def drawing() -> tuple[Any, Any]:
    """pyplot and seaborn, set to draw into files; imported here because tables need neither."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    # a dollar in a name is no formula
    sns.set_theme(style="whitegrid", context="paper", font_scale=1.05, rc={"text.parse_math": False})
    return plt, sns


def drawable(board: Board) -> Board:
    """The board with its names as they can be drawn."""
    return told_as(board, lambda name: names.drawn(name, lambda sign: sign in _glyphs(), LONGEST))


@cache
def _glyphs() -> frozenset[int]:
    """Code points that the font of all plots has."""
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def panels(plt: Any, titles: Sequence[str], width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each title, three across (four make a square), each so large in inches."""
    across = 2 if len(titles) == 4 else min(len(titles), PANELS_ACROSS)
    down = -(-len(titles) // across)
    size = (width * across, 0.7 + height * down)
    figure, axes = plt.subplots(down, across, figsize=size, squeeze=False, layout="compressed")
    figure.get_layout_engine().set(h_pad=0.1, hspace=0.04)
    for axis, title in zip_longest(axes.flat, titles):
        if title is None:
            axis.set_visible(False)
        else:
            axis.set_title(title)
    return figure, list(axes.flat)[: len(titles)]


def headed(figure: Figure, *lines: str) -> None:
    """Say above the figure what it shows, and on the lines after it how to read it."""
    room = int(LETTERS * figure.get_figwidth())
    figure.suptitle("\n".join(part for line in lines for part in textwrap.wrap(line, room)), fontsize=11)


def save(figure: Figure, path: Path) -> None:
    """Write the figure whole and forget it; no date in the file, so that equal numbers give equal files."""
    import matplotlib.pyplot as plt
    from PIL import Image

    full, small = io.BytesIO(), io.BytesIO()
    try:
        figure.savefig(full, dpi=DPI, bbox_inches="tight")
    finally:
        plt.close(figure)
    pixels = Image.open(full).convert("RGB")
    found = pixels.quantize(PALETTE, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    found.save(small, format="png", optimize=True)
    write_whole(path, small.getvalue())


def colours(sns: Any, count: int) -> list[Any]:
    """So many colours that stay apart for colour-blind eyes (ten at most differ; more come from one ramp)."""
    return list(sns.color_palette("colorblind" if count <= CROWD else "cividis", count))


def nothing_for(plot: str, board: Board) -> HarnessError:
    """The error for a plot that there are no numbers for."""
    return HarnessError(f"matrix {board.matrix} holds nothing that a {plot} plot shows")
