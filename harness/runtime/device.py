"""Puts detectors on devices and lets them score: the one place that knows precision and memory format."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.process import keep_freed_memory, usable_cores
from harness.runtime.batchnorm_folding import fold_norms
from harness.runtime.hardware import gpu_now, processor_name
from harness.types import PRECISIONS, HarnessError, Runtime

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
PIXELS_A_PASS = {"cpu": 2**21, "cuda": 2**24}
"""Pixels in one forward pass, at most: on a CPU 32 frames of 256 px, beyond which nothing gets faster."""


def prepare_process() -> None:
    """Set this process up to score or train: freed memory is kept, threads are those it may use.

    And fp32 is fp32: left alone, a GPU convolves in TF32, with a mantissa of 10 bits.
    """
    keep_freed_memory()
    if usable_cores() < torch.get_num_threads():
        torch.set_num_threads(usable_cores())
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def resolve_precision(precision: str, device: str) -> str:
    """The precision for a wish that may be `auto`: bf16 only where the device computes it natively."""
    if precision not in (*PRECISIONS, "auto"):
        raise HarnessError(f"precision is {', '.join(PRECISIONS)} or auto, not {precision!r}")
    if precision == "fp16" and torch_device(device).type != "cuda":
        raise HarnessError(f"precision fp16 is for GPUs; on {device} there are fp32 and bf16")
    if precision != "auto":
        return precision
    return "bf16" if _native_bf16(torch_device(device)) else "fp32"


def torch_device(device: str) -> torch.device:
    """The device of that name (`cpu`, `cuda`, `cuda:N`); one that this machine lacks is a `HarnessError`."""
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise HarnessError(f"unknown device {device!r} (known: cpu, cuda, cuda:N)") from error
    if found.type not in ("cpu", "cuda"):
        raise HarnessError(f"unknown device {device!r} (known: cpu, cuda, cuda:N)")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise HarnessError(
            f"device {device!r} is not on this machine ({torch.cuda.device_count()} CUDA devices)"
        )
    return found


@cache
def device_now(device: str) -> dict[str, str]:
    """What is known of a device, for the provenance of what it makes: `device` (its name), and of a GPU also
    `driver`, `CUDA` and `cuDNN`; what nobody says is left out."""
    found = torch_device(device)
    if found.type != "cuda":
        return {"device": processor_name()}
    gpu = gpu_now(str(torch.cuda.get_device_properties(found).uuid))
    said = {
        "device": torch.cuda.get_device_name(found),
        "driver": gpu.driver if gpu else None,
        "CUDA": torch.version.cuda,
        "cuDNN": torch.backends.cudnn.version(),
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def on_device(detector: Any, runtime: Runtime) -> Any:
    """The detector on its device, channels last, in evaluation mode; no `nn.Module` is returned as it is."""
    if not isinstance(detector, nn.Module):
        return detector
    placed = detector.eval().to(torch_device(runtime.device))
    if any(each.dim() == 5 for each in placed.parameters()):  # convolutions over time have no such format
        return placed
    return placed.to(memory_format=torch.channels_last)


def place(detector: Any, runtime: Runtime) -> Any:
    """The detector on its device and made ready to score and nothing else; it is changed in place.

    BatchNorm is folded into convolutions, so its weights are no longer those of its file; fp32 scores
    stay within 1e-5. With `runtime.compile` its `score` is compiled by `torch.compile`.
    """
    if isinstance(detector, nn.Module):
        _fold(detector.eval())
    placed = on_device(detector, runtime)
    if isinstance(placed, nn.Module) and runtime.compile:
        scorer: Any = placed
        scorer.score = torch.compile(scorer.score)
    return placed


def _fold(detector: Any) -> None:
    """Fold BatchNorm by passes over a whole clip, for with fewer frames a detector may do something else."""
    device = next((each.device for each in detector.parameters()), torch.device("cpu"))
    shape = (1, int(detector.frames), detector.size, detector.size, 3)
    clip = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).to(device)
    with suppress(Exception):  # whatever a plug-in raises: it is as it was, and scoring will say it, named
        fold_norms(detector, partial(detector.score, clip))


def clips_a_pass(frames: int, size: int, runtime: Runtime) -> int:
    """Clips of `frames` frames of `size` px in one forward pass, at least 1 and at most `runtime.batch`.

    A rule and not a clock decides, so that the same machine gives the same scores to the last bit.
    """
    pixels = PIXELS_A_PASS[torch_device(runtime.device).type]
    return max(1, min(runtime.batch, pixels // (frames * size * size)))


def score_clips(detector: Any, clips: np.ndarray, runtime: Runtime) -> np.ndarray:
    """P(fake) of uint8 clips `[B, T, S, S, 3]`, float32 `[B, T]` or `[B, 1]`, from a placed detector.

    Scores that are NaN, outside [0, 1] or of another shape are a `HarnessError`: never a guess at
    what was meant.
    """
    return start_scoring(detector, clips, runtime)()


Score = Callable[[Tensor], Tensor]


def start_scoring(
    detector: Any, clips: np.ndarray | Tensor, runtime: Runtime, score: Score | None = None
) -> Callable[[], np.ndarray]:
    """Begin what `score_clips` does and return what waits for it: a GPU is never waited for in between.

    `clips` may be on the device already (`uploaded`); `score` stands in for the detector's own
    (`shared_features`).
    """
    name, shape = type(detector).__name__, tuple(clips.shape)
    if not isinstance(detector, nn.Module):
        scores = np.asarray(detector.score(np.asarray(clips)), dtype=np.float32)
        return lambda: _checked(scores, shape, name)
    device = torch_device(runtime.device)
    shown = uploaded(clips, device) if isinstance(clips, np.ndarray) else clips
    with torch.inference_mode(), autocast(device, runtime.precision):
        waiting = _downloading((score or detector.score)(shown))  # type: ignore[operator]
    return lambda: _checked(waiting(), shape, name)


def uploaded(clips: np.ndarray, device: torch.device) -> Tensor:
    """The uint8 clips on the device: a GPU gets them from pinned memory, by a stream of its own."""
    tensor = torch.from_numpy(np.ascontiguousarray(clips))
    if device.type != "cuda":
        return tensor
    beside, computing = _copy_stream(device), torch.cuda.current_stream(device)
    with torch.cuda.stream(beside):
        shown = tensor.pin_memory().to(device, non_blocking=True)
    computing.wait_stream(beside)
    shown.record_stream(computing)
    return shown


_streams: dict[torch.device, torch.cuda.Stream] = {}


def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    if device not in _streams:
        _streams[device] = torch.cuda.Stream(device)
    return _streams[device]


def _downloading(given: Any) -> Callable[[], np.ndarray]:
    """What waits for the scores of a detector."""
    if not isinstance(given, Tensor):
        raise HarnessError(f"a detector's score is a tensor, not a {type(given).__name__}")
    if given.device.type != "cuda":
        return given.float().numpy
    host = torch.empty(given.shape, dtype=torch.float32, pin_memory=True)
    host.copy_(given.float(), non_blocking=True)
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(given.device))

    def wait() -> np.ndarray:
        done.synchronize()
        return host.numpy().copy()

    return wait


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for `bf16` and `fp16`, nothing for `fp32`."""
    return torch.autocast(device.type, dtype=TYPES.get(precision, torch.bfloat16), enabled=precision in TYPES)


def _checked(scores: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    batch, frames = shape[:2]
    if scores.shape not in ((batch, frames), (batch, 1)):
        raise HarnessError(
            f"{name} gave scores of shape {list(scores.shape)} for {batch} clips of {frames} frames; "
            f"expected [{batch}, {frames}] or [{batch}, 1]"
        )
    if np.isnan(scores).any():
        raise HarnessError(f"{name} gave NaN as a score")
    if scores.size and (scores.min() < 0 or scores.max() > 1):
        raise HarnessError(
            f"{name} gave scores from {scores.min():.3g} to {scores.max():.3g}; P(fake) is within 0 and 1"
        )
    return scores


def device_of(name: str) -> str:
    """The device asked for, if this machine has it; `auto` is a GPU where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return str(torch_device(name))
