"""Listing 100,000 clips opens none of them: seconds and megabytes, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CLIPS = 100_000
MOST_SECONDS, MOST_MEGABYTES = 5, 500
CODE = """
import json, re, sys, time
from pathlib import Path
from harness import registry
from harness.data.clips import list_clips
entry = registry.datasets.get(sys.argv[1])
started, cpu = time.perf_counter(), time.process_time()
clips = list_clips(entry, Path(sys.argv[2]))
spent = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"clips": len(clips), "megabytes": peak, **spent}))
"""


def celeb_df(root: Path) -> None:
    for folder in ("Celeb-real", "YouTube-real", "Celeb-synthesis"):
        (root / folder).mkdir()
    lines = []
    for number in range(CLIPS):
        real = number % 8 == 0
        fake = f"Celeb-synthesis/id{number % 400}_id{number // 400 % 400 + 400}_{number % 10000:04d}.mp4"
        name = f"YouTube-real/{number:05d}.mp4" if real else fake
        (root / name).touch()
        if number % 12 == 0:
            lines.append(f"{int(real)} {name}")
    (root / "List_of_testing_videos.txt").write_text("\n".join(lines))


def dfdc(root: Path) -> None:
    for part in range(50):
        folder = root / f"dfdc_train_part_{part}"
        folder.mkdir()
        said = {}
        for number in range(CLIPS // 50):
            original = f"p{part:02d}r{number // 5:05d}.mp4"
            fake = {"label": "FAKE", "split": "train", "original": original}
            real = number % 5 == 0
            name = original if real else f"p{part:02d}f{number:05d}.mp4"
            said[name] = {"label": "REAL", "split": "train"} if real else fake
        (folder / "metadata.json").write_text(json.dumps(said))


def manifest(root: Path) -> None:
    lines = [
        f"clips/{k:06d}.mp4,{k % 2},test,{'swap' if k % 2 else ''},person{k % 997}" for k in range(CLIPS)
    ]
    (root / "manifest.csv").write_text("path,label,split,manipulation,target\n" + "\n".join(lines) + "\n")


def deepfakebench(root: Path) -> None:
    said: dict[str, dict] = {"CelebDFv2_real": {"test": {}}, "CelebDFv2_fake": {"test": {}}}
    for number in range(CLIPS):
        kind, label = (("Celeb-real", "real"), ("Celeb-synthesis", "fake"))[number % 2]
        name = f"id{number % 500}_{number:06d}" if label == "real" else f"id{number % 500}_id7_{number:06d}"
        frames = [f"Celeb-DF-v2\\{kind}\\frames\\{name}\\{frame:03d}.png" for frame in range(0, 320, 10)]
        label = f"CelebDFv2_{label}"
        said[label]["test"][name] = {"label": label, "frames": frames}
    (root / "Celeb-DF-v2.json").write_text(json.dumps({"Celeb-DF-v2": said}))


TREES = {
    "celeb_df_v2": celeb_df,
    "dfdc": dfdc,
    "manifest": manifest,
    "deepfakebench_celeb_df_v2": deepfakebench,
}


@pytest.mark.parametrize("name", TREES)
def test_listing_100000_clips_stays_small(name: str, tmp_path: Path) -> None:
    build: Callable[[Path], None] = TREES[name]
    build(tmp_path)
    run = subprocess.run(
        [sys.executable, "-c", CODE, name, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    print(
        f"\n{name}: {said['clips']:,} clips in {said['seconds']:.1f} s ({said['cpu_seconds']:.1f} s of CPU),"
        f" {said['megabytes']:.0f} MB at most"
    )
    assert said["clips"] == CLIPS
    assert said["cpu_seconds"] < MOST_SECONDS
    assert said["megabytes"] < MOST_MEGABYTES
