"""How every plot is set, coloured and written: without a screen, and the same file for the same numbers."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.files import write_whole
from harness.records import Board
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
GUESSING: dict[str, Any] = {"color": "0.4", "linestyle": ":", "linewidth": 1}
"""The look of the line on which a detector guesses."""


def drawing() -> tuple[Any, Any]:
    """pyplot and seaborn, set to draw into files; imported here because tables need neither."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="whitegrid", context="paper", font_scale=1.05)
    return plt, sns


def panels(plt: Any, names: Sequence[str], width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each name, three across (four make a square), each of that size in inches."""
    across = 2 if len(names) == 4 else min(len(names), PANELS_ACROSS)
    down = -(-len(names) // across)
    size = (width * across, 0.7 + height * down)
    figure, axes = plt.subplots(down, across, figsize=size, squeeze=False, layout="compressed")
    figure.get_layout_engine().set(h_pad=0.1, hspace=0.04)
    for axis, name in zip_longest(axes.flat, names):
        if name is None:
            axis.set_visible(False)
        else:
            axis.set_title(name)
    return figure, list(axes.flat)[: len(names)]


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
