"""What detectors cost, as tables and text; a number that is INVALID is marked and told with its reason."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.records import Cost
from harness.tables import DOUBTED, Table, doubted, number, plain

MOST_REASONS = 3
"""Reasons that are told word for word; all are in the CSV."""


def cost_tables(costs: Sequence[Cost]) -> Iterator[Table]:
    """Speed, latency and memory, a table a device."""
    for device in dict.fromkeys(cost.device for cost in costs):
        here = [cost for cost in costs if cost.device == device]
        memory = "VRAM" if any(cost.peak_vram_allocated_mib is not None for cost in here) else "RAM"
        header = ("detector", "precision", "size", "frames", "batch", "fps", "p50", "p90", memory, "params")
        whose = "of the GPU" if memory == "VRAM" else "of the whole process"
        note = (
            "Scoring alone, each in a process of its own, without decoding: frames/s at the best batch"
            f" (clips); latency of one clip in ms; peak memory {whose} in MiB; parameters in millions."
        )
        lines = tuple(_cost_line(cost, memory) for cost in here)
        yield Table(f"Cost on {device}", header, lines, note + invalid_note(here), keep=2)


def _cost_line(cost: Cost, memory: str) -> tuple[str, ...]:
    from harness.tables import rate  # takes a second to import, and `describe_cost` needs none of it

    latency = [number(ms, 1) for ms in (cost.latency_ms_p50, cost.latency_ms_p90)]
    mib = cost.peak_vram_allocated_mib if memory == "VRAM" else cost.peak_ram_mib
    return (
        *(cost.detector, cost.precision, str(cost.size), str(cost.frames), str(cost.batch)),
        doubted(rate(cost.frames_per_second), cost.throughput_invalid),
        *(doubted(text, cost.latency_invalid) for text in latency),
        *(number(mib, 0), number(cost.parameters / 1e6, 2)),
    )


def describe_cost(cost: Cost) -> str:
    """The cost of a detector, a line a figure."""
    tried = ", ".join(f"{batch}: {rate:.1f}" for batch, rate in cost.throughput)
    lines = [
        ("device", cost.device),
        ("input", f"{cost.frames} frames of {cost.size} px, {cost.precision}"),
        ("parameters", f"{cost.parameters:,}"),
        ("frames/s", f"{cost.frames_per_second:.1f} (batches of {cost.batch} clips)"),
        *([("frames/s by batch", tried)] if tried else []),
        ("speed is", _validity(cost.throughput_invalid)),
        ("latency p50", f"{cost.latency_ms_p50:.1f} ms for one clip ({cost.latency_samples} samples)"),
        ("latency p90", _milliseconds(cost.latency_ms_p90)),
        ("latency p99", _milliseconds(cost.latency_ms_p99)),
        ("latency is", _validity(cost.latency_invalid)),
        *_events(cost),
        ("peak memory", f"{number(cost.peak_ram_mib, 0)} MiB (the whole process)"),
        ("peak VRAM", _vram(cost)),
        ("threads", str(cost.threads)),
        *[(what, str(value)) for what, value in (("clocks", cost.clocks), ("driver", cost.driver)) if value],
        *([("flags", cost.flags)] if cost.flags else []),
        ("others used", f"{number(cost.others_cores, 1)} cores"),
        ("torch", cost.torch),
    ]
    return plain(Table(f"Cost of {cost.detector}", ("what", "measured"), tuple(lines)))


def _validity(why: str) -> str:
    return f"INVALID: {why}" if why else "VALID"


def _events(cost: Cost) -> list[tuple[str, str]]:
    if cost.event_frames_per_second is None or cost.event_ms_p50 is None:
        return []
    return [
        ("by CUDA events", f"{cost.event_frames_per_second:.1f} frames/s, p50 {cost.event_ms_p50:.1f} ms")
    ]


def _milliseconds(value: float | None) -> str:
    return "too few samples" if value is None else f"{value:.1f} ms"


def _vram(cost: Cost) -> str:
    if cost.peak_vram_allocated_mib is None:
        return "no GPU"
    parts = [(cost.peak_vram_allocated_mib, "allocated"), (cost.peak_vram_reserved_mib, "reserved")]
    parts += [(cost.vram_process_mib, "held by the process")] * (cost.vram_process_mib is not None)
    return ", ".join(f"{number(mib, 0)} MiB {word}" for mib, word in parts)


def stored_cost(cost: Cost) -> dict[str, Any]:
    """A cost as a line of a CSV: its fields, the throughput by batch size as JSON."""
    return dataclasses.asdict(cost) | {"throughput": json.dumps(cost.throughput)}


def invalid_note(costs: Iterable[Cost]) -> str:
    """What the mark of `doubted` means, with the reasons; empty where all is VALID."""
    said: dict[str, list[str]] = {}
    for cost in costs:
        for why in dict.fromkeys((cost.throughput_invalid, cost.latency_invalid)):
            if why:
                said.setdefault(why, []).append(cost.detector)
    if not said:
        return ""
    reasons = [f"{', '.join(dict.fromkeys(names))} ({why})" for why, names in said.items()]
    listed = "; ".join(reasons[:MOST_REASONS]) + ("; and others" if len(reasons) > MOST_REASONS else "")
    return f" {DOUBTED} INVALID: {listed}. `gapbench cost` measures again, and the next run takes it."
