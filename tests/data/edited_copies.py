"""What people do to a clip before they pass it on, and people who were filmed in one studio."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence

import av
import cv2
import numpy as np

RATE = 12
"""Frames a second of the rendered clips."""
Edit = Callable[[np.ndarray], np.ndarray]
"""Frames uint8 `[T, H, W, 3]` to other ones."""


def recoded(pixels: np.ndarray, crf: int, width: int = 0, height: int = 0) -> np.ndarray:
    """The frames after H.264, at another size if one is given; of odd sides the last line is lost."""
    width, height = width or pixels.shape[2], height or pixels.shape[1]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": str(crf), "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = width - width % 2, height - height % 2, "yuv420p"
        for frame in pixels:
            small = cv2.resize(frame, (stream.width, stream.height), interpolation=cv2.INTER_AREA)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def cut(kept: float) -> Edit:
    """The middle of each frame, this share of its sides."""

    def edit(pixels: np.ndarray) -> np.ndarray:
        down, across = (round(side * (1 - kept) / 2) for side in pixels.shape[1:3])
        return pixels[:, down : pixels.shape[1] - down, across : pixels.shape[2] - across]

    return edit


def between_bars(share: float) -> Edit:
    """Black bars over and under the frame, each this share of its height."""

    def edit(pixels: np.ndarray) -> np.ndarray:
        bar = round(pixels.shape[1] * share)
        return np.pad(pixels, ((0, 0), (bar, bar), (0, 0), (0, 0)))

    return edit


def with_text(pixels: np.ndarray) -> np.ndarray:
    """White letters in a dark line over the lowest seventh."""
    made = pixels.copy()
    height, width = made.shape[1:3]
    made[:, round(0.86 * height) :] = 20
    for frame in made:
        place = (width // 20, round(0.96 * height))
        cv2.putText(frame, "BREAKING NEWS", place, cv2.FONT_HERSHEY_SIMPLEX, width / 400, (255, 255, 255), 1)
    return made


def turned(pixels: np.ndarray) -> np.ndarray:
    """Each frame turned by three degrees."""
    height, width = pixels.shape[1:3]
    how = cv2.getRotationMatrix2D((width / 2, height / 2), 3, 1)
    return np.stack([cv2.warpAffine(frame, how, (width, height), borderMode=1) for frame in pixels])


def inset(pixels: np.ndarray) -> np.ndarray:
    """Each frame in the middle of one twice as large."""
    down, across = pixels.shape[1] // 2, pixels.shape[2] // 2
    return np.pad(pixels, ((0, 0), (down, down), (across, across), (0, 0)), constant_values=70)


EDITS: Mapping[str, Edit] = {
    "re-encoded at CRF 23": lambda pixels: pixels,
    "re-encoded at CRF 40": lambda pixels: recoded(pixels, 40),
    "half the size": lambda pixels: recoded(pixels, 30, pixels.shape[2] // 2, pixels.shape[1] // 2),
    "1.5 times as wide": lambda pixels: recoded(pixels, 28, pixels.shape[2] * 3 // 2, pixels.shape[1]),
    "cut by 5 %": cut(0.95),
    "cut by 10 %": cut(0.9),
    "cut by 20 %": cut(0.8),
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, :, ::-1]),
    "mirrored and cut by 5 %": lambda pixels: np.ascontiguousarray(cut(0.95)(pixels)[:, :, ::-1]),
    "bars of 6 %": between_bars(0.06),
    "bars of 12 %": between_bars(0.12),
    "a line of text": with_text,
    "turned by 3 degrees": turned,
}
"""By name; each is then encoded at CRF 23."""
NOT_FOUND: Mapping[str, Edit] = {
    "cut by 10 % at one side": lambda pixels: pixels[:, : round(0.9 * pixels.shape[1])],
    "within a larger picture": inset,
}


def title(frames: int, height: int, width: int, text: str = "A FILM BY") -> np.ndarray:
    """A still title, the same for the same text: uint8 `[frames, height, width, 3]`."""
    frame = np.full((height, width, 3), (20, 30, 80), np.uint8)
    place = (width // 8, height // 2)
    cv2.putText(frame, text, place, cv2.FONT_HERSHEY_SIMPLEX, width / 300, (240, 240, 240), 2)
    cv2.circle(frame, (width // 2, height // 4), width // 10, (200, 40, 40), -1)
    return np.repeat(frame[None], frames, axis=0)


def shelves(seed: int, height: int = 240, width: int = 320) -> np.ndarray:
    """Shelves full of books, sharp and of high contrast: uint8 `[height, width, 3]`."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.uint8)
    top = 0
    while top < height:
        bottom, left = top + int(rng.integers(30, 60)), 0
        while left < width:
            right = left + int(rng.integers(6, 30))
            picture[top:bottom, left:right] = rng.uniform(20, 255, 3)
            left = right
        picture[bottom - 4 : bottom] = 60
        top = bottom
    return picture


def in_studio(takes: Sequence[np.ndarray], room: np.ndarray, share: float, seed: int) -> list[np.ndarray]:
    """An oval with a head from each take, this share of the frame, before one room: `[T, H, W, 3]` each."""
    rng = np.random.default_rng(seed)
    height, width = room.shape[:2]
    found = []
    for take in takes:
        # A head of a rendered clip of 160 x 160 lies in an oval of 92 x 124 around its middle.
        tall = round((share * height * width / (np.pi / 4 * 92 / 124)) ** 0.5)
        wide = round(tall * 92 / 124)
        mask = np.zeros((tall, wide), np.uint8)
        cv2.ellipse(mask, (wide // 2, tall // 2), (wide // 2, tall // 2), 0, 0, 360, 255, -1)
        cover = cv2.GaussianBlur(mask, (0, 0), 1.5)[..., None] / 255
        top, left = (height - tall) // 2 + rng.integers(-3, 4), (width - wide) // 2 + rng.integers(-3, 4)
        frames = np.repeat(room[None], len(take), axis=0)
        for frame, shown in zip(frames, take, strict=True):
            head = cv2.resize(shown[16:140, 34:126], (wide, tall), interpolation=cv2.INTER_AREA)
            part = frame[top : top + tall, left : left + wide]
            part[:] = np.round(cover * head + (1 - cover) * part)
        found.append(frames)
    return found
