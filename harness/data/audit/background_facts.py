"""What a picture says when its face is covered: brightness, grain, blocking and detail of the background.

The face box is enlarged to the square that detectors are shown, and the picture is cut into tiles of
16 x 16 pixels, the unit in which video is coded. Tiles that touch the square are left out whole, so that
no fact is measured where a coder mixed the face in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import cv2
import numpy as np

from harness.types import Clip, HarnessError
from harness.video.frames import BOX_MARGIN, Pictures, read_frames

Box = Sequence[float]
"""[x, y, w, h] in pixels."""

FRAMES = 3
"""Evenly spaced frames of a clip that are looked at."""
TILE = 16
FEWEST_TILES = 12
"""Tiles of background that a frame needs to be measured."""
MOST_TILES = 2048
"""Tiles measured in one frame; of more, as many are taken evenly."""
CENTRAL = 0.7
"""Side of the square covered where no face is known, in shorter sides of the frame."""
BANDS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 7), (8, 10), (11, 14))
"""Ranges of u + v of the coefficients of an 8 x 8 cosine transform, from coarse to fine."""
FINE = 4
"""The first of the bands that quantisation empties."""
LAPLACE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
"""Noise without edges, to be divided by 6 (Immerkaer 1996)."""
FLOOR = 1e-3
"""Added before a logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Background:
    """The facts of one clip's background."""

    facts: dict[str, float]
    boxed: bool
    """Whether a face box was known; if not, a central square was covered."""


def background_facts(clip: Clip) -> Background:
    """The facts of a clip's background, each the mean over its frames.

    The face is where the clip's attribute `box` says, else where it was found nearest in time (`faces`);
    without either a central square is covered. `HarnessError` when the clip cannot be read or the face leaves
    no background.
    """
    frames = read_frames(clip.path, (FRAMES,))
    pixels, indices = frames.pictures, frames.indices
    boxes = _boxes(clip, indices)
    sizes = [(frame.shape[1], frame.shape[0]) for frame in pixels]
    squares = [_central(*size) for size in sizes] if boxes is None else [_square(box) for box in boxes]
    covered = [_free_tiles(square, *size) for square, size in zip(squares, sizes, strict=True)]
    if min(len(tiles) for tiles in covered) < FEWEST_TILES:
        raise HarnessError(f"{clip.path.name}: the face leaves no background to look at")
    found = [_facts(_cut(frame, tiles)) for frame, tiles in zip(pixels, covered, strict=True)]
    facts = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    steps = _steps(pixels, covered) if len(set(sizes)) == 1 else []
    if steps:
        facts["change between frames"] = float(np.log(np.mean(steps) + FLOOR))
    return Background(facts, boxes is not None)


def _boxes(clip: Clip, indices: Sequence[int]) -> list[Box] | None:
    box = clip.attributes.get("box")
    if box is not None:
        if len(box) != 4 or not all(map(isfinite, box)):
            raise HarnessError(f"{clip.path.name}: {box!r} is no face box [x, y, w, h] in pixels")
        return [box] * len(indices)
    found = next((faces for faces in clip.attributes.get("faces", {}).values() if faces), None)
    return None if found is None else list(found.near(indices))


def _square(box: Box) -> tuple[float, float, float]:
    """Left, top and side of the square around a face."""
    x, y, w, h = box
    side = BOX_MARGIN * max(w, h)
    return x + w / 2 - side / 2, y + h / 2 - side / 2, side


def _central(width: int, height: int) -> tuple[float, float, float]:
    side = CENTRAL * min(width, height)
    return (width - side) / 2, (height - side) / 2, side


