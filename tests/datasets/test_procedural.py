"""The embedded datasets: same seed same bytes, identities apart, and faces that a face finder sees."""

import os
from collections import Counter
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from harness.datasets.procedural import making
from harness.datasets.procedural.camera import DEMOSAIC, LAB_CAMERAS, WILD_CAMERAS, photograph
from harness.datasets.procedural.encoder import LAB_ENCODERS, WILD_ENCODERS
from harness.datasets.procedural.face import build_face
from harness.datasets.procedural.making import MANIPULATIONS, listing, make
from harness.datasets.procedural.plan import LAB, TINY, WILD, Family, Scene, Size, plan
from harness.datasets.procedural.region import SIDE
from harness.datasets.procedural.scene import Footage, render
from harness.datasets.procedural.unseen import transposed_convolution

from harness.files import file_digest
from harness.registry import datasets
from harness.types import FAKE, REAL, Clip, HarnessError

FEW = Size({"train": (2, 1), "val": (2, 1), "test": (2, 2)}, fakes=3, frames=4)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lab")
    make(root, LAB, FEW, workers=1)
    return root


def digests(root: Path) -> dict[str, str]:
    return {str(file.relative_to(root)): file_digest(file) for file in sorted(root.rglob("*.*"))}


def decoded(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_the_same_seed_gives_the_same_bytes_in_one_process_and_in_two(made: Path, tmp_path: Path) -> None:
    make(tmp_path, LAB, FEW, workers=2)
    assert digests(tmp_path) == digests(made)


def test_another_seed_gives_other_people_and_replaces_the_old_clips(tmp_path: Path) -> None:
    size = Size({"test": (2, 1)}, frames=2)
    make(tmp_path, LAB, size, seed=1, workers=1)
    before = {clip.target: file_digest(clip.path) for clip in listing(tmp_path)}
    make(tmp_path, LAB, size, seed=2, workers=1)
    after = {clip.target: file_digest(clip.path) for clip in listing(tmp_path)}
    assert not before.keys() & after.keys()
    assert not set(before.values()) & set(after.values())


def test_a_folder_of_somebody_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "mine.mp4").write_bytes(b"mine")
    with pytest.raises(HarnessError, match="is not empty and was not made by GapBench"):
        make(tmp_path, LAB, FEW, workers=1)
    assert [path.name for path in tmp_path.rglob("*")] == ["real", "mine.mp4"]


def test_a_run_killed_while_it_removed_older_clips_is_cleared_up_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = Size({"test": (2, 1)}, frames=2)
    make(tmp_path, LAB, size, seed=1, workers=1)
    old = {clip.path for clip in listing(tmp_path)}

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(making.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path, LAB, size, seed=2, workers=1)
    assert all(path.is_file() for path in old)
    make(tmp_path, LAB, size, seed=2, workers=1)
    assert {clip.path for clip in listing(tmp_path)} == set(tmp_path.rglob("*.mp4"))
    assert not (tmp_path / making.MAKING).exists()


def test_what_is_there_is_not_made_again(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "encode", lambda *_: pytest.fail("made again"))
    make(made, LAB, FEW, workers=1)


