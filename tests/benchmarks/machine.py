"""The machine that a benchmark ran on: what its ratios depend on."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness.process import usable_cores
from harness.runtime.hardware import processor_name

FP32_FLAGS = ("avx2", "fma", "avx512f", "asimd", "sve")
"""What fp32 is computed with."""
BF16_FLAGS = ("avx512_bf16", "amx_bf16")
"""What computes bf16 natively: without any, it is slower than fp32."""
FLAGS = (*FP32_FLAGS, "avx512_vnni", *BF16_FLAGS, "amx_tile", "bf16")
LIBRARIES = ("torch", "timm", "numpy", "opencv-python-headless", "decord", "av")


def describe() -> dict[str, Any]:
    """This machine: processor, cores, the flags that matter, memory, and versions."""
    return {
        "cpu": processor_name(),
        "cores": usable_cores(),
        "flags": flags(),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def flags() -> list[str]:
    """Those of `FLAGS` that the processor has, in their order; none where the system does not list them."""
    found = set(_said("flags").split()) | set(_said("Features").split())
    return [name for name in FLAGS if name in found]


def native_bf16(flags: Iterable[str]) -> bool:
    """Whether a processor with these flags computes bf16 itself."""
    return any(name in BF16_FLAGS for name in flags)


def slug(machine: Mapping[str, Any]) -> str:
    """The machine as part of a file's name: `amd-epyc-2-cores`."""
    words = re.sub(r"\(\w+\)|@.*| CPU| Processor", "", str(machine["cpu"])).lower()
    return f"{re.sub('[^a-z0-9]+', '-', words).strip('-')}-{machine['cores']}-cores"


def _said(field: str) -> str:
    """What `/proc/cpuinfo` says of the first core; empty where there is none."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.is_file() else ""
    match = re.search(rf"^{field}\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1] if match else ""
