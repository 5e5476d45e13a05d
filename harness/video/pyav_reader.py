"""PyAV: decodes from the last frame it may begin at, and leaves out what nothing looks at.

Where the packets do not say which frame is which, everything is decoded from the first frame on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import av
import numpy as np
from av.video.reformatter import Colorspace, VideoReformatter

from harness.guard.clip_bounds import check_clock, check_pixels
from harness.types import HarnessError
from harness.video.packets import Film, Order, reason

Choose = Callable[[int], list[int]]
"""(frames in the file) -> those that are wanted, ascending."""
Use = Callable[[int, np.ndarray], None]
"""(index, frame uint8 `[H, W, 3]` RGB): what is done with a wanted frame as it is decoded."""
Decoded = tuple[np.ndarray, list[int], int]
"""The wanted frames uint8 `[N, H, W, 3]` RGB, their indices, and the frames in the file; no frames where each
was used as it was decoded."""

CONVERTED = (0, 1, 2, 4, 5, 6, 7, 9)
"""Colour matrices (ITU-T H.273, table 4) that ffmpeg converts; others are taken for BT.601, as by decord."""

FULL = ("yuv444p", "yuvj444p", "gbrp")
ALIKE_PIXELS = 2**23
"""Larger frames (4K is smaller) are held one at a time, as only PyAV does."""
ALIKE = ("yuv420p", "yuvj420p", "yuv422p", "yuvj422p", *FULL)
"""Pixel formats of 8 bits a channel, by their names in ffmpeg: those of full colour resolution, and all."""


def read(film: Film, choose: Choose, use: Use | None = None) -> Decoded:
    """The wanted frames of a film."""
    return _sought(film, film.order, choose, use) if film.order else _counted(film, choose, use)


def alike(film: Film) -> bool:
    """Whether every reader makes the same RGB of these frames.

    They do, to the bit, of 8 bits a channel. Deeper colours, interlaced frames, pixels that are not square,
    and colour planes of lower resolution under a frame of odd height come out differently.
    """
    if film.aspect != 1:
        return False
    codec = film.stream.codec_context
    if codec.width * codec.height > ALIKE_PIXELS:
        return False
    if codec.pix_fmt not in ALIKE or (codec.height % 2 and codec.pix_fmt not in FULL):
        return False
    return not first_frame(film).interlaced_frame


def first_frame(film: Film) -> av.VideoFrame:
    """The first frame that is decoded, for what only a frame says; `HarnessError` if that fails."""
    try:
        return next(_decode(film, {0: True}))
    except (av.FFmpegError, ValueError, StopIteration) as error:
        raise HarnessError(f"{film.path.name}: frame 0 cannot be decoded ({reason(error)})") from error
    finally:
        film.stream.codec_context.flush_buffers()


class _Sheet:
    """Frames written into one array as they are decoded, or handed on."""

    def __init__(self, film: Film, indices: Sequence[int], use: Use | None) -> None:
        self.indices = indices
        self.blank = set(range(len(indices)))
        """Places at which no frame was written yet."""
        self.pixels = np.empty((0 if use else len(indices), 0, 0, 3), np.uint8)
        """`[N, H, W, 3]` RGB once one was."""
        self._use = use
        self._shape: tuple[int, ...] = ()
        self._allowed = 0, 0
        self._name, self._aspect = film.path.name, film.aspect
        self._shaper = VideoReformatter()

    def write(self, at: int, frame: av.VideoFrame) -> None:
        """Put a frame at its place, in RGB, widened and turned (by quarters) as the file says."""
        pixels = self._rgb(frame)
        quarters, rest = divmod(frame.rotation, 90)
        if rest == 0:
            pixels = np.rot90(pixels, quarters)
        if pixels.shape != (self._shape or pixels.shape):
            raise ValueError("its frames differ in size")
        self._shape = pixels.shape
        self.blank.discard(at)
        if self._use is not None:
            self._use(self.indices[at], np.ascontiguousarray(pixels))
            return
        if self.pixels.size == 0:
            check_pixels(self._name, pixels.shape[1], pixels.shape[0], len(self.pixels))
            self.pixels = np.empty((len(self.pixels), *pixels.shape), np.uint8)
        self.pixels[at] = pixels

    def _rgb(self, frame: av.VideoFrame) -> np.ndarray:
        space = None if frame.colorspace in CONVERTED else Colorspace.ITU601
        width = max(1, round(frame.width * self._aspect))
        if (width, frame.height) != self._allowed:
            check_pixels(self._name, width, frame.height)
            self._allowed = width, frame.height
        shape = {} if width == frame.width else {"width": width, "height": frame.height}
        flat = self._shaper.reformat(
            frame, format="rgb24", src_colorspace=space, dst_colorspace=space, threads=1, **shape
        )
        plane = flat.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        return rows[: flat.height, : 3 * flat.width].reshape(flat.height, flat.width, 3)


def _sought(film: Film, order: Order, choose: Choose, use: Use | None) -> Decoded:
    total = len(order.shown)
    if total == 0:
        raise HarnessError(f"{film.path.name}: no frame can be decoded")
    indices = choose(total)
    places = [order.shown[index] for index in indices]
    wanted = {order.times[place]: at for at, place in enumerate(places)}
    sheet = _Sheet(film, indices, use)
    try:
        for frame in _decode(film, _fed(order, places)):
            if frame.pts in wanted:
                sheet.write(wanted[frame.pts], frame)
    except (av.FFmpegError, ValueError) as error:
        text = f"a frame up to number {indices[-1]} cannot be decoded ({reason(error)})"
        raise HarnessError(f"{film.path.name}: {text}") from error
    if sheet.blank:
        raise HarnessError(f"{film.path.name}: frame {indices[min(sheet.blank)]} cannot be decoded")
    return sheet.pixels, indices, total


def _fed(order: Order, places: Sequence[int]) -> dict[int, bool]:
    """The packets to decode for these frames, ascending, and whether the decoder begins anew at each."""
    wanted = set(places)
    runs: list[tuple[int, int]] = []
    for place in sorted(places, reverse=True):
        start = order.start_of(place)
        if runs and place >= runs[-1][0]:
            later, last = runs.pop()
            runs.append((min(start, later), last))
        else:
            runs.append((start, place))
    return {
        place: place == start
        for start, last in reversed(runs)
        for place in range(start, last + 1)
        if place == start or place in wanted or place not in order.spare
    }


def _decode(film: Film, fed: Mapping[int, bool]) -> Iterator[av.VideoFrame]:
    """The frames of the packets at these places, in the order they are shown."""
    codec = film.stream.codec_context
    last = max(fed, default=-1)
    for place, packet in enumerate(film.packets()):
        if fed.get(place) and codec.is_open:
            yield from _rest(codec)
        if place in fed:
            check_clock()
            yield from codec.decode(packet)
        if place == last:
            break
    yield from _rest(codec)


def _rest(codec: av.VideoCodecContext) -> Iterator[av.VideoFrame]:
    """The frames a decoder still holds; after that it begins anew."""
    yield from codec.decode(None)
    codec.flush_buffers()


def _counted(film: Film, choose: Choose, use: Use | None) -> Decoded:
    """Decodes everything, and once more only if the file shows more or fewer frames than it has packets.

    Then `use` is called for some frames that are not among the wanted ones.
    """
    total = sum(not packet.hidden for packet in film.seen)
    indices = choose(total) if total else []
    sheet, found = _all_through(film, indices, use)
    if found != total:
        total, indices = found, choose(found)
        sheet, _ = _all_through(film, indices, use)
    return sheet.pixels, indices, total


def _all_through(film: Film, indices: Sequence[int], use: Use | None) -> tuple[_Sheet, int]:
    """The frames at these indices, and how many there are."""
    wanted = {index: at for at, index in enumerate(indices)}
    sheet, found, end = _Sheet(film, indices, use), 0, 0.0
    try:
        for frame in _decode(film, dict.fromkeys(range(len(film.seen)), False)):
            if found in wanted:
                sheet.write(wanted[found], frame)
            found += 1
            end = float((frame.pts or 0) + (frame.duration or 0)) * float(film.stream.time_base or 0)
    except (av.FFmpegError, ValueError) as error:
        text = f"frame {found} cannot be decoded ({reason(error)})"
        raise HarnessError(f"{film.path.name}: {text}") from error
    if found == 0:
        raise HarnessError(f"{film.path.name}: no frame can be decoded")
    film.check_length(found, end)
    return sheet, found