def test_an_interrupted_making_is_completed_and_keeps_what_it_had(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    encode = making.encode

    def interrupted(*arguments: object) -> bytes:
        nonlocal calls
        calls += 1
        if calls > 7:
            raise KeyboardInterrupt
        return encode(*arguments)

    monkeypatch.setattr(making, "encode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, LAB, FEW, workers=1)
    assert len(list(tmp_path.rglob("*.mp4"))) == 7
    with pytest.raises(HarnessError, match="has not been made"):
        list(listing(tmp_path))
    calls = -1000
    monkeypatch.setattr(making, "encode", interrupted)
    make(tmp_path, LAB, FEW, workers=1)
    assert calls == -1000 + len(list(tmp_path.rglob("*.mp4"))) - 7
    assert digests(tmp_path) == digests(made)


def test_the_manifest_fills_in_every_field(made: Path) -> None:
    clips = list(listing(made))
    assert len({clip.id for clip in clips}) == len(clips) == 8 * 4
    assert Counter(clip.label for clip in clips) == {REAL: 8, FAKE: 24}
    for clip in clips:
        assert clip.path.is_file()
        assert clip.id == f"procedural_lab/{clip.path.relative_to(made).with_suffix('').as_posix()}"
        assert clip.target
        assert (clip.source is None) == (clip.manipulation is None) == (clip.label == REAL)
        assert clip.source != clip.target
        frames = decoded(clip.path)
        assert len(frames) == clip.attributes["frames"] == 4
        x, y, width, height = clip.attributes["box"]
        assert x > 0 and y > 0 and x + width < frames[0].shape[1] and y + height < frames[0].shape[0]


def test_every_fake_has_a_real_clip_of_its_footage_with_the_same_box_camera_and_encoder(made: Path) -> None:
    reals = {clip.id: clip for clip in listing(made) if clip.label == REAL}
    for clip in listing(made):
        real = reals[clip.attributes["footage"]]
        assert (clip.target, clip.split, clip.attributes) == (real.target, real.split, real.attributes)


def scenes_of(family: Family, seed: int = 0) -> list[Scene]:
    return plan(family, family.size, seed)


def test_identities_never_cross_splits_or_datasets() -> None:
    where: dict[str, set[tuple[str, str]]] = {}
    for family in (LAB, WILD, TINY):
        for scene in scenes_of(family):
            for person in (scene.person, *(forgery.source for forgery in scene.forgeries)):
                where.setdefault(person, set()).add((family.name, scene.split))
    assert all(len(places) == 1 for places in where.values())


def test_the_default_size_says_something() -> None:
    for family in (LAB, WILD):
        tests = [scene for scene in scenes_of(family) if scene.split == "test"]
        fakes = Counter(forgery.manipulation for scene in tests for forgery in scene.forgeries)
        assert len(tests) >= 100
        assert fakes.total() >= 100
        assert len({scene.person for scene in tests}) == 40
        assert set(fakes) == set(family.manipulations)
        assert max(fakes.values()) - min(fakes.values()) <= 1


def test_the_default_size_stays_under_150_megabytes() -> None:
    bits = sum(
        (1 + len(scene.forgeries)) * scene.encoder.bitrate * family.size.frames / 12
        for family in (LAB, WILD)
        for scene in scenes_of(family)
    )
    assert bits / 8 * 1.15 < 150e6


def test_lab_and_wild_share_no_manipulation_camera_or_encoder() -> None:
    assert not set(LAB.manipulations) & set(WILD.manipulations)
    assert not set(LAB_CAMERAS) & set(WILD_CAMERAS)
    assert not set(LAB_ENCODERS) & set(WILD_ENCODERS)
    assert {*LAB.manipulations, *WILD.manipulations} == set(MANIPULATIONS)


@pytest.fixture(scope="module")
def footage() -> Footage:
    return render("somebody", "somewhere", 4)


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_a_manipulation_changes_the_face_and_nothing_else(name: str, footage: Footage) -> None:
    before = footage.frames.copy()
    forged = MANIPULATIONS[name](footage, build_face("somebody else"), np.random.default_rng(0))
    assert np.array_equal(footage.frames, before)
    assert forged.shape == before.shape
    assert np.isfinite(forged).all()
    changed = np.abs(forged - before).max(axis=(0, 3)) > 1e-4
    assert 0.02 < changed.mean() < 0.3
    rows, columns = np.nonzero(changed)
    assert rows.min() > 20 and rows.max() < 150
    assert columns.min() > 20 and columns.max() < 140


def test_the_autoencoder_loses_the_finest_texture_of_the_skin(footage: Footage) -> None:
    forged = MANIPULATIONS["autoencoder"](footage, build_face("somebody else"), np.random.default_rng(0))
    x, y = int(footage.moments[0].pose.x), int(footage.moments[0].pose.y)
    cheek = (0, slice(y + 5, y + 20), slice(x - 25, x - 10))

    def finest(frames: np.ndarray) -> float:
        return float(cv2.Laplacian(np.sqrt(frames[cheek][..., 1]), cv2.CV_32F).std())

    assert finest(forged) < 0.8 * finest(footage.frames)


def test_a_transposed_convolution_of_three_taps_leaves_a_checkerboard() -> None:
    flat = np.ones((SIDE // 2, SIDE // 2, 3), dtype=np.float32)
    even = np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25]).astype(np.float32)
    uneven = np.ones((3, 3), dtype=np.float32) * 4 / 9

    def checkerboard(kernel: np.ndarray) -> float:
        grown = transposed_convolution(flat, kernel)[..., 0]
        spectrum = np.abs(np.fft.fft2(grown)) / grown.size
        return float(spectrum[SIDE // 2, SIDE // 2])

    assert checkerboard(even) < 1e-5
    assert checkerboard(uneven) > 0.05


def test_a_camera_without_noise_or_blur_keeps_a_grey_card() -> None:
    card = np.full((1, 32, 32, 3), 0.25, dtype=np.float32)
    for camera in (*LAB_CAMERAS, *WILD_CAMERAS):
        assert camera.bayer in DEMOSAIC
        seen = photograph(card, camera, np.random.default_rng(0))[0].reshape(-1, 3).mean(0)
        gains = np.array([camera.balance[0], 1.0, camera.balance[1]]) * camera.exposure
        assert np.abs(seen - 255 * (0.25 * gains) ** (1 / camera.gamma)).max() < 3.0


def face_finder() -> Path:
    """The model of the face finder, or skip aloud."""
    shared = Path(__file__).resolve().parents[3] / "shared" / "reference"
    root = Path(os.environ.get("GAPBENCH_REFERENCE", shared))
    model = root / "weights" / "yunet" / "yunet_n_640_640.onnx"
    if not model.is_file():
        pytest.skip(f"no YuNet model at {model}; set GAPBENCH_REFERENCE to the folder with weights/yunet")
    return model


@pytest.mark.parametrize("family", [LAB, WILD], ids=lambda family: family.name)
def test_a_face_finder_sees_the_faces(family: Family, tmp_path: Path) -> None:
    finder = cv2.FaceDetectorYN.create(str(face_finder()), "", (320, 320), 0.6)
    make(tmp_path, family, Size({"test": (10, 1)}, fakes=3, frames=3), seed=5, workers=1)
    clips = list(listing(tmp_path))
    for label in (REAL, FAKE):
        found = [overlaps(finder, clip) for clip in clips if clip.label == label]
        assert np.mean(found) >= 0.9


def overlaps(finder: cv2.FaceDetectorYN, clip: Clip) -> bool:
    """Whether a face is found in the middle frame, where the manifest says it is."""
    frame = cv2.resize(decoded(clip.path)[1], (320, 320), interpolation=cv2.INTER_CUBIC)
    _, faces = finder.detect(np.ascontiguousarray(frame[..., ::-1]))
    if faces is None:
        return False
    x, y, width, height = faces[0][:4] / 2
    left, top, across, down = clip.attributes["box"]
    inside = left < x + width / 2 < left + across and top < y + height / 2 < top + down
    return bool(inside and 0.5 < (width * height) / (across * down) < 2.0)


@pytest.mark.parametrize("name", ["procedural_lab", "procedural_wild", "procedural_tiny"])
def test_the_datasets_are_registered_with_boxes_and_prepare_themselves(name: str, tmp_path: Path) -> None:
    entry = datasets.get(name)
    assert entry.embedded
    assert entry.crop == "boxes"
    with pytest.raises(HarnessError, match="has not been made"):
        list(entry.clips(tmp_path))