def _free_tiles(square: tuple[float, float, float], width: int, height: int) -> np.ndarray:
    """Row and column of the whole tiles that do not touch the square, int `[N, 2]`, at most `MOST_TILES`."""
    left, top, side = square
    rows, columns = np.arange(height // TILE), np.arange(width // TILE)
    in_rows = (rows * TILE < top + side) & ((rows + 1) * TILE > top)
    in_columns = (columns * TILE < left + side) & ((columns + 1) * TILE > left)
    free = np.argwhere(~(in_rows[:, None] & in_columns[None, :]))
    if len(free) > MOST_TILES:
        free = free[np.linspace(0, len(free) - 1, MOST_TILES).round().astype(int)]
    return free


def _cut(frame: np.ndarray, tiles: np.ndarray) -> np.ndarray:
    """The tiles of a frame, float32 `[N, 16, 16, 3]`."""
    rows, columns = frame.shape[0] // TILE, frame.shape[1] // TILE
    whole = frame[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE, 3)
    cut: np.ndarray = whole[tiles[:, 0], :, tiles[:, 1]].astype(np.float32)
    return cut


def _facts(tiles: np.ndarray) -> dict[str, float]:
    """The facts of the background of one frame, from its tiles."""
    strip = tiles.reshape(1, -1, 3) / 255
    luma, red, blue = np.moveaxis(cv2.cvtColor(strip, cv2.COLOR_RGB2YCrCb).reshape(tiles.shape) * 255, 3, 0)
    facts = {
        f"mean of {name}": float(tiles[..., k].mean()) for k, name in enumerate(("red", "green", "blue"))
    }
    facts |= {
        f"contrast of {name}": float(tiles[..., k].std()) for k, name in enumerate(("red", "green", "blue"))
    }
    facts["black pixels"] = float((luma < 6).mean())
    facts["white pixels"] = float((luma > 249).mean())
    return facts | _grain(luma, red, blue) | _blocking(luma) | _detail(luma)


def _grain(luma: np.ndarray, red: np.ndarray, blue: np.ndarray) -> dict[str, float]:
    """What is left of tiles `[N, 16, 16]` when smooth things and edges are taken out."""
    facts = {}
    for name, plane in (("luma", luma), ("red chroma", red), ("blue chroma", blue)):
        rest = _residual(plane)
        of_tiles = np.abs(rest).mean((1, 2)) * np.sqrt(np.pi / 2)
        for part, share in (("flattest", 0.1), ("middle", 0.5), ("busiest", 0.9)):
            facts[f"{name} grain, {part} tiles"] = float(np.log(np.quantile(of_tiles, share) + FLOOR))
        if name == "luma":
            spread = rest.var() + FLOOR
            facts["luma grain, heavy tails"] = float(np.log((rest**4).mean() / spread**2 + FLOOR))
            facts["pixels without grain"] = float((np.abs(rest) < 0.17).mean())
    return facts


def _residual(plane: np.ndarray) -> np.ndarray:
    weights = LAPLACE / 6
    rest = np.zeros((len(plane), TILE - 2, TILE - 2), dtype=np.float32)
    for row in range(3):
        for column in range(3):
            rest += weights[row, column] * plane[:, row : row + TILE - 2, column : column + TILE - 2]
    return rest


def _blocking(luma: np.ndarray) -> dict[str, float]:
    """How much larger the step over the 8-pixel grid is than steps beside it, as logarithms."""
    facts = {}
    for name, tiles in (("across", luma), ("down", luma.swapaxes(1, 2))):
        steps = np.abs(np.diff(tiles, axis=2)).mean((0, 1))
        facts[f"8 px blocking {name}"] = float(
            np.log((steps[7] + FLOOR) / (steps[[2, 3, 4, 10, 11, 12]].mean() + FLOOR))
        )
    return facts


def _detail(luma: np.ndarray) -> dict[str, float]:
    """Energy of an 8 x 8 cosine transform from coarse to fine, and how much of it is empty."""
    order = np.arange(8)
    basis = np.cos(np.pi * (2 * order[None, :] + 1) * order[:, None] / 16) / 2
    basis[0] /= np.sqrt(2)
    blocks = luma.reshape(-1, 2, 8, 2, 8).swapaxes(2, 3).reshape(-1, 8, 8)
    waves = basis.astype(np.float32) @ blocks @ basis.T.astype(np.float32)
    place = order[:, None] + order[None, :]
    facts = {}
    for number, (low, high) in enumerate(BANDS):
        band = np.abs(waves[:, (place >= low) & (place <= high)])
        name = f"{low}-{high}" if low < high else f"{low}"
        facts[f"detail of band {name}"] = float(np.log(band.mean() + FLOOR))
        if number >= FINE:
            facts[f"empty part of band {name}"] = float((band < 0.5).mean())
    return facts


def _steps(pixels: Pictures, covered: Sequence[np.ndarray]) -> list[float]:
    """Mean step of the background from each frame looked at to the next; empty for a still image."""
    steps = []
    for number in range(1, len(pixels)):
        both = {tuple(tile) for tile in covered[number - 1]} & {tuple(tile) for tile in covered[number]}
        if both:
            tiles = np.array(sorted(both))
            step = _cut(pixels[number], tiles) - _cut(pixels[number - 1], tiles)
            steps.append(float(np.abs(step).mean()))
    return steps
