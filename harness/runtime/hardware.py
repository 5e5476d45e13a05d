"""What a processor or GPU is, and what else happens on it: flags, clocks, heat, the load of others."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MEBIBYTE = 2.0**20
PROC = Path("/proc")
HEAT = Path("/sys/devices/system/cpu")
FLAGS = (
    *("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_bf16", "amx_int8", "asimd", "asimdhp", "bf16", "i8mm", "sve"),
)
"""Instructions that decide how fast a network is on a processor, as Linux names them."""
SLOWED = {0x8: "by the hardware", 0x20: "by heat", 0x40: "by heat", 0x80: "by the power brake"}
"""Bits of the driver's throttle reasons. Its power cap is none of them: that is the speed of the device."""
REASONS = ("clocks_throttle_reasons.active", "clocks_event_reasons.active")
"""What older and newer drivers call these bits."""
ASKED = ("driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "utilization.gpu", "memory.used")
SHARE = 0.1
"""Others disturb when they leave less of the processor than what is needed less this share."""
IDLE = 5.0
"""Percent of the time that a GPU may seem to compute while nobody uses it."""
PATIENCE = 20
"""Seconds `nvidia-smi` may take."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a processor had done when it was looked at; two of them tell what happened between."""

    wall: float
    """Seconds on some clock."""
    busy: float | None
    """Core-seconds that anyone used of the cores this process may use; None where nobody says."""
    own: float
    """Core-seconds this process used, and its children that ended."""
    slowed: int
    """Times that heat slowed the processor; 0 where nobody counts."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """What `nvidia-smi` says of a GPU at one moment; None where it does not say."""

    driver: str
    clocks: str
    slowed: str
    """What slows it down; empty when nothing does."""
    busy: float | None
    """Percent of the last moments in which it computed."""
    used_mib: float | None
    """Memory that all processes hold."""
    processes: dict[int, float | None]
    """Id of a process that computes on it -> MiB it holds."""


def moment() -> Moment:
    """The state of the processor now."""
    children = os.times()
    own = time.process_time() + children.children_user + children.children_system
    return Moment(time.perf_counter(), _busy_seconds(), own, _times_slowed())


def others_cores(before: Moment, after: Moment) -> float | None:
    """Cores that other processes kept busy on average between two moments; None where nobody says."""
    if before.busy is None or after.busy is None:
        return None
    used = after.busy - before.busy - (after.own - before.own)
    return max(0.0, used) / max(after.wall - before.wall, 1e-9)


def disturbed(before: Moment, after: Moment, needed: int) -> str:
    """Why a processor of which `needed` cores are used was not itself between two moments; else empty."""
    if after.slowed > before.slowed:
        return "heat slowed the processor"
    others, cores = others_cores(before, after), len(_cores())
    slack = 0.03 / max(after.wall - before.wall, 1e-9)  # the system counts in hundredths of a second
    if others is None or cores - others >= (1 - SHARE) * min(needed, cores) - slack:
        return ""
    return f"other processes used {others:.1f} of {cores} cores"


def peak_ram_mib() -> float | None:
    """MiB of memory this process held at most since its program started; None where nobody says.

    Not `ru_maxrss` where there is something better: on Linux it begins with the peak of the parent.
    """
    for line in _lines(PROC / "self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEBIBYTE if sys.platform == "darwin" else peak / 1024


def processor_name() -> str:
    """The processor's name, as the machine gives it."""
    return next(_said("model name"), platform.processor() or platform.machine())


def processor_flags() -> str:
    """Those of `FLAGS` that the processor has, with spaces between; empty where nobody says."""
    known = next(_said("flags", "Features"), "").split()
    return " ".join(flag for flag in FLAGS if flag in known)


def processor_clocks() -> str | None:
    """The mean clock of the cores now, e.g. `2596 MHz`; None where nobody says."""
    found = [float(value) for value in _said("cpu MHz")]
    return f"{sum(found) / len(found):.0f} MHz" if found else None


def gpu_now(uuid: str) -> Gpu | None:
    """What `nvidia-smi` says of the GPU of that id; None where there is no `nvidia-smi`, or no such GPU."""
    which = uuid if uuid.startswith(("GPU-", "MIG-")) else f"GPU-{uuid}"
    for reasons in REASONS:
        told = _nvidia_smi("--query-gpu=" + ",".join((*ASKED, reasons)), "-i", which)
        if told:
            driver, sm, most, memory, busy, used, bits = [word.strip() for word in told[0].split(",")]
            clocks = f"{sm} of {most} MHz, memory {memory} MHz"
            computing = _nvidia_smi("--query-compute-apps=pid,used_memory", "-i", which) or []
            held = [line.split(",") for line in computing]
            processes = {int(pid): _number(mib) for pid, mib in held if _number(pid) is not None}
            return Gpu(driver, clocks, _slowed(bits), _number(busy), _number(used), processes)
    return None


def strangers(gpu: Gpu | None) -> str:
    """Who computes on a GPU that this process leaves alone at that moment; empty when nobody does.

    A process that only holds memory, as the one that started this one may do, slows nothing down.
    """
    if gpu is None or gpu.busy is None or gpu.busy <= IDLE:
        return ""
    others = [str(pid) for pid in gpu.processes if pid not in (os.getpid(), os.getppid())]
    who = f" (process {', '.join(others)})" if others else ""
    return f"another process kept the GPU busy {gpu.busy:.0f} % of the time{who}"


def held_mib(before: Gpu | None, loaded: Gpu | None) -> float | None:
    """MiB this process holds on a GPU, all libraries included; None where the driver does not say.

    Where it does not know the process, as in a container, what came on top of what was held before.
    """
    if before is None or loaded is None:
        return None
    own = loaded.processes.get(os.getpid())
    if own is not None or before.used_mib is None or loaded.used_mib is None:
        return own
    return loaded.used_mib - before.used_mib


def _slowed(bits: str) -> str:
    try:
        value = int(bits, 16)
    except ValueError:
        return ""
    return " and ".join(dict.fromkeys(why for bit, why in SLOWED.items() if value & bit))


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None  # nvidia-smi writes [N/A] where it does not know


def _nvidia_smi(*words: str) -> list[str] | None:
    """The lines of its answer; None when there is none."""
    command = ["nvidia-smi", *words, "--format=csv,noheader,nounits"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return run.stdout.splitlines() if run.returncode == 0 else None


def _cores() -> set[int]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _busy_seconds() -> float | None:
    """Core-seconds since the start that the cores of this process were not idle, whoever used them."""
    mine = {f"cpu{core}" for core in _cores()}
    counted = [line.split() for line in _lines(PROC / "stat") if line.split(maxsplit=1)[0] in mine]
    if not counted:
        return None
    # user, nice, system, (idle, waiting for a disk), interrupts twice, stolen by other virtual machines
    ticks = sum(int(line[column]) for line in counted for column in (1, 2, 3, 6, 7, 8))
    return ticks / float(os.sysconf("SC_CLK_TCK"))


def _times_slowed() -> int:
    counts = HEAT.glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    return sum(int(path.read_text()) for path in counts)


def _said(*names: str) -> Iterator[str]:
    """Every value that the listing of the processor gives under one of these names."""
    for line in _lines(PROC / "cpuinfo"):
        name, _, value = line.partition(":")
        if name.strip() in names and value.strip():
            yield value.strip()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []
