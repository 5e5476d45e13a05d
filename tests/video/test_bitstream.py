"""How many frames a stream makes its decoder keep is what its encoder was told."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest

from harness.types import HarnessError
from harness.video.bitstream import MOST, frames_kept
from harness.video.frames import read_frames


def film(coder: str, options: str, kind: str = "yuv420p", side: int = 128) -> bytes:
    """An MP4 of 24 frames of noise."""
    named = {"libx264": "x264-params", "libx265": "x265-params"}[coder]
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream(coder, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = side, side, kind
        stream.options = {named: options}
        for number in range(24):
            pixels = np.random.default_rng(number).integers(0, 255, (side, side, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=kind)))
        container.mux(stream.encode(None))
    return file.getvalue()


def kept_of(data: bytes) -> int:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        return frames_kept(stream.codec.canonical_name, stream.codec_context.extradata or b"")


@pytest.mark.parametrize("kept", [1, 3, 16])
@pytest.mark.parametrize("more", ["", ":cqm=jvt", ":interlaced=1"])
@pytest.mark.parametrize("kind", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_h264_keeps_the_frames_its_encoder_was_told_to(kept: int, more: str, kind: str) -> None:
    assert kept_of(film("libx264", f"ref={kept}:bframes=0{more}", kind)) == kept


@pytest.mark.parametrize("kept", [3, 5])
@pytest.mark.parametrize("kind", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("layers", [0, 3])
def test_h265_keeps_one_frame_more_for_the_one_that_is_decoded(kept: int, kind: str, layers: int) -> None:
    told = kept_of(film("libx265", f"ref={kept}:bframes=0:temporal-layers={layers}:log-level=none", kind))
    assert told == kept + 1 if layers == 0 else told >= kept + 1


@pytest.mark.parametrize("head", [b"", b"\1", b"\1" * 40, b"\0\0\0\1gabc", b"\1" + b"\377" * 60])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_what_does_not_say_it_may_keep_the_most(codec: str, head: bytes) -> None:
    assert frames_kept(codec, head) == MOST


@pytest.mark.parametrize(("kept", "fails"), [(2, False), (16, True)])
def test_a_clip_whose_decoder_would_keep_too_much_fails(
    kept: int, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(film("libx264", f"ref={kept}:bframes=0", side=512))
    monkeypatch.setenv("GAPBENCH_ALLOW_CLIP_MEMORY", "4_000_000")
    if not fails:
        assert read_frames(path, [2], use=lambda *_: None).total == 24
        return
    with pytest.raises(HarnessError, match=r"in 18 frames that its decoder keeps.*--allow clip-memory"):
        read_frames(path, [2])
