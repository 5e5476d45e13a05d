"""What is written in a figure, and whether it can be read."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from harness.report.plots.style import DPI


def looks_like_a_plot(path: Path) -> bool:
    """A PNG of sane size that is not blank."""
    with Image.open(path) as image:
        wide, high = image.size
        colours = len(image.convert("RGB").getcolors(1 << 16) or [])
        return image.format == "PNG" and 300 < wide < 3000 and 150 < high < 3000 and colours > 20


def words_of(figure: Figure) -> list[str]:
    """All that is written in a figure."""
    return [text.get_text() for text in figure.findobj(Text)]


def written_in(figure: Figure) -> list[Text]:
    """The texts of a figure that are seen."""
    found = list(figure.texts)
    for legend in (*figure.legends, *(axes.get_legend() for axes in figure.axes)):
        found += legend.get_texts() if legend else []
    for axes in figure.axes:
        if axes.get_visible():
            found += [axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
            for axis, place, ends in ((axes.xaxis, 0, axes.get_xlim()), (axes.yaxis, 1, axes.get_ylim())):
                labels = axis.get_ticklabels()
                found += [each for each in labels if min(ends) <= each.get_position()[place] <= max(ends)]
    return [text for text in found if text.get_text().strip() and text.get_visible()]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Different texts of a figure that cover each other, or stand on each other without a gap."""
    figure.set_dpi(DPI)
    figure.canvas.draw()  # where texts stand is known after drawing
    boxes = [(text.get_text(), text.get_window_extent()) for text in written_in(figure)]
    found = []
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        up = min(first.y1, second.y1) - max(first.y0, second.y0)
        if across > 1 and up > -1.5 and one != other:  # axes that share a side have the same labels
            found.append((one, other))
    return found
