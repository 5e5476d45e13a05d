"""Training ends in the same weights however often it is interrupted, and never uses what it should not."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from harness import environment
from harness.contracts import DetectorEntry
from harness.files import file_digest, plain
from harness.metrics.thresholds import best_threshold
from harness.training import augmentation, frame_cache, loop
from harness.training import batches as footage
from harness.training import job as training_job
from harness.training import train as training
from harness.training.frame_cache import Wanted, read_footage
from harness.training.job import stated
from harness.training.loop import rate_at
from harness.training.train import TrainingJob, find_weights, load_detector, read_weights, train
from harness.types import TRAINING, Clip, HarnessError, Recipe, Runtime
from harness.video.frames import read_frames

RECIPE = Recipe(
    size=16,
    frames=2,
    epochs=4,
    batch=4,
    learning_rate=1e-2,
    train_frames=2,
    schedule="cosine",
    clip_norm=1.0,
    augment=("flip", "light", "noise", "jpeg", "shift"),
)


class Small(nn.Module):
    """A convolution, BatchNorm and dropout: everything that resuming could get wrong."""

    def __init__(self, size: int, frames: int, pretrained: bool = False, fails: bool = False) -> None:
        super().__init__()
        if pretrained:
            raise OSError("we are offline\nand say so at length")
        self.size, self.frames = size, frames
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, clips: Tensor) -> Tensor:
        images = clips.flatten(0, 1).permute(0, 3, 1, 2).float() / 255
        logits: Tensor = self.head(self.body(images).mean((2, 3)))
        return logits.view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        logits = self(clips)
        return binary_cross_entropy_with_logits(logits, labels.float()[:, None].expand_as(logits))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": list(self.body.parameters()), "head": list(self.head.parameters())}


class Wider(Small):
    """The same with another head."""

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames, pretrained)
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(8, 2))


GOLDEN = Path(__file__).parents[1] / "golden" / "training.json"
ENTRY = DetectorEntry("small", Small, {"tiny": RECIPE}, __file__)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Clip, ...]:
    """Sixteen training and eight validation images; fakes are darker."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    made = []
    for split, number in (("train", 16), ("val", 8)):
        for index in range(number):
            label = index % 2
            path = folder / f"{split}{index}.png"
            pixels = rng.normal(140 - 40 * label, 25, (20, 24, 3)).clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(path), pixels)
            made.append(Clip(f"toy/{split}{index}", path, label, split, "dark" if label else None))
    return tuple(made)


@pytest.fixture
def job(clips: tuple[Clip, ...]) -> TrainingJob:
    return TrainingJob(ENTRY, RECIPE, "toy", clips, "center", "1")


def tensors_of(job: TrainingJob, folder: Path) -> dict[str, Tensor]:
    weights = find_weights(job, folder)
    assert weights is not None
    return load_detector(weights, job.entry).state_dict()


def interrupt_in_epoch(monkeypatch: pytest.MonkeyPatch, wanted: int) -> None:
    whole = loop._epoch

    def cut(course: Any, optimizer: Any, footage: Any, epoch: int, progress: Any) -> float:
        if epoch == wanted:
            whole(course, optimizer, footage, epoch, progress)
            raise KeyboardInterrupt
        return whole(course, optimizer, footage, epoch, progress)

    monkeypatch.setattr(loop, "_epoch", cut)


