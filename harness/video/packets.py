"""What a video file holds, found without decoding: which packet is which frame, and where to begin."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.stream import Disposition

from harness.guard.clip_bounds import check_clock, check_file, check_frames, check_pixels
from harness.guard.limits import limit, within
from harness.guard.media_headers import check_samples
from harness.types import HarnessError
from harness.video.bitstream import Coded, Tell, frames_kept, teller

CONTAINERS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,gif,ivf"
"""What ffmpeg may open: never a playlist, which is a text naming other files."""
INDEXED = ("mov", "matroska")
"""Containers that give every frame its own packet and its own time."""
KEPT_BYTES = 1 << 27
"""Packets stay in memory up to this size in all; those of a larger file are read once more."""
TOLERATED_SECONDS = 0.5
"""How far a Matroska stream may end before the duration it promises."""
OVERHEAD = 1 << 9
"""Bytes that a packet in memory takes besides its own, about."""
SLACK = 2
"""How much larger than what is allowed a decoder may make a frame, whose sides it rounds up."""
AROUND = 2
"""Frames that a decoder works on beside those it keeps."""
DEEPEST = 64
"""Bits of a pixel, at most, in a file that does not say how many."""
EVERY = 64
"""Packets between two looks at the clock."""
COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
SOON_SEARCHED = 1 << 30
"""Bytes of a file in which ffmpeg looks everywhere for a frame within seconds; of a larger one it has to
give up, which costs a little at every read."""
MOST_ASPECT = 8
"""Pixels more than so many times wider than high, or higher than wide, are a damaged header."""
CLOCK = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")


class Seen(NamedTuple):
    """What one packet says."""

    time: int | None
    """When its frame is shown, in ticks of the stream."""
    end: float
    """Second at which its frame ends; 0 if that is not said."""
    key: bool
    """Whether the container calls it a key frame."""
    hidden: bool
    """Whether an edit list hides its frame."""
    coded: Coded | None
    """None where that cannot be told."""


@dataclass(frozen=True)
class Order:
    """Which packet is which frame; a place counts the packets in the order they lie in the file."""

    times: Sequence[int]
    """When the frame of each place is shown, in ticks of the stream; no two alike."""
    shown: Sequence[int]
    """Places of the frames that are shown, in that order."""
    starts: Sequence[int]
    """Places at which decoding may begin, ascending; the first is 0."""
    spare: frozenset[int]
    """Places of the frames that no other frame looks at."""

    def start_of(self, place: int) -> int:
        """The last place from which the frame of this place can be decoded.

        A frame shown before the key frame that it lies behind (H.265 has such) needs an earlier one.
        """
        at = bisect_right(self.starts, place) - 1
        while at > 0 and self.times[self.starts[at]] > self.times[place]:
            at -= 1
        return self.starts[at]


@dataclass(frozen=True)
class Film:
    """An open video file and what its packets say."""

    path: Path
    stream: av.VideoStream
    place: int
    """Which of the video streams in the file it is."""
    container: str
    """`mov` (MP4 and its kin), `matroska`, `avi` ..."""
    promised: int
    """Frames the header promises; 0 when it does not say, or when they were found to lie in the file."""
    seconds: float
    """Time at which the header promises the end; 0 when it does not say."""
    seen: Sequence[Seen]
    """Every packet, in the order they lie in the file."""
    order: Order | None
    """None where only decoding everything shows which frame is which."""
    kept: Sequence[av.Packet]
    """The packets themselves; empty where they are too large."""

    @property
    def plain(self) -> bool:
        """Whether decoding may begin at every key frame, and every frame is shown."""
        if self.order is None or len(self.order.shown) < len(self.seen):
            return False
        return all(not packet.key or (packet.coded and packet.coded.afresh) for packet in self.seen)

    @property
    def aspect(self) -> Fraction:
        """Width of a pixel by its height, 1 where the file does not say; a `HarnessError` if it is absurd."""
        said = self.stream.sample_aspect_ratio or Fraction(1)
        if not 1 <= max(said, 1 / said) <= MOST_ASPECT:
            raise HarnessError(f"{self.path.name}: its pixels cannot be {said.numerator}:{said.denominator}")
        return said

    def packets(self) -> Iterator[av.Packet]:
        """The packets in the order they lie in the file."""
        if self.kept:
            yield from self.kept
            return
        with open_film(self.path) as container:
            yield from _demux(container, container.streams.video[self.place])

    def check_length(self, total: int, end: float) -> None:
        """An error if fewer frames, or seconds, were found than the header promises."""
        name = self.path.name
        if total < self.promised:
            raise HarnessError(f"{name}: cut off: {total} of {self.promised} frames are there")
        if end < self.seconds - TOLERATED_SECONDS:
            raise HarnessError(f"{name}: cut off: {end:.1f} of {self.seconds:.1f} seconds are there")


@contextmanager
def opened(path: Path) -> Iterator[Film]:
    """The film in a file, open in between; `HarnessError` if it is no readable video, or cut off.

    Every packet is looked at, none is decoded.
    """
    with ExitStack() as stack:
        try:
            container = stack.enter_context(open_film(path))
            film = _film(path, container)
        except (av.FFmpegError, ValueError) as error:
            raise HarnessError(f"{path.name}: not a readable video ({reason(error)})") from error
        yield film


def film_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The video that players show: never a cover; of several the one marked as default, else the best."""
    known = (stream for stream in container.streams.video if stream.codec_context is not None)
    films = [stream for stream in known if not stream.disposition & COVERS]
    marked = [stream for stream in films if stream.disposition & Disposition.default]
    best = container.streams.best("video")
    found = marked or films
    return best if best in found else next(iter(found), None)


