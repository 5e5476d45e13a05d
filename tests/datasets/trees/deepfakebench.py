"""DeepfakeBench in miniature: folders of frames, and JSON files that write their paths in all its styles."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from harness.video.frames import read_frames
from tests.datasets.trees.planting import write

STYLES: tuple[Callable[[str], str], ...] = (
    lambda path: path.replace("/", "\\"),
    lambda path: f"./datasets/{path}",
    lambda path: f"datasets/rgb/{path}",
    lambda path: f"/somebody/else/DeepfakeBench/datasets/rgb/{path}",
    lambda path: f".\\datasets\\rgb\\{path}".replace("/", "\\"),
    lambda path: f"datasets/rgb/{path.replace('/', '//./')}",
)
FF = "FaceForensics++/{}/c23/frames/{}"
FF_LABELS = {"FF-DF": "Deepfakes", "FF-F2F": "Face2Face", "FF-FS": "FaceSwap", "FF-NT": "NeuralTextures"}

Listed = dict[str, dict[str, dict[str, list[str]]]]
"""JSON file -> label -> split -> folders of frames."""

ORIGINALS = {s: [FF.format("original_sequences/youtube", n)] for s, n in (("train", "000"), ("test", "953"))}
ACTORS = FF.format("original_sequences/actors", "01__walking")
SWAPPED = FF.format("manipulated_sequences/DeepFakeDetection", "01_02__walking__ABCD1234")


def unroll(folder: Path, clip: Path, names: Sequence[str] = ("0.png", "1.png")) -> None:
    """As many frames of a video as there are names, as images of these names, in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = read_frames(clip, [len(names)]).pixels
    for name, frame in zip(names, frames, strict=True):
        cv2.imwrite(str(folder / name), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))


def _ff(method: str) -> dict[str, list[str]]:
    folder = f"manipulated_sequences/{method}"
    return {"train": [FF.format(folder, "000_003")], "val": [], "test": [FF.format(folder, "953_974")]}


def _everywhere(*places: str) -> dict[str, list[str]]:
    return {split: list(places) for split in ("train", "val", "test")}


LISTED: dict[str, Listed] = {
    "ffpp": {
        "FaceForensics++": {
            "FF-real": ORIGINALS,
            **{label: _ff(method) for label, method in FF_LABELS.items()},
        }
    },
    "faceshifter": {"FaceShifter": {"FF-real": ORIGINALS, "FF-FH": _ff("FaceShifter")}},
    "celeb_df_v1": {
        "Celeb-DF-v1": {
            "CelebDFv1_real": _everywhere("Celeb-DF-v1/Celeb-real/frames/id0_0003"),
            "CelebDFv1_fake": _everywhere("Celeb-DF-v1/Celeb-synthesis/frames/id0_id1_0003"),
        }
    },
    "celeb_df_v2": {
        "Celeb-DF-v2": {
            "CelebDFv2_real": {
                "train": [f"Celeb-DF-v2/Celeb-real/frames/id0_000{n}" for n in (3, 4)],
                "val": ["Celeb-DF-v2/YouTube-real/frames/00170", "Celeb-DF-v2/Celeb-real/frames/id0_0003"],
                "test": ["Celeb-DF-v2/YouTube-real/frames/00170", "Celeb-DF-v2/Celeb-real/frames/id0_0003"],
            },
            "CelebDFv2_fake": _everywhere("Celeb-DF-v2/Celeb-synthesis/frames/id0_id1_0003"),
        }
    },
    "dfd": {"DeepFakeDetection": {"DFD_real": _everywhere(ACTORS), "DFD_fake": _everywhere(SWAPPED)}},
    "dfdc": {
        "DFDC": {
            "DFDC_Real": {
                "train": ["DFDC/train/dfdc_train_part_0/frames/aaaaaaaaaa"],
                "val": ["DFDC/train/dfdc_train_part_0/frames/aaaaaaaaaa"],
                "test": ["DFDC/test/frames/ffffffffff"],
            },
            "DFDC_Fake": {"test": ["DFDC/test/frames/gggggggggg"]},
        }
    },
    "dfdc_preview": {
        "DFDCP": {
            "DFDCP_Real": {"test": ["DFDCP/original_videos/frames/200_A_001"]},
            "DFDCP_FakeA": {"test": ["DFDCP/method_A/frames/300_200_A_001"]},
            "DFDCP_FakeB": {"test": ["DFDCP/method_B/frames/300_200_A_001"]},
        }
    },
    "deeperforensics": {
        "DeeperForensics-1.0": {
            "DF_real": {
                "test": [
                    FF.format("original_sequences/youtube", "953"),
                    "DeeperForensics-1.0/source_videos/W004/frames/W004_light_down",
                ]
            },
            "DF_fake": {"test": ["DeeperForensics-1.0/manipulated_videos/end_to_end/frames/953_W004"]},
        }
    },
    "uadfv": {
        "UADFV": {
            "UADFV_Real": _everywhere("UADFV/real/frames/0007"),
            "UADFV_Fake": _everywhere("UADFV/fake/frames/0007_fake"),
        }
    },
}


def build(root: Path, clips: Sequence[Path], names: Sequence[str] = tuple(LISTED)) -> None:
    """The JSON files of these datasets, and two frames, `2.png` and `10.png`, of every video they list."""
    for name in names:
        for stem, labels in LISTED[name].items():
            content: dict[str, Any] = {label: {} for label in labels}
            for label, splits in labels.items():
                for split, places in splits.items():
                    videos = {place.rpartition("/")[2]: _video(root, label, place, clips) for place in places}
                    compressed = stem in ("FaceForensics++", "FaceShifter", "DeepFakeDetection")
                    content[label][split] = {"c23": videos, "c40": {}} if compressed else videos
            write(root / "dataset_json" / f"{stem}.json", json.dumps({stem: content}))


def _video(root: Path, label: str, place: str, clips: Sequence[Path]) -> dict[str, Any]:
    number = sum(map(ord, place))
    if not (root / "rgb" / place).exists():
        unroll(root / "rgb" / place, clips[number % len(clips)], ("2.png", "10.png"))
    style = STYLES[number % len(STYLES)]
    return {"label": label, "frames": [style(f"{place}/{frame}") for frame in ("10.png", "2.png")]}


TREES = {"deepfakebench": build} | {f"deepfakebench_{name}": partial(build, names=[name]) for name in LISTED}
