"""Every conformance check has a liar it catches, and lets an honest plug-in pass."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from harness.checks import dataset, detector, perturbation
from harness.checks.conformance import Finding, check_dataset, check_detector, check_perturbation
from harness.contracts import DatasetEntry, DetectorEntry, PerturbationEntry
from harness.types import FAKE, REAL, Clip, Recipe


def broken(findings: list[Finding]) -> dict[str, str]:
    """Check name -> how it is broken."""
    return {finding.check: finding.detail for finding in findings if not finding.passed}


# --- detectors: one honest network, and what becomes of it when one promise is broken -------------------

RECIPE = Recipe(size=16, frames=3, epochs=1, batch=2, learning_rate=0.01)


class Honest(nn.Module):
    """Two linear layers and a batch normalisation on the mean colours of a frame."""

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__()
        self.size, self.frames = size, frames
        self.backbone = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(8, 1)

    def forward(self, clips: Tensor) -> Tensor:
        means = clips.float().mean((2, 3)) / 255
        return self.head(self.backbone(means.flatten(0, 1))).view(clips.shape[:2])

    def score(self, clips: Tensor) -> Tensor:
        return self(clips).sigmoid()

    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        wanted = labels.float()[:, None].expand(clips.shape[:2])
        return nn.functional.binary_cross_entropy_with_logits(self(clips), wanted)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": list(self.backbone.parameters()), "head": list(self.head.parameters())}


class WrongSize(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(224, frames)


class NoFrames(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, 0)


class CannotBeBuilt(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        raise FileNotFoundError("weights.bin\nis not there")


class EndsTheProgram(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        sys.exit("goodbye")


class NotAModule:
    size, frames = 16, 3

    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None: ...

    def score(self, clips: np.ndarray) -> np.ndarray:
        return np.full(clips.shape[:2], 0.5, np.float32)


class NotAModuleWithLoss(NotAModule):
    def loss(self, clips: Any, labels: Any) -> float:
        return 0.5


class NothingToTrain(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.requires_grad_(False)


class NoLoss(Honest):
    loss = None


class LossPerClip(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        return (self(clips).mean(1) - labels) ** 2


class LossIsNan(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        return super().loss(clips, labels) * float("nan")


class LossIsDetached(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        return super().loss(clips, labels).detach()


class LossIsFloat(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Any:
        return super().loss(clips, labels).item()


class ForgottenPart(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.forgotten = nn.Linear(3, 3)


class CutOffBackbone(Honest):
    def forward(self, clips: Tensor) -> Tensor:
        means = clips.float().mean((2, 3)) / 255
        return self.head(self.backbone(means.flatten(0, 1)).detach()).view(clips.shape[:2])


class GroupsLeaveOut(Honest):
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"head": list(self.head.parameters())}


class GroupsTwice(Honest):
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"backbone": list(self.parameters()), "head": list(self.head.parameters())}


class GroupsUnknown(Honest):
    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"all": list(self.parameters())}


class LossWithTheWrongSign(Honest):
    def loss(self, clips: Tensor, labels: Tensor) -> Tensor:
        loss = super().loss(clips, labels)
        return loss.detach() * 2 - loss


class HiddenState(Honest):
    def __init__(self, size: int, frames: int, pretrained: bool = False) -> None:
        super().__init__(size, frames)
        self.offset = torch.randn(())

    def forward(self, clips: Tensor) -> Tensor:
        return super().forward(clips) + self.offset


class LateBuffer(Honest):
    def forward(self, clips: Tensor) -> Tensor:
        self.register_buffer("seen", torch.zeros(1))
        return super().forward(clips)


class FlatScores(Honest):
    def score(self, clips: Tensor) -> Tensor:
        return super().score(clips)[:, 0]


class NumpyFromAModule(Honest):
    def score(self, clips: Tensor) -> Any:
        return super().score(clips).numpy()


class Logits(Honest):
    def score(self, clips: Tensor) -> Tensor:
        return self(clips) * 100


class NanOnBlack(Honest):
    def score(self, clips: Tensor) -> Tensor:
        light = clips.float().mean((2, 3, 4))
        return super().score(clips) * light / light


class DropoutLeftOn(Honest):
    def score(self, clips: Tensor) -> Tensor:
        return nn.functional.dropout(super().score(clips), 0.5, training=True).clamp(0, 1)


class Counts(Honest):
    calls = 0

    def score(self, clips: Tensor) -> Tensor:
        self.calls += 1
        return (super().score(clips) + 0.001 * self.calls).clamp(0, 1)


class NormalisedOverTheBatch(Honest):
    def score(self, clips: Tensor) -> Tensor:
        logits = self(clips)
        return (logits - logits.mean()).sigmoid()


class LooksAtItsPlace(Honest):
    def score(self, clips: Tensor) -> Tensor:
        last = torch.arange(len(clips))[:, None] == len(clips) - 1
        return super().score(clips) * torch.where(last & (len(clips) > 1), 0.9, 1.0)


class HasFeatures(Honest):
    def features(self, clips: Tensor) -> Tensor:
        return self.backbone((clips.float().mean((2, 3)) / 255).flatten(0, 1)).view(*clips.shape[:2], 8)

    def score_features(self, features: Tensor) -> Tensor:
        return self.head(features)[..., 0].sigmoid()


class FeaturesOfItsHead(HasFeatures):
    def features(self, clips: Tensor) -> Tensor:
        return super().features(clips) * self.head.weight[0, 0]

    def score_features(self, features: Tensor) -> Tensor:
        return super().score_features(features / self.head.weight[0, 0])


class OtherScoresByFeatures(HasFeatures):
    def score_features(self, features: Tensor) -> Tensor:
        return super().score_features(features) * 0.9


class WritesIntoTheClips(Honest):
    def score(self, clips: Tensor) -> Tensor:
        said = super().score(clips)
        clips[:, 0] = 0
        return said


class StaysInTraining(Honest):
    def score(self, clips: Tensor) -> Tensor:
        said = super().score(clips)
        self.backbone.train()
        return said


BAD_DETECTORS: list[tuple[type, str]] = [
    (WrongSize, "is_built_from_every_recipe"),
    (NoFrames, "is_built_from_every_recipe"),
    (CannotBeBuilt, "is_built_from_every_recipe"),
    (EndsTheProgram, "is_built_from_every_recipe"),
    (NotAModule, "is_a_module_with_a_loss"),
    (NotAModuleWithLoss, "is_a_module_with_a_loss"),
    (NothingToTrain, "is_a_module_with_a_loss"),
    (NoLoss, "is_a_module_with_a_loss"),
    (LossPerClip, "loss_is_a_finite_number"),
    (LossIsNan, "loss_is_a_finite_number"),
    (LossIsDetached, "loss_is_a_finite_number"),
    (LossIsFloat, "loss_is_a_finite_number"),
    (ForgottenPart, "gradient_reaches_every_part"),
    (CutOffBackbone, "gradient_reaches_every_part"),
    (GroupsLeaveOut, "parameter_groups_hold_every_parameter_once"),
    (GroupsTwice, "parameter_groups_hold_every_parameter_once"),
    (GroupsUnknown, "parameter_groups_hold_every_parameter_once"),
    (LossWithTheWrongSign, "loss_falls_in_training"),
    (HiddenState, "weights_survive_a_file"),
    (LateBuffer, "weights_survive_a_file"),
    (FlatScores, "scores_have_the_promised_shape"),
    (NumpyFromAModule, "scores_have_the_promised_shape"),
    (Logits, "scores_are_probabilities"),
    (NanOnBlack, "scores_are_probabilities"),
    (DropoutLeftOn, "scores_repeat"),
    (Counts, "scores_repeat"),
    (NormalisedOverTheBatch, "scores_do_not_depend_on_the_batch"),
    (LooksAtItsPlace, "scores_do_not_depend_on_the_batch"),
    (FeaturesOfItsHead, "features_give_the_same_scores"),
    (OtherScoresByFeatures, "features_give_the_same_scores"),
    (WritesIntoTheClips, "scoring_leaves_the_clips_alone"),
    (StaysInTraining, "scoring_leaves_the_mode_alone"),
]


def test_an_honest_detector_passes_every_check() -> None:
    recipes = {"only": RECIPE, "big": replace(RECIPE, size=32, frames=5, pretrained=True)}
    findings = check_detector(DetectorEntry("honest", Honest, recipes))
    assert broken(findings) == {}
    assert [finding.check for finding in findings] == [
        "is_built_from_every_recipe",
        *(check.__name__ for check in detector.TRAINABLE_CHECKS),
        *(check.__name__ for check in detector.DETECTOR_CHECKS),
    ]


@pytest.mark.parametrize(("bad", "check"), BAD_DETECTORS)
def test_a_bad_detector_is_caught(bad: type, check: str) -> None:
    found = broken(check_detector(DetectorEntry("bad", bad, {"only": RECIPE})))
    assert check in found
    assert all(detail and "\n" not in detail for detail in found.values())


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (CannotBeBuilt, "FileNotFoundError: weights.bin is not there"),
        (EndsTheProgram, "it ended the program: SystemExit: goodbye"),
        (WrongSize, "recipe 'only' asks for size and frames (16, 3), it has (224, 3)"),
        (LossIsFloat, "the loss is a float, not a tensor"),
        (LossPerClip, "the loss has shape [4]; expected one number"),
        (LossIsDetached, "the loss is detached from the parameters"),
        (ForgottenPart, "no gradient reaches 'forgotten'"),
        (GroupsLeaveOut, "parameter_groups leaves 4 parameters out"),
        (FlatScores, "scores of 1 clips of 3 frames have shape [1]; expected [1, 3] or [1, 1]"),
        (NumpyFromAModule, "an nn.Module gave a ndarray, not a tensor"),
        (NanOnBlack, "a score is NaN or infinite"),
    ],
)
def test_a_finding_says_what_is_wrong(bad: type, said: str) -> None:
    assert said in broken(check_detector(DetectorEntry("bad", bad, {"only": RECIPE}))).values()


class HalfFloats(NotAModule):
    def __init__(self) -> None: ...


class ListScores(HalfFloats):
    def score(self, clips: np.ndarray) -> Any:
        return [[0.5] * clips.shape[1]] * len(clips)


class OneForAll(HalfFloats):
    def score(self, clips: np.ndarray) -> np.ndarray:
        return np.full((1, 1), 0.5)


class Dims(HalfFloats):
    def score(self, clips: np.ndarray) -> np.ndarray:
        clips //= 2
        return clips.mean((2, 3, 4)) / 255


class ThresholdOfLogits(HalfFloats):
    threshold = 2.5


class ChosenOnTheTest(HalfFloats):
    checkpoint_source = "best on Celeb-DF"


class OriginUnknown(HalfFloats):
    threshold = None
    checkpoint_source = "unknown"


BAD_FIXED: list[tuple[type, str]] = [
    (ListScores, "scores_have_the_promised_shape"),
    (OneForAll, "scores_have_the_promised_shape"),
    (Dims, "scoring_leaves_the_clips_alone"),
    (ThresholdOfLogits, "threshold_says_where_it_came_from"),
    (ChosenOnTheTest, "threshold_says_where_it_came_from"),
]


@pytest.mark.parametrize(
    ("build", "caught"),
    [(HalfFloats, set()), (OriginUnknown, set()), *((build, {check}) for build, check in BAD_FIXED)],
)
def test_a_fixed_detector_is_checked_in_numpy(build: type, caught: set[str]) -> None:
    findings = check_detector(DetectorEntry("fixed", build))
    assert caught <= set(broken(findings))
    assert bool(caught) == bool(broken(findings))
    assert "loss_falls_in_training" not in {finding.check for finding in findings}


def test_checking_a_detector_leaves_the_random_numbers_of_the_caller_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(3)
    torch.manual_seed(3)
    trial = detector.DetectorTrial(DetectorEntry("honest", lambda **given: HONEST, {"only": RECIPE}))
    detector.is_built_from_every_recipe(trial)
    detector.loss_falls_in_training(trial)
    assert torch.equal(torch.rand(3), wanted)


HONEST = Honest(16, 3)

# --- datasets: an honest folder of pictures, and what becomes of its list when one promise is broken ----

Lister = Callable[[Path], Iterator[Clip]]


def honest_clips(root: Path) -> Iterator[Clip]:
    """Clips of the pictures under the root; the label is in the file's name, the box in none."""
    for number, path in enumerate(sorted(root.glob("*.png"))):
        split, kind, person = path.stem.split("_")
        label = REAL if kind == "real" else FAKE
        yield Clip(
            id=f"pictures/{path.stem}",
            path=path,
            label=label,
            split=split,
            manipulation=None if label == REAL else "dye",
            target=person,
            source=None if label == REAL else f"{person}x",
            attributes={"box": [1 + number % 3, 0, 20, 24.5]},
        )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small pictures in three splits, with a list of them."""
    root = tmp_path_factory.mktemp("pictures")
    for split, people in (("train", "ab"), ("val", "c"), ("test", "de")):
        for person in people:
            for kind, level in (("real", 60), ("fake", 200)):
                image = np.full((32, 40, 3), level, np.uint8)
                cv2.imwrite(str(root / f"{split}_{kind}_{person}.png"), image)
    (root / "list.txt").write_text("pictures")
    return root


def changed(change: Callable[[Clip], Clip | None]) -> Lister:
    """The honest list with every clip changed; None leaves one out."""

    def clips(root: Path) -> Iterator[Clip]:
        for clip in honest_clips(root):
            found = change(clip)
            if found is not None:
                yield found

    return clips


def shuffled(root: Path) -> Iterator[Clip]:
    clips = list(honest_clips(root))
    random.shuffle(clips)
    yield from clips


def label_from_pixels(root: Path) -> Iterator[Clip]:
    for clip in honest_clips(root):
        image = cv2.imread(str(clip.path))
        yield replace(clip, label=FAKE if image is not None and image.mean() > 100 else REAL)


def crashes_on_empty_files(root: Path) -> Iterator[Clip]:
    for clip in honest_clips(root):
        if clip.path.stat().st_size == 0:
            raise ValueError("an empty\nfile")
        yield clip


def pictures_entry(clips: Any, **said: Any) -> DatasetEntry:
    """The dataset of the pictures, with that list."""
    return DatasetEntry("pictures", clips, "pictures", **{"crop": "boxes", **said})


def boxed(box: Any) -> DatasetEntry:
    """The dataset with another box on every clip; None for no box at all."""
    return pictures_entry(changed(lambda clip: replace(clip, attributes={} if box is None else {"box": box})))


def embedded(clips: Lister) -> DatasetEntry:
    """The dataset as if it had been made here."""
    return pictures_entry(clips, embedded=True, prepare=lambda root: None)


def makes_it_again(root: Path) -> None:
    """Writes its list whether or not it is there."""
    (root / "list.txt").unlink()
    (root / f"list.txt{random.random()}").write_text("again")
    (root / "list.txt").write_text("again")


def refuses(root: Path) -> None:
    """Cannot make the dataset."""
    raise OSError("disk full")


BAD_DATASETS: list[tuple[DatasetEntry, str]] = [
    (pictures_entry(lambda root: list(honest_clips(root))), "lists_clips_lazily"),
    (pictures_entry(lambda root: iter(())), "lists_clips_lazily"),
    (pictures_entry(lambda root: iter(["a.png"])), "lists_clips_lazily"),
    (pictures_entry(honest_clips, embedded=True, prepare=refuses), "lists_clips_lazily"),
    (pictures_entry(shuffled), "lists_the_same_again"),
    (pictures_entry(changed(lambda clip: replace(clip, id="pictures/1"))), "ids_are_unique_everywhere"),
    (pictures_entry(changed(lambda clip: replace(clip, id=clip.path.stem))), "ids_are_unique_everywhere"),
    (pictures_entry(changed(lambda clip: replace(clip, label=clip.label + 1))), "labels_are_real_or_fake"),
    (pictures_entry(changed(lambda clip: replace(clip, label=bool(clip.label)))), "labels_are_real_or_fake"),
    (
        pictures_entry(changed(lambda clip: replace(clip, manipulation=None))),
        "only_fakes_name_a_manipulation",
    ),
    (
        pictures_entry(changed(lambda clip: replace(clip, manipulation="dye"))),
        "only_fakes_name_a_manipulation",
    ),
    (pictures_entry(changed(lambda clip: replace(clip, split="valid"))), "splits_are_known"),
    (
        pictures_entry(changed(lambda clip: clip if clip.label == FAKE or clip.split == "train" else None)),
        "the_test_split_has_both_classes",
    ),
    (pictures_entry(changed(lambda clip: replace(clip, split="train"))), "the_test_split_has_both_classes"),
    (embedded(changed(lambda clip: replace(clip, target="a"))), "identities_keep_to_one_split"),
    (
        embedded(changed(lambda clip: replace(clip, source="a" if clip.label == FAKE else None))),
        "identities_keep_to_one_split",
    ),
    (
        pictures_entry(changed(lambda clip: replace(clip, path=clip.path.with_suffix(".jpg")))),
        "clips_can_be_read",
    ),
    (
        pictures_entry(changed(lambda clip: replace(clip, path=clip.path.with_name("list.txt")))),
        "clips_can_be_read",
    ),
    (boxed(None), "boxes_lie_in_the_frame"),
    (boxed([1, 2, 3]), "boxes_lie_in_the_frame"),
    (boxed([-1, 2, 3, 4]), "boxes_lie_in_the_frame"),
    (boxed([1, 2, 0, 4]), "boxes_lie_in_the_frame"),
    (boxed([1, 2, float("nan"), 4]), "boxes_lie_in_the_frame"),
    (boxed(["1", "2", "3", "4"]), "boxes_lie_in_the_frame"),
    (boxed([20, 0, 21, 10]), "boxes_lie_in_the_frame"),
    (boxed([0, 20, 10, 13]), "boxes_lie_in_the_frame"),
    (pictures_entry(honest_clips, crop="middle"), "boxes_lie_in_the_frame"),
    (pictures_entry(label_from_pixels), "listing_opens_no_clip"),
    (pictures_entry(crashes_on_empty_files), "listing_opens_no_clip"),
    (
        pictures_entry(honest_clips, embedded=True, prepare=makes_it_again),
        "making_it_again_changes_nothing",
    ),
]


@pytest.mark.parametrize(
    "entry", [pictures_entry(honest_clips), pictures_entry(honest_clips, crop="none"), embedded(honest_clips)]
)
def test_an_honest_dataset_passes_every_check(entry: DatasetEntry, pictures: Path) -> None:
    findings = check_dataset(entry, pictures)
    assert broken(findings) == {}
    ran = {finding.check for finding in findings}
    assert {check.__name__ for check in dataset.DATASET_CHECKS} < ran
    assert ("making_it_again_changes_nothing" in ran) == entry.embedded


@pytest.mark.parametrize(("entry", "check"), BAD_DATASETS)
def test_a_bad_dataset_is_caught(entry: DatasetEntry, check: str, pictures: Path) -> None:
    found = broken(check_dataset(entry, pictures))
    assert check in found
    assert all(detail and "\n" not in detail for detail in found.values())


def test_identities_that_cross_the_split_of_its_authors_are_said_not_failed(pictures: Path) -> None:
    entry = pictures_entry(changed(lambda clip: replace(clip, target="a")))
    (finding,) = [
        finding
        for finding in check_dataset(entry, pictures)
        if finding.check == "identities_keep_to_one_split"
    ]
    assert finding.passed
    assert finding.detail == "1 of 6 identities are in several splits, e.g. 'a', as its authors split it"


def test_a_dataset_whose_folders_are_links_passes(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(pictures, target_is_directory=True)
    entry = pictures_entry(lambda root: honest_clips(root / "linked"))
    assert broken(check_dataset(entry, tmp_path)) == {}


def test_listing_is_tried_on_a_copy_and_leaves_the_files_alone(pictures: Path) -> None:
    before = {path: path.read_bytes() for path in pictures.iterdir()}
    check_dataset(pictures_entry(honest_clips), pictures)
    assert {path: path.read_bytes() for path in pictures.iterdir()} == before


# --- perturbations: honest ones, and what becomes of them when one promise is broken -------------------

Apply = Callable[[np.ndarray, Any, np.random.Generator], np.ndarray]


def darken(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Less light, and a little noise that is the same in every frame."""
    noise = rng.normal(0, 2, frames.shape[1:])
    return (frames * (1 - amount) + noise).clip(0, 255).astype(np.uint8)


