"""MesoNet here computes what its published Keras files compute."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from harness import registry
from harness.types import HarnessError
from harness.video import frames

KINDS = ("meso4", "mesoinception4")
FILES = {
    "meso4": ("Meso4_DF.h5", "Meso4_F2F.h5"),
    "mesoinception4": ("MesoInception_DF.h5", "MesoInception_F2F.h5"),
}
INCEPTION = ((1, 4, 4, 2), (2, 4, 4, 2))
Arrays = dict[str, np.ndarray]


def keras_file(path: Path, kind: str, size: int, first: int = 1) -> Path:
    """Random weights as Keras 2 stores them, layers numbered from `first`, for frames of `size` pixels."""
    rng = np.random.default_rng(size)
    shapes: list[tuple[int, ...]] = []
    if kind == "meso4":
        shapes = [(3, 3, 3, 8), (5, 5, 8, 8), (5, 5, 8, 16), (5, 5, 16, 16)]
        widths = [8, 8, 16, 16]
    else:
        for given, made in zip((3, 11), INCEPTION, strict=True):
            shapes.append((1, 1, given, made[0]))
            for width in made[1:]:
                shapes += [(1, 1, given, width), (3, 3, width, width)]
        shapes += [(5, 5, 12, 16), (5, 5, 16, 16)]
        widths = [11, 12, 16, 16]
    side = size
    for pool in (2, 2, 2, 4):
        side = -(-side // pool)
    dense = [(side * side * 16, 16), (16, 1)]
    layers: dict[str, Arrays] = {}
    for name, many in (("conv2d", shapes), ("dense", dense)):
        for number, shape in enumerate(many, start=first):
            kernel = rng.normal(size=shape) / np.prod(shape[:-1]) ** 0.5
            layers[f"{name}_{number}"] = {"kernel": kernel, "bias": rng.normal(0, 0.1, shape[-1])}
    for number, width in enumerate(widths, start=first):
        layers[f"batch_normalization_{number}"] = {
            "gamma": rng.uniform(0.5, 1.5, width),
            "beta": rng.normal(0, 0.3, width),
            "moving_mean": rng.normal(0, 0.3, width),
            "moving_variance": rng.uniform(1e-4, 1.5, width),  # small ones tell one eps from another
        }
    with h5py.File(path, "w") as file:
        for layer, arrays in layers.items():
            for name, array in arrays.items():
                file[f"{layer}/{layer}/{name}:0"] = array.astype(np.float32)
    return path


def kept(path: Path) -> dict[str, list[Arrays]]:
    """Kind of layer -> its arrays, in the order of the layers' numbers."""
    found: dict[str, dict[int, Arrays]] = {}
    with h5py.File(path) as file:
        for layer in file:
            kind, _, number = layer.rpartition("_")
            arrays = {
                name.split(":")[0]: np.asarray(value)
                for name, value in (file[layer].get(layer) or {}).items()
            }
            if arrays:
                found.setdefault(kind, {})[int(number)] = arrays
    return {kind: [layers[number] for number in sorted(layers)] for kind, layers in found.items()}