def reason(error: Exception) -> str:
    """What ffmpeg says is wrong, in one line."""
    if isinstance(error, (av.ExitError, av.BlockingIOError)):
        return f"no frame in {limit('clip-wait'):g} s of reading, --allow clip-wait=NUMBER"
    return (str(getattr(error, "strerror", None) or error).splitlines() or [type(error).__name__])[0]


def _film(path: Path, container: av.container.InputContainer) -> Film:
    stream = film_stream(container)
    if stream is None:
        raise HarnessError(f"{path.name}: has no video stream that can be decoded")
    # Clips are read side by side, so one thread each.
    stream.codec_context.thread_count = 1
    check_pixels(path.name, stream.codec_context.width, stream.codec_context.height)
    _check_kept(path, stream)
    # What a frame in the middle of the stream declares is refused by the decoder before it makes room for it.
    stream.codec_context.options = _most_pixels()
    name = next((kind for kind in INDEXED if kind in container.format.name), container.format.name)
    promised, seconds = stream.frames, _seconds(stream.metadata.get("DURATION", ""))
    if name == "mov":
        # The index of an MP4 respects its edit list, its frame count does not.
        _check_index(path, stream)
        promised, seconds = 0, 0.0
    head = stream.codec_context.extradata or b""
    tell = teller(stream.codec.canonical_name, head) if name in INDEXED else None
    seen: list[Seen] = []
    kept: list[av.Packet] = []
    size = 0
    most = limit("clip-frames")
    for packet in _demux(container, stream):
        within(f"{path.name}: a packet", packet.size, "clip-memory")
        seen.append(_see(packet, tell))
        size += packet.size + OVERHEAD
        if len(seen) > most:
            check_frames(path.name, len(seen), " or more")
        if len(seen) % EVERY == 0:
            check_clock()
        if size <= KEPT_BYTES:
            kept.append(packet)
    order = _order(seen)
    film = Film(
        path,
        stream,
        container.streams.video.index(stream),
        name,
        promised,
        seconds,
        seen,
        order,
        kept if size <= KEPT_BYTES else (),
    )
    if order is not None:
        film.check_length(len(order.shown), max(packet.end for packet in seen))
    return film


def _check_kept(path: Path, stream: av.VideoStream) -> None:
    """A `HarnessError` where the frames that the decoder has to keep take more memory than is allowed."""
    coder = stream.codec_context
    bits = coder.format.padded_bits_per_pixel if coder.format else DEEPEST
    kept = AROUND + frames_kept(stream.codec.canonical_name, coder.extradata or b"")
    size = coder.width * coder.height * bits // 8 * kept
    within(f"{path.name}: it", size, "clip-memory", f" in {kept} frames that its decoder keeps")


def _check_index(path: Path, stream: av.VideoStream) -> None:
    """An MP4 of which a frame lies beyond the end of the file is an error.

    Those who count the packets they find would take it for a shorter clip.
    """
    size, index = path.stat().st_size, stream.index_entries
    check_frames(path.name, len(index), " in its index")
    held = sum(entry.pos + entry.size <= size for entry in index)
    if held < len(index):
        raise HarnessError(f"{path.name}: cut off: {held} of {len(index)} frames are there")


def _see(packet: av.Packet, tell: Tell | None) -> Seen:
    end = float((packet.pts or 0) + (packet.duration or 0)) * float(packet.time_base or 0)
    coded = tell(memoryview(packet), packet.is_keyframe) if tell else None
    # From here on the stream has another head: what lies behind it cannot be decoded with the first one.
    if packet.has_sidedata("new_extradata"):
        coded = None
    return Seen(packet.pts, end, packet.is_keyframe, packet.is_discard, coded)


def _order(seen: Sequence[Seen]) -> Order | None:
    """The order of the frames; None where packets do not tell it."""
    times = [packet.time for packet in seen if packet.time is not None]
    coded = [packet.coded for packet in seen if packet.coded is not None]
    if not seen or len(set(times)) < len(seen) or len(coded) < len(seen):
        return None
    # What was cut out of a longer file may begin with frames that look at what is no longer there.
    if not coded[0].afresh or times[0] != min(times):
        return None
    shown = [place for place, packet in enumerate(seen) if coded[place].shown and not packet.hidden]
    top, sets = max(frame.layer for frame in coded), any(frame.sets for frame in coded)
    # Where frames bring parameters, decoding begins only at those that do.
    starts = [
        place for place, frame in enumerate(coded) if frame.afresh and (place == 0 or frame.sets or not sets)
    ]
    spare = {at for at, frame in enumerate(coded) if frame.spare and frame.layer == top and not frame.sets}
    return Order(times, sorted(shown, key=times.__getitem__), starts, frozenset(spare))


def open_film(path: Path) -> av.container.InputContainer:
    """A regular video file of a size that is allowed, opened; whatever ffmpeg raises comes through."""
    size = check_file(path)
    check_samples(path, size)
    # An absolute path, for a colon in a file's name would make ffmpeg look for a protocol.
    return av.open(
        str(path.absolute()),
        options={"format_whitelist": CONTAINERS, **_most_pixels()},
        timeout=limit("clip-wait") if size > SOON_SEARCHED else None,
    )


def _most_pixels() -> dict[str, str]:
    """The option by which ffmpeg makes no room for larger frames, to probe a file or to decode it."""
    return {"max_pixels": str(min(2**31 - 1, SLACK * int(limit("clip-pixels"))))}


def _demux(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    # The last packet is empty; to a decoder it would mean the end.
    return (packet for packet in container.demux(stream) if packet.size)


def _seconds(clock: str) -> float:
    """Seconds of a Matroska duration such as `00:00:02.400000000`; 0 for anything else."""
    match = CLOCK.match(clock)
    return 3600 * int(match[1]) + 60 * int(match[2]) + float(match[3]) if match else 0.0
