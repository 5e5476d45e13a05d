"""Puts detectors on devices and lets them score: the one place that knows precision and memory format."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from harness.types import HarnessError, Runtime


def resolve_precision(precision: str, device: str) -> str:
    """`fp32` or `bf16` for a wish that may be `auto`: bf16 only where the device computes it natively."""
    if precision not in ("fp32", "bf16", "auto"):
        raise HarnessError(f"precision is fp32, bf16 or auto, not {precision!r}")
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


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))


def place(detector: Any, runtime: Runtime) -> Any:
    """The detector on its device, in evaluation mode; one that is no `nn.Module` is returned as it is."""
    if not isinstance(detector, nn.Module):
        return detector
    return detector.eval().to(torch_device(runtime.device)).to(memory_format=torch.channels_last)


def score_clips(detector: Any, clips: np.ndarray, runtime: Runtime) -> np.ndarray:
    """P(fake) of uint8 clips `[B, T, S, S, 3]`, float32 `[B, T]` or `[B, 1]`, from a placed detector.

    Scores that are NaN, outside [0, 1] or of another shape are a `HarnessError`: never a guess at
    what was meant.
    """
    scorer: Any = detector
    if isinstance(detector, nn.Module):
        device = torch_device(runtime.device)
        with torch.inference_mode(), autocast(device, runtime.precision):
            given = scorer.score(torch.from_numpy(np.ascontiguousarray(clips)).to(device))
        scores = given.float().cpu().numpy()
    else:
        scores = np.asarray(scorer.score(clips), dtype=np.float32)
    _check(scores, clips, type(detector).__name__)
    return scores


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Mixed precision for `bf16`, nothing for `fp32`."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def _check(scores: np.ndarray, clips: np.ndarray, name: str) -> None:
    batch, frames = clips.shape[:2]
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