def convolved(maps: np.ndarray, layer: Arrays, dilation: int = 1) -> np.ndarray:
    """Keras' Conv2D, padding "same", then ReLU: float64 `[H, W, C]`."""
    kernel = layer["kernel"].astype(np.float64)
    reach = (kernel.shape[0] - 1) * dilation
    padded = np.pad(maps, ((reach // 2, reach - reach // 2),) * 2 + ((0, 0),))
    seen = np.lib.stride_tricks.sliding_window_view(padded, (reach + 1, reach + 1), (0, 1))
    seen = seen[..., ::dilation, ::dilation]
    return np.maximum(np.einsum("hwcij,ijco->hwo", seen, kernel, optimize=True) + layer["bias"], 0)


def pooled(maps: np.ndarray, side: int) -> np.ndarray:
    """Keras' MaxPooling2D, padding "same"."""
    missing = [-length % side for length in maps.shape[:2]]
    around = [(total // 2, total - total // 2) for total in missing]
    padded = np.pad(maps, (*around, (0, 0)), constant_values=-np.inf)
    height, width, channels = padded.shape
    return padded.reshape(height // side, side, width // side, side, channels).max((1, 3))


def p_real(kind: str, layers: dict[str, list[Arrays]], frame: np.ndarray) -> float:
    """The sigmoid of the authors' network for one uint8 frame `[S, S, 3]`, in numpy."""
    maps, convolutions = frame.astype(np.float64) / 255, iter(layers["conv2d"])
    for stage, norm in enumerate(layers["batch_normalization"]):
        if kind == "mesoinception4" and stage < 2:
            branches = [convolved(maps, next(convolutions))]
            for dilation in (1, 2, 3):
                narrow = convolved(maps, next(convolutions))
                branches.append(convolved(narrow, next(convolutions), dilation))
            maps = np.concatenate(branches, -1)
        else:
            maps = convolved(maps, next(convolutions))
        scale = norm["gamma"] / np.sqrt(norm["moving_variance"].astype(np.float64) + 1e-3)
        maps = pooled((maps - norm["moving_mean"]) * scale + norm["beta"], (2, 2, 2, 4)[stage])
    hidden, last = layers["dense"]
    features = maps.reshape(-1) @ hidden["kernel"] + hidden["bias"]
    features = np.where(features > 0, features, 0.1 * features)
    return float(1 / (1 + np.exp(-(features @ last["kernel"] + last["bias"])[0])))


def imported(kind: str, path: Path, size: int) -> torch.nn.Module:
    """Our network with the weights of a Keras file."""
    entry = registry.detectors.get(kind)
    network: torch.nn.Module = entry.build(size=size, frames=1)
    network.load_state_dict(entry.importers["keras"](path), strict=True)
    return network.eval()


def p_fake(network: torch.nn.Module, frame: np.ndarray) -> float:
    with torch.inference_mode():
        return float(network.score(torch.from_numpy(frame)[None, None]))  # type: ignore[operator]


@pytest.mark.parametrize("size", [64, 100])  # 100 px: sides of 25 and 13, which no window divides
@pytest.mark.parametrize("kind", KINDS)
def test_imported_weights_compute_what_keras_would(kind: str, size: int, tmp_path: Path) -> None:
    path = keras_file(tmp_path / "some.h5", kind, size)
    network, layers = imported(kind, path, size), kept(path)
    for seed in range(3):
        frame = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
        assert p_fake(network, frame) == pytest.approx(1 - p_real(kind, layers, frame), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_numbered_past_nine_stay_in_order(kind: str, tmp_path: Path) -> None:
    frame = np.random.default_rng(5).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    scores = [
        p_fake(imported(kind, keras_file(tmp_path / f"{first}.h5", kind, 32, first), 32), frame)
        for first in (1, 7)
    ]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(("kind", "count"), [("meso4", 27_977), ("mesoinception4", 28_615)])
def test_the_networks_have_as_many_parameters_as_published(kind: str, count: int) -> None:
    network = registry.detectors.get(kind).build(size=256, frames=1)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


@pytest.mark.parametrize(("kind", "file"), [(kind, file) for kind in KINDS for file in FILES[kind]])
def test_published_files_load_and_compute_what_keras_would(kind: str, file: str, reference: Path) -> None:
    path = reference / "weights" / "mesonet" / file
    image = next((path.parent / "test_images" / "df").iterdir())
    frame = frames.crop_and_fit(frames.read_frames(image, (1,)).pixels, "none", None, 256)[0]
    ours, theirs = p_fake(imported(kind, path, 256), frame), 1 - p_real(kind, kept(path), frame)
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_the_four_test_images_get_the_published_scores(reference: Path) -> None:
    folder = reference / "weights" / "mesonet"
    images = [*sorted((folder / "test_images" / "df").iterdir())]
    images += sorted((folder / "test_images" / "real").iterdir())
    found = {}
    for kind in KINDS:
        network = imported(kind, folder / FILES[kind][0], 256)
        pixels = [frames.read_frames(image, (1,)).pixels for image in images]
        found[kind] = [p_fake(network, frames.crop_and_fit(each, "none", None, 256)[0]) for each in pixels]
    assert found["meso4"] == pytest.approx([0.95, 0.98, 0.01, 0.00], abs=0.01)
    assert [score >= 0.5 for score in found["mesoinception4"]] == [True, True, False, False]


def test_a_file_of_the_other_network_is_refused_by_its_layers(tmp_path: Path) -> None:
    path = keras_file(tmp_path / "other.h5", "meso4", 32)
    with pytest.raises(HarnessError, match=r"other\.h5 has 4 layers conv2d, MesoInception4 has 16"):
        registry.detectors.get("mesoinception4").importers["keras"](path)


def test_a_layer_no_mesonet_has_is_refused(tmp_path: Path) -> None:
    path = keras_file(tmp_path / "more.h5", "meso4", 32)
    with h5py.File(path, "a") as file:
        file["attention_1/attention_1/kernel:0"] = np.zeros((2, 2))
    with pytest.raises(HarnessError, match="attention_1"):
        registry.detectors.get("meso4").importers["keras"](path)


def test_weights_outside_the_file_are_not_read(tmp_path: Path) -> None:
    path, outside = (keras_file(tmp_path / name, "meso4", 32) for name in ("inside.h5", "outside.h5"))
    with h5py.File(path, "a") as file:
        del file["conv2d_2"]
        file["conv2d_2"] = h5py.ExternalLink(str(outside), "conv2d_2")
    with pytest.raises(HarnessError, match="3 layers conv2d"):
        registry.detectors.get("meso4").importers["keras"](path)


def test_what_is_no_hdf5_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "text.h5"
    path.write_text("weights")
    with pytest.raises(HarnessError, match=r"text\.h5 is not an HDF5 file"):
        registry.detectors.get("meso4").importers["keras"](path)