def test_an_interrupted_training_resumes_to_the_same_weights_bit_for_bit(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(job, tmp_path / "whole")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    for epoch in (2, 3):
        with monkeypatch.context() as patch:
            interrupt_in_epoch(patch, epoch)
            with pytest.raises(KeyboardInterrupt):
                train(job, tmp_path / "cut")
        assert find_weights(job, tmp_path / "cut") is None
        assert [path.suffix for path in (tmp_path / "cut").iterdir()] == [".partial"]
    resumed = train(job, tmp_path / "cut")
    assert resumed.sha256 == whole.sha256
    assert resumed.threshold == whole.threshold
    assert [c["train_loss"] for c in resumed.curve] == [c["train_loss"] for c in whole.curve]
    assert sorted(path.suffix for path in (tmp_path / "cut").iterdir()) == [".json", ".safetensors"]


def test_two_trainings_agree_and_another_seed_does_not(job: TrainingJob, tmp_path: Path) -> None:
    first, second = train(job, tmp_path / "a"), train(job, tmp_path / "b")
    other = train(dataclasses.replace(job, seed=1), tmp_path / "a")
    assert first.sha256 == second.sha256
    assert other.sha256 != first.sha256
    assert other.path != first.path


def test_training_learns_stores_its_provenance_and_is_found_again(job: TrainingJob, tmp_path: Path) -> None:
    weights = train(job, tmp_path)
    best = max(weights.curve, key=lambda epoch: epoch["val_auc"])
    assert best["val_auc"] > 0.9
    assert weights.provenance["best_epoch"] == best["epoch"]
    assert weights.provenance["clips_sha256"] == job.clips_sha256
    assert weights.provenance["failed"] == 0
    assert weights.threshold_source == "source-val"
    assert weights.path.name == f"small@toy-s0-{job.key[:10]}.safetensors"
    assert find_weights(job, tmp_path) == weights
    assert read_weights(weights.path.with_suffix(".json")) == weights


def test_the_stored_network_is_that_of_the_best_epoch_in_evaluation_mode(
    job: TrainingJob, tmp_path: Path
) -> None:
    weights = train(job, tmp_path)
    val = read_footage(wanted(job, "val", RECIPE.frames), tmp_path)
    detector = load_detector(weights, ENTRY)
    assert not detector.training
    with torch.inference_mode():
        scores = detector.score(torch.from_numpy(val.pixels)).mean(1).numpy()
    assert loop.validation_auc(scores, val.labels) == weights.provenance["val_auc"]
    assert best_threshold(scores, val.labels) == pytest.approx(weights.threshold, abs=1e-6)


def test_patience_stops_a_training_that_no_longer_improves(job: TrainingJob, tmp_path: Path) -> None:
    patient = dataclasses.replace(RECIPE, epochs=50, patience=2, learning_rate=0.0)
    weights = train(dataclasses.replace(job, recipe=patient), tmp_path)
    assert len(weights.curve) <= weights.provenance["best_epoch"] + 2 < 50


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"crop": "none"},
        {"version": "2"},
        {"trained_on": "toy-dark"},
        {"recipe": dataclasses.replace(RECIPE, learning_rate=2e-2)},
        {"recipe": dataclasses.replace(RECIPE, precision="bf16")},
        {"entry": dataclasses.replace(ENTRY, name="other")},
        {"entry": dataclasses.replace(ENTRY, version="2")},
        {"clips": ()},
        {"faces": "another finder"},
    ],
    ids=[
        "seed",
        "crop",
        "version",
        "dataset",
        "recipe",
        "precision",
        "detector",
        "declared",
        "clips",
        "faces",
    ],
)
def test_the_key_changes_with_whatever_would_change_the_weights(job: TrainingJob, change: dict) -> None:
    assert dataclasses.replace(job, **change).key != job.key