def perturbed(apply: Apply, parameters: Any = (0.2, 0.4, 0.6)) -> PerturbationEntry:
    """A perturbation under test."""
    return PerturbationEntry("p", apply, parameters)


def blends_neighbours(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    before = np.concatenate((frames[:1], frames[:-1]))
    return (frames * (1 - amount) + before * amount).astype(np.uint8)


def noise_of_every_frame(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return (frames + rng.normal(0, 50 * amount, frames.shape)).clip(0, 255).astype(np.uint8)


def global_noise(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    noise = np.random.normal(0, 50 * amount, frames.shape[1:])
    return (frames + noise).clip(0, 255).astype(np.uint8)


def inverts_channels(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return np.ascontiguousarray(darken(frames, amount, rng)[..., ::-1])


def writes(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    frames[:] = darken(frames, amount, rng)
    return frames


def shrinks(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng)[:, ::2, ::2]


def transposes(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng).transpose(0, 2, 1, 3)


def floats(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng) / 255


def needs_two_frames(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    return darken(frames, amount, rng)[[0, 1, *range(2, len(frames))]]


def nothing_when_small(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    if min(frames.shape[1:3]) < 96:
        raise ValueError("too small")
    return darken(frames, amount, rng)


def keeps_its_parameter(frames: np.ndarray, level: dict[str, float], rng: np.random.Generator) -> np.ndarray:
    return darken(frames, level["amount"], rng)


BAD_PERTURBATIONS: list[tuple[PerturbationEntry, str]] = [
    (perturbed(darken, ()), "parameters_can_be_written_down"),
    (perturbed(darken, [0.2]), "parameters_can_be_written_down"),
    (perturbed(darken, (np.float32(0.2),)), "parameters_can_be_written_down"),
    (perturbed(darken, (float("nan"),)), "parameters_can_be_written_down"),
    (perturbed(shrinks), "frames_keep_their_shape_and_type"),
    (perturbed(transposes), "frames_keep_their_shape_and_type"),
    (perturbed(floats), "frames_keep_their_shape_and_type"),
    (perturbed(needs_two_frames), "frames_keep_their_shape_and_type"),
    (perturbed(nothing_when_small), "frames_keep_their_shape_and_type"),
    (perturbed(lambda frames, amount, rng: list(frames)), "frames_keep_their_shape_and_type"),
    (perturbed(writes), "given_frames_are_left_alone"),
    (perturbed(global_noise), "the_same_draw_gives_the_same_frames"),
    (perturbed(noise_of_every_frame), "one_draw_serves_the_whole_clip"),
    (perturbed(blends_neighbours), "each_frame_is_changed_by_itself"),
    (perturbed(darken, (0.4, 0.2)), "each_severity_changes_more"),
    (perturbed(darken, (0.4, 0.4)), "each_severity_changes_more"),
    (perturbed(lambda frames, amount, rng: frames.copy()), "each_severity_changes_more"),
    (perturbed(inverts_channels), "colours_keep_their_channels"),
    (perturbed(lambda frames, amount, rng: np.roll(frames, 1, -1)), "colours_keep_their_channels"),
]


@pytest.mark.parametrize(
    "entry",
    [
        perturbed(darken),
        perturbed(keeps_its_parameter, ({"amount": 0.1}, {"amount": 0.5})),
        perturbed(
            lambda frames, keep, rng: (
                (frames * keep + frames.mean(-1, keepdims=True) * (1 - keep)).round().astype(np.uint8)
            ),
            (0.4, 0.0),
        ),
    ],
    ids=["darken", "mapping", "grey"],
)
def test_an_honest_perturbation_passes_every_check(entry: PerturbationEntry) -> None:
    findings = check_perturbation(entry)
    assert broken(findings) == {}
    assert [finding.check for finding in findings] == [
        "parameters_can_be_written_down",
        *(check.__name__ for check in perturbation.PERTURBATION_CHECKS),
    ]


@pytest.mark.parametrize(("entry", "check"), BAD_PERTURBATIONS)
def test_a_bad_perturbation_is_caught(entry: PerturbationEntry, check: str) -> None:
    found = broken(check_perturbation(entry))
    assert check in found
    assert all(detail and "\n" not in detail for detail in found.values())


# --- the checks themselves --------------------------------------------------------------------------------


def all_checks() -> list[Callable[..., Any]]:
    """Every check there is."""
    return [
        detector.is_built_from_every_recipe,
        *detector.TRAINABLE_CHECKS,
        *detector.DETECTOR_CHECKS,
        dataset.lists_clips_lazily,
        dataset.making_it_again_changes_nothing,
        *dataset.DATASET_CHECKS,
        perturbation.parameters_can_be_written_down,
        *perturbation.PERTURBATION_CHECKS,
    ]


BAD_TABLES = (BAD_DETECTORS, BAD_FIXED, BAD_DATASETS, BAD_PERTURBATIONS)


def test_every_check_has_a_liar_it_catches() -> None:
    caught = {check for table in BAD_TABLES for _, check in table}
    assert caught == {check.__name__ for check in all_checks()}


def test_every_check_states_its_promise_in_one_sentence() -> None:
    for check in all_checks():
        promise = (check.__doc__ or "").splitlines()
        assert len(promise) == 1, check.__name__
        assert promise[0].endswith("."), check.__name__


def test_a_passed_finding_states_the_promise() -> None:
    finding = check_perturbation(perturbed(darken))[-1]
    assert finding == Finding(
        "colours_keep_their_channels", True, perturbation.colours_keep_their_channels.__doc__ or ""
    )


def test_an_interruption_is_not_taken_for_a_finding() -> None:
    def interrupted(frames: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_perturbation(perturbed(interrupted))
