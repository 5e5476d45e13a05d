"""Sound files of every kind that GapBench reads, made with real encoders and libraries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

SIDE = 64
MATRIX = """about = "a small one"
detectors = ["constant", "meso4"]
train = ["procedural_tiny"]
test = ["procedural_tiny", "procedural_wild:gan"]
perturbations = ["jpeg-3", "blur-1"]
seeds = [0, 1]
batch = 4
prevalence = 0.1

[crop]
procedural_tiny = "center"

[gate]
auc = 0.02

[recipes]
procedural_tiny = "smoke"
"""


def write_sound_files(folder: Path) -> list[Path]:
    """One or more files of each kind, each in a folder called by its kind (`readers.READERS`)."""
    for write in (_media, _manifests, _scores, _weights, _graphs, _matrices, _stored):
        write(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] not in "._")


def _made(folder: Path, kind: str) -> Path:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    return folder / kind


def picture(number: int) -> np.ndarray:
    """A frame uint8 `[64, 64, 3]` with a coarse pattern."""
    small = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def _media(folder: Path) -> None:
    import av

    media = _made(folder, "media")
    for codec in ("libx264", "libx265", "libvpx-vp9"):
        with av.open(str(media / f"{codec}.mp4"), "w") as container:
            stream = container.add_stream(codec, rate=25, options={"g": "6", "x265-params": "log-level=none"})
            stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
            for number in range(12):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
            container.mux(stream.encode(None))
    for ending in ("png", "jpg", "webp", "bmp"):
        cv2.imwrite(str(media / f"picture.{ending}"), picture(0))


def _manifests(folder: Path) -> None:
    import pandas as pd

    place = _made(folder, "manifest")
    lines = [
        {"path": f"clips/{k}.mp4", "label": ("real", "fake")[k % 2], "split": ("test", "train", "val")[k % 3]}
        | {"manipulation": "swap" if k % 2 else "", "target": f"p{k // 2}", "box": "1;2;30;40", "note": "é"}
        for k in range(12)
    ]
    table = pd.DataFrame(lines)
    table.to_csv(place / "clips.csv", index=False)
    table.to_csv(place / "clips.tsv", index=False, sep="\t")
    table.assign(age=range(12), when=pd.Timestamp("2026-01-01")).to_parquet(place / "clips.parquet")


def _scores(folder: Path) -> None:
    import pandas as pd

    place = _made(folder, "scores")
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "clip_id": [f"c{k}" for k in range(24)] * 2,
            "label": [k % 2 for k in range(24)] * 2,
            "score": rng.random(48).round(4),
            "detector": ["one"] * 24 + ["other"] * 24,
            "manipulation": ["swap" if k % 2 else "" for k in range(24)] * 2,
        }
    )
    table.to_csv(place / "scores.csv", index=False)
    table.to_parquet(place / "scores.parquet")


def _weights(folder: Path) -> None:
    import safetensors.torch
    import torch

    from harness import registry

    place = _made(folder, "weights")
    torch.manual_seed(0)
    state = registry.detectors.get("meso4").build(size=32, frames=2).state_dict()
    safetensors.torch.save_file(
        {name: one.contiguous() for name, one in state.items()}, place / "own.safetensors"
    )
    torch.save({"state_dict": dict(state), "epoch": 3}, place / "zipped.pth")
    torch.save(dict(state), place / "plain.pth", _use_new_zipfile_serialization=False)
    _keras(place / "keras.h5")


def _keras(path: Path) -> None:
    import h5py

    rng = np.random.default_rng(0)
    layers: dict[str, dict[str, Any]] = {}
    kernels = ((3, 3, 3, 8), (5, 5, 8, 8), (5, 5, 8, 16), (5, 5, 16, 16))
    for number, shape in enumerate(kernels, start=1):
        layers[f"conv2d_{number}"] = {
            "kernel": rng.normal(size=shape) / 9,
            "bias": rng.normal(size=shape[-1]),
        }
        layers[f"batch_normalization_{number}"] = {
            name: rng.uniform(0.5, 1.5, shape[-1])
            for name in ("gamma", "beta", "moving_mean", "moving_variance")
        }
    for number, shape in enumerate(((16, 16), (16, 1)), start=1):
        layers[f"dense_{number}"] = {"kernel": rng.normal(size=shape), "bias": rng.normal(size=shape[-1])}
    with h5py.File(path, "w") as file:
        for layer, arrays in layers.items():
            for name, array in arrays.items():
                file[f"{layer}/{layer}/{name}:0"] = array.astype(np.float32)


def _graphs(folder: Path) -> None:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    place = _made(folder, "graph")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "w"], ["said"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("said", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    facts: dict[str, Any] = {"size": 32, "frames": 2, "mean": [0.5] * 3, "std": [0.5] * 3}
    facts |= {"layout": "NCHW", "output": "softmax:1"}
    onnx.save(model, place / "net.onnx")
    (place / "net.onnx.json").write_text(json.dumps(facts))


def _matrices(folder: Path) -> None:
    place = _made(folder, "matrix")
    (place / "small.toml").write_text(MATRIX)


def _stored(folder: Path) -> None:
    """A finished cell, as an evaluation keeps it."""
    from harness.results.predictions import CellFile
    from harness.types import Clip, Prediction

    clips = [Clip(f"clip-{k}", Path(f"{k}.mp4"), k % 2, "test", "swap" if k % 2 else None) for k in range(8)]
    said = [Prediction(clip.id, 0, k / 8, (k / 8, k / 8), (0, 5)) for k, clip in enumerate(clips)]
    cell = CellFile(_made(folder, "stored"), "0" * 64)
    cell.write_shard(0, clips, said)
    cell.finish([(0, 8)], {"provenance": {"commit": "none"}})