def test_the_key_changes_with_the_declared_number_and_not_with_what_the_weights_are_made_with(
    job: TrainingJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, made = job.key, job.made
    other = dataclasses.replace(job, entry=dataclasses.replace(ENTRY, file=torch.__file__))
    with monkeypatch.context() as patch:
        patch.setattr(environment, "versions", lambda: {"torch": "0.0"})
        patch.setattr(environment, "sources_of", lambda *places: {"training/loop.py": "0"})
        assert environment.differences(made, other.made) == [
            f"torch {made['versions']['torch']} -> 0.0",
            "plugins (__init__.py, test_train.py)",
            f"sources ({', '.join(sorted(made['sources'])[:4])} and {len(made['sources']) - 4} more)",
        ]
        assert other.key == job.key == key
    monkeypatch.setattr(training_job, "TRAINING", 2)
    assert job.key != key


def test_a_training_gives_the_weights_it_gave_before(job: TrainingJob, tmp_path: Path) -> None:
    weights = train(job, tmp_path)
    now = {
        "training": TRAINING,
        "losses": [round(epoch["train_loss"], 6) for epoch in weights.curve],
        "val_auc": [round(epoch["val_auc"], 6) for epoch in weights.curve],
        "threshold": round(weights.threshold, 6),
    }
    if "GAPBENCH_WRITE_GOLDEN" in os.environ:
        GOLDEN.write_text(json.dumps(now, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    for name in ("losses", "val_auc", "threshold"):
        moved = (
            f"{name} moved; if that is meant, raise TRAINING in harness/types.py and write {GOLDEN.name} anew"
        )
        assert now[name] == pytest.approx(golden[name], abs=1e-3), moved
    assert golden["training"] == TRAINING, f"TRAINING was raised: write {GOLDEN.name} anew"


def test_the_defaults_of_a_recipe_that_keys_leave_out_are_what_they_were() -> None:
    least = Recipe(0, 0, 0, 0, 0.0)
    defaults = {name: said for name, said in plain(least).items() if name not in stated(least)}
    known = {
        **{"train_frames": 1, "passes": 1, "backbone_rate": 1.0, "weight_decay": 0.0, "schedule": "constant"},
        **{"clip_norm": None, "patience": None, "precision": "fp32", "pretrained": False},
        **{"augment": ["flip"], "clips": None, "options": {}},
    }
    assert {name: defaults[name] for name in known} == known, "a default of a recipe moved: raise TRAINING"


def test_weights_of_a_detector_that_changed_are_used_while_every_tensor_fits(
    job: TrainingJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = train(job, tmp_path)
    edited = dataclasses.replace(job, entry=dataclasses.replace(ENTRY, file=torch.__file__))
    assert find_weights(edited, tmp_path) == weights
    assert find_weights(edited, tmp_path) == weights
    assert capsys.readouterr().err.count("every tensor of its weights fits") == 1
    wider = dataclasses.replace(edited.entry, build=Wider, file=training.__file__)
    assert find_weights(dataclasses.replace(job, entry=wider), tmp_path) is None
    assert "small has changed since it was trained on toy, and is trained again" in capsys.readouterr().err


def test_an_unfinished_training_that_other_code_began_says_so_and_is_begun_anew_where_that_is_asked(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(environment, "versions", lambda: {"torch": "0.0"})
        interrupt_in_epoch(patch, 2)
        for folder in ("on", "anew"):
            with pytest.raises(KeyboardInterrupt):
                train(job, tmp_path / folder)
    on, anew = train(job, tmp_path / "on"), train(job, tmp_path / "anew", again=True)
    assert [made["versions"].get("torch") for made in on.provenance["made"]] == [
        "0.0",
        torch.__version__.partition("+")[0],
    ]
    assert len(anew.provenance["made"]) == 1


def test_the_key_does_not_change_with_where_the_clips_lie(job: TrainingJob) -> None:
    moved = tuple(dataclasses.replace(clip, path=Path("elsewhere") / clip.path.name) for clip in job.clips)
    assert dataclasses.replace(job, clips=moved).key == job.key


def test_an_unreadable_training_clip_is_counted_and_said(
    job: TrainingJob, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = tuple(
        dataclasses.replace(clip, id=f"{clip.id}-{copy}")
        for clip in job.clips
        if clip.split == "train"
        for copy in range(2)
    )
    broken = dataclasses.replace(copies[0], id="toy/broken", path=tmp_path / "missing.png")
    val = tuple(clip for clip in job.clips if clip.split == "val")
    weights = train(dataclasses.replace(job, clips=(broken, *copies[1:], *val)), tmp_path)
    assert weights.provenance["failed"] == 1
    assert "1 of 32 train clips cannot be read" in capsys.readouterr().err


def test_too_many_unreadable_clips_or_a_missing_class_stop_a_training(
    job: TrainingJob, tmp_path: Path
) -> None:
    broken = tuple(dataclasses.replace(clip, path=tmp_path / "missing.png") for clip in job.clips[:2])
    with pytest.raises(HarnessError, match="2 of 16 train clips cannot be read"):
        train(dataclasses.replace(job, clips=broken + job.clips[2:]), tmp_path)
    fakes = tuple(clip for clip in job.clips if clip.label == 1)
    with pytest.raises(HarnessError, match="no real clip"):
        train(dataclasses.replace(job, clips=fakes), tmp_path)
    with pytest.raises(HarnessError, match="no clip in its split val"):
        train(dataclasses.replace(job, clips=job.clips[:16]), tmp_path)


def test_published_weights_that_cannot_be_had_are_one_line_and_no_random_start(
    job: TrainingJob, tmp_path: Path
) -> None:
    wanting = dataclasses.replace(job, recipe=dataclasses.replace(RECIPE, pretrained=True))
    with pytest.raises(HarnessError, match="published backbone weights of small") as caught:
        train(wanting, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*.safetensors"))


def rewrite(path: Path, change: dict[str, Tensor | None]) -> None:
    """Change tensors of a weights file and store the new sha256, as a careless person would."""
    tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
    for name, tensor in change.items():
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor
    save_file(tensors, path)
    said = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**said, "sha256": file_digest(path)}))


@pytest.mark.parametrize(
    "change",
    [{"head.1.bias": None}, {"surplus": torch.zeros(1)}, {"head.1.bias": torch.zeros(2)}],
    ids=["missing", "surplus", "shape"],
)
def test_weights_that_do_not_fit_exactly_are_refused(
    job: TrainingJob, tmp_path: Path, change: dict[str, Tensor | None]
) -> None:
    path = train(job, tmp_path).path
    rewrite(path, change)
    with pytest.raises(HarnessError, match="do not fit small"):
        load_detector(read_weights(path.with_suffix(".json")), ENTRY)


def test_damaged_weights_are_refused(job: TrainingJob, tmp_path: Path) -> None:
    weights = train(job, tmp_path)
    weights.path.write_bytes(weights.path.read_bytes()[:-1] + b"x")
    with pytest.raises(HarnessError, match="damaged"):
        load_detector(weights, ENTRY)
    weights.path.unlink()
    assert find_weights(job, tmp_path) is None
    with pytest.raises(HarnessError, match="do not exist"):
        load_detector(weights, ENTRY)
    weights.path.with_suffix(".json").write_text('{"detector": "small"}')
    with pytest.raises(HarnessError, match="does not describe weights"):
        read_weights(weights.path.with_suffix(".json"))


def test_a_damaged_checkpoint_is_named_not_ignored(job: TrainingJob, tmp_path: Path) -> None:
    checkpoint = job.stem(tmp_path).with_name(job.stem(tmp_path).name + ".partial")
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(HarnessError, match="is damaged; delete it"):
        train(job, tmp_path)


def test_validation_works_although_running_statistics_lag(job: TrainingJob, tmp_path: Path) -> None:
    class Lagging(Small):
        def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
            super().__init__(size, frames)
            self.body[1] = nn.BatchNorm2d(8, momentum=1e-6)

    entry = DetectorEntry("lagging", Lagging, {"tiny": RECIPE}, __file__)
    weights = train(dataclasses.replace(job, entry=entry), tmp_path)
    norm = load_detector(weights, entry).body[1]
    assert float((norm.running_var - 1).abs().min()) > 0.1
    assert norm.momentum == 1e-6


def test_the_threshold_has_the_best_balanced_accuracy_halfway_between_scores() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    assert best_threshold(np.array([0.1, 0.2, 0.3, 0.8, 0.9]), labels) == pytest.approx(0.55)
    assert best_threshold(np.array([0.1, 0.2, 0.85, 0.8, 0.9]), labels) == pytest.approx(0.5)
    assert best_threshold(np.full(5, 0.7), labels) == 0.5


def test_schedules_peak_and_fall_as_their_names_say() -> None:
    cosine = [rate_at("cosine", 1.0, step, 10, 10) for step in range(100)]
    assert max(cosine) == 1.0
    assert cosine.index(1.0) in (9, 10)
    assert cosine[0] == pytest.approx(0.1)
    assert cosine[-1] < 1e-3
    restarts = [rate_at("cosine-restarts", 1e-3, step, 5, 30) for step in range(150)]
    assert [step for step, rate in enumerate(restarts) if rate == 1e-3] == [0, 50, 100]
    assert min(restarts) >= 1e-6
    assert rate_at("constant", 0.5, 99, 10, 10) == 0.5
    with pytest.raises(HarnessError, match="schedule"):
        rate_at("linear", 1.0, 0, 1, 1)


def test_one_draw_changes_all_frames_of_a_clip_alike() -> None:
    frames = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8), 3, 0)
    for name, augment in augmentation.AUGMENTATIONS.items():
        changed = 0
        for seed in range(20):
            made = augment(frames, np.random.default_rng(seed))
            assert made.shape == frames.shape
            assert made.dtype == np.uint8
            changed += bool((made != frames).any())
            if name != "noise":
                assert (made == made[0]).all()
        assert changed, name


def test_an_unknown_augmentation_names_the_known_ones() -> None:
    with pytest.raises(HarnessError, match="did you mean 'flip'"):
        augmentation.chosen(["flipp"])


def test_the_jpeg_augmentation_keeps_red_red() -> None:
    red = np.zeros((1, 16, 16, 3), np.uint8)
    red[..., 0] = 200
    for seed in range(10):
        made = augmentation.jpeg(red, np.random.default_rng(seed))
        assert np.abs(made.astype(int) - red).max() < 8


def test_batches_draw_one_frame_from_each_part_of_a_clip_in_order() -> None:
    pixels = np.arange(16, dtype=np.uint8)[None, :, None, None, None] * np.ones((6, 1, 2, 2, 3), np.uint8)
    held = footage.Footage(pixels, np.array([0, 1] * 3), np.arange(6), 0)
    batches = list(held.batches(footage.Draw(4, 4), np.random.default_rng(0)))
    assert len(batches) == 1
    drawn = batches[0][0][:, :, 0, 0, 0]
    assert (drawn // 4 == np.arange(4)).all()
    assert len(np.unique(drawn % 4)) > 1


def test_a_fake_and_its_footage_share_a_batch_and_its_draws() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 8, 8, 3), dtype=np.uint8)
    pixels[4:] = pixels[:4]
    held = footage.Footage(pixels, np.repeat([0, 1], 4), np.tile(np.arange(4), 2), 0)
    draw = footage.Draw(2, 3, augmentation.chosen(["flip", "light", "shift"]), together=True)
    firsts = set()
    for seed in range(5):
        for drawn, labels in held.batches(draw, np.random.default_rng(seed)):
            assert sorted(labels) == [0, 1]
            assert (drawn[0] == drawn[1]).all()
            firsts.add(int(labels[0]))
    assert firsts == {0, 1}
    apart = footage.Draw(2, 3)
    pairs = [drawn for drawn, _ in held.batches(apart, np.random.default_rng(0))]
    assert any((drawn[0] != drawn[1]).any() for drawn in pairs)


def test_a_limit_keeps_the_first_clips_of_each_class() -> None:
    clips = [Clip(f"c{i}", Path("x"), int(i % 4 > 0), "train") for i in range(40)]
    kept = footage.limited(clips, 12)
    assert [clip.label for clip in kept] == [0] * 6 + [1] * 6
    assert kept[0].id == "c0"
    assert len(footage.limited(clips, 30)) == 30
    assert footage.limited(clips, None) == clips


def wanted(job: TrainingJob, split: str, frames: int) -> Wanted:
    return Wanted(footage.split_of(job.clips, split), frames, RECIPE.size, "center", "as it is")


def test_training_frames_are_decoded_once_and_shared_by_later_trainings(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Path] = []

    def counting(path: Path, counts: Any) -> Any:
        decoded.append(path)
        return read_frames(path, counts)

    monkeypatch.setattr(frame_cache, "read_frames", counting)
    first = read_footage(wanted(job, "train", 4), tmp_path)
    clips = len(decoded)
    assert clips == len(footage.split_of(job.clips, "train"))
    again = read_footage(wanted(job, "train", 4), tmp_path)
    assert len(decoded) == clips
    assert isinstance(again.pixels, np.memmap)
    assert (again.pixels == first.pixels).all() and (again.labels == first.labels).all()
    assert (again.groups == first.groups).all()
    read_footage(dataclasses.replace(wanted(job, "train", 4), content="another"), tmp_path)
    assert len(decoded) == 2 * clips
    pixels = first.pixels.copy()  # the file behind them is spoiled now
    kept = next(tmp_path.glob("*.frames"))
    kept.write_bytes(kept.read_bytes()[:-1])
    for path in tmp_path.glob("*.frames"):
        assert path.with_suffix(".json").is_file()
    cut = read_footage(wanted(job, "train", 4), tmp_path)
    other = read_footage(dataclasses.replace(wanted(job, "train", 4), content="another"), tmp_path)
    assert len(decoded) == 3 * clips, "a file that is not whole was used, or both were read again"
    assert (cut.pixels == pixels).all() and (other.pixels == pixels).all()


def test_frames_not_used_for_longest_make_way_on_a_full_disk(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, needed: int) -> None:
        if list(tmp_path.glob("[!.]*.frames")):
            raise OSError(28, "No space left on device")
        os.truncate(file, needed)

    read_footage(wanted(job, "train", 2), tmp_path)
    monkeypatch.setattr(frame_cache, "_reserve", full)
    read_footage(wanted(job, "train", 3), tmp_path)
    assert len(list(tmp_path.glob("[!.]*.frames"))) == 1

    def always_full(file: int, needed: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(frame_cache, "_reserve", always_full)
    with pytest.raises(HarnessError, match="set GAPBENCH_HOME to a larger disk"):
        read_footage(wanted(job, "val", 2), tmp_path)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".json"]


def test_gradients_of_several_passes_are_those_of_one(job: TrainingJob, tmp_path: Path) -> None:
    clips = torch.from_numpy(read_footage(wanted(job, "train", 2), tmp_path).pixels[:6].copy())
    labels = torch.tensor([0, 1, 0, 1, 0, 1])
    found = []
    for passes in (1, 3, 4):
        torch.manual_seed(0)
        detector = ENTRY.make(RECIPE).eval()  # BatchNorm sees the clips of one pass only
        recipe = dataclasses.replace(RECIPE, passes=passes)
        course = loop.Course(detector, recipe, Runtime(), 0, tmp_path / "c", "toy")
        loss = loop._gradient(course, clips, labels)
        found.append((loss, torch.cat([p.grad.flatten() for p in detector.parameters()])))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        torch.testing.assert_close(gradient, found[0][1], rtol=1e-4, atol=1e-6)
