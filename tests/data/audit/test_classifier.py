"""The audit of a dataset: what tells real from fake without a look at the face is found, and nothing else."""

from __future__ import annotations

import dataclasses
import json
import shutil
from argparse import Namespace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from harness.datasets.procedural.planted import EXPORT
from PIL import Image

from harness import registry
from harness.checks.conformance import check_dataset
from harness.cli.data import run_data_audit
from harness.contracts import DatasetEntry
from harness.data.audit.background_facts import background_facts
from harness.data.audit.classifier import Separation, separate
from harness.data.audit.fact_table import Facts, columns_of
from harness.data.audit.file_facts import container_facts
from harness.data.audit.record import Audit, AuditPart, Estimate, audit_file, read_audit
from harness.data.audit.shortcuts import audit_dataset, chosen_clips, groups_of, look_at
from harness.data.clips import identity_of, list_clips
from harness.metrics.bootstrap import graph_of
from harness.types import FAKE, REAL, Clip, HarnessError

PEOPLE, SCENES = 30, 3
BLUR = '''
import numpy as np
from harness.registry import detector

@detector("smoothness")
class Smoothness:
    """P(fake) is high where neighbouring pixels differ little: it lives on how files were encoded."""
    size, frames = 112, 2

    def score(self, clips):
        steps = np.diff(clips.astype(float), 2, axis=3)
        return np.exp(-np.median(np.abs(steps), axis=(2, 3, 4)) / 8)
'''


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory, tiny_root: Path) -> Path:
    """The planted dataset, made once from the tiny one that is there."""
    entry = registry.datasets.get("procedural_planted")
    root = tmp_path_factory.mktemp("planted") / f"{entry.name}-v{entry.version}"
    shutil.copytree(tiny_root, root / "filmed")
    assert entry.prepare is not None
    entry.prepare(root)
    return root


@pytest.fixture(scope="session")
def found(planted: Path) -> tuple[DatasetEntry, tuple[Clip, ...], Audit]:
    """The audit of the planted dataset."""
    entry = registry.datasets.get("procedural_planted")
    clips = list_clips(entry, planted)
    audit, failures = audit_dataset(entry, clips, chosen_clips(clips, 1000))
    assert failures == ()
    return entry, clips, audit


def a_clip(path: Path, label: int = REAL, **said: object) -> Clip:
    facts = {"id": f"here/{path.name}", "split": "test", "manipulation": "swap" if label else None, **said}
    return Clip(path=path, label=label, **facts)  # type: ignore[arg-type]


def world_of(facts: str, shift: float, seed: int = 0) -> tuple[Separation, int]:
    """Twins of 30 people in 3 scenes each: a scene looks alike in both, the fake is shifted by `shift`."""
    rng = np.random.default_rng(seed)
    table: list[Facts] = []
    for _ in range(PEOPLE):
        person = rng.normal(size=3)
        for _ in range(SCENES):
            scene = person + rng.normal(size=3)
            for label in (REAL, FAKE):
                values = scene + rng.normal(0, 0.3, 3) + shift * label * np.array([1, 0, 0])
                table.append({f"{facts} {k}": float(value) for k, value in enumerate(values)})
    label = np.arange(len(table)) % 2
    person = np.arange(len(table)) // (2 * SCENES)
    graph = graph_of(label, person, [None] * len(table))
    made = [("swap" if one else None) for one in label]
    return separate(table, label, person, made, graph, seed), len(table)


# The planted set and the clean one


def test_the_planted_shortcut_is_caught_in_the_file_and_in_the_background(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit],
) -> None:
    audit = found[2]
    assert audit.shortcut
    for part in audit.parts:
        assert part.auc is not None and part.auc.value > 0.95 and part.auc.low > 0.9
        assert part.verdict == "shortcut"
    named = {lead.fact: lead for lead in audit.container.leads}
    assert {"bit rate", "size in bytes"} <= set(named)
    fake, real = (
        float(text.replace(",", "")) for text in (named["size in bytes"].fake, named["size in bytes"].real)
    )
    assert fake < real / 4


def test_the_planted_set_is_the_tiny_one_but_for_its_fakes_files(planted: Path, tiny_root: Path) -> None:
    mine = list(registry.datasets.get("procedural_planted").clips(planted))
    tiny = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    assert len(mine) == len(tiny) > 100
    for one, other in zip(mine, tiny, strict=True):
        same = dataclasses.replace(one, id=other.id, path=other.path)
        assert same == other
        alike = one.path.read_bytes() == other.path.read_bytes()
        assert alike == (one.label == REAL)


def test_the_planted_set_keeps_the_promises_of_a_dataset(planted: Path) -> None:
    findings = check_dataset(registry.datasets.get("procedural_planted"), planted)
    assert [finding for finding in findings if not finding.passed] == []


def test_twins_that_differ_in_nothing_but_noise_are_not_told_apart() -> None:
    values = []
    for seed in range(3):
        clean, _ = world_of("tone", shift=0.0, seed=seed)
        assert clean.auc is not None and clean.auc.low < 0.5 < clean.auc.high + 0.05
        values.append(clean.auc.value)
    # Divided between folds, twins would pull it far below; pairs of different folds would pull it to a side.
    assert 0.45 < np.mean(values) < 0.55


def test_a_shift_that_is_there_is_found_and_named() -> None:
    shifted, clips = world_of("tone", shift=3.0)
    assert shifted.auc is not None and shifted.auc.value > 0.8 and clips == 180
    assert shifted.leads[0].fact == "tone 0"
    assert shifted.leads[0].loss > 0.1 and shifted.leads[0].alone > 0.7
    assert float(shifted.leads[0].fake) > float(shifted.leads[0].real)


def test_two_facts_that_say_the_same_are_both_named() -> None:
    label = np.arange(80) % 2
    table: list[Facts] = [{"tag": "a" if one else "b", "rate": 25.0 if one else 30.0} for one in label]
    people = np.arange(80) // 4
    graph = graph_of(label, people, [None] * 80)
    said = separate(table, label, people, ["swap" if one else None for one in label], graph, 0)
    assert {(lead.fact, lead.real, lead.fake) for lead in said.leads} == {
        ("tag", "b (100 %)", "a (100 %)"),
        ("rate", "30", "25"),
    }
    assert all(lead.alone == 1.0 for lead in said.leads)


def test_the_same_seed_gives_the_same_audit() -> None:
    assert world_of("tone", shift=0.5)[0] == world_of("tone", shift=0.5)[0]


# What is undefined


def test_one_group_of_reals_is_a_reason_and_no_number() -> None:
    label, groups = np.array([0, 0, 1, 1, 1, 1]), np.array([0, 0, 1, 2, 3, 4])
    table: list[Facts] = [{"size": float(k)} for k in range(6)]
    said = separate(table, label, groups, [None] * 6, graph_of(label, groups, [None] * 6), 0)
    assert (said.auc, said.reason) == (None, "the real clips are of fewer than two groups")


def test_facts_that_never_vary_are_a_reason_and_no_number() -> None:
    label, groups = np.arange(20) % 2, np.arange(20) // 2
    said = separate([{"size": 1.0}] * 20, label, groups, [None] * 20, graph_of(label, groups, [None] * 20), 0)
    assert (said.auc, said.reason) == (None, "no fact differs from clip to clip")


def test_a_missing_class_is_told(tiny_root: Path) -> None:
    clips = [clip for clip in registry.datasets.get("procedural_tiny").clips(tiny_root) if clip.label == FAKE]
    with pytest.raises(HarnessError, match="no real clip"):
        chosen_clips(clips, 10)


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ((0.61, 0.5, 0.7), "shortcut"),
        ((0.55, 0.5, 0.59), "clear"),
        ((0.55, 0.5, 0.6), "uncertain"),
        ((0.48, 0.4, 0.55), "clear"),
        ((0.3, 0.2, 0.4), "uncertain"),
        (None, "undefined"),
    ],
)
def test_a_verdict_needs_the_interval(bounds: tuple[float, float, float] | None, verdict: str) -> None:
    part = AuditPart("container", 9, 9, (0, 0), Estimate(*bounds) if bounds else None)
    assert part.verdict == verdict


# Groups and choice


def swap(name: str, label: int, target: str | None, source: str | None = None, **facts: str) -> Clip:
    return Clip(name, Path(name), label, "test", "swap" if label else None, target, source, facts)


def test_clips_that_share_a_person_or_footage_are_one_group() -> None:
    clips = [swap(f"r{k}", REAL, f"p{k}") for k in range(12)]
    clips += [swap(f"f{k}", FAKE, f"p{k}", f"p{k + 1}") for k in range(0, 12, 2)]
    clips += [swap("cut", FAKE, None, footage="f"), swap("scene", REAL, None, footage="f")]
    groups, what = groups_of(clips)
    number = {clip.id: group for clip, group in zip(clips, groups, strict=True)}
    assert number["r0"] == number["f0"] == number["r1"] != number["r2"] == number["f2"]
    assert number["cut"] == number["scene"] != number["r0"]
    assert "source" in what and len(set(groups)) == 7


def test_where_all_are_swapped_with_all_a_group_is_a_target() -> None:
    clips = [swap(f"r{k}", REAL, f"p{k}") for k in range(10)]
    clips += [swap(f"f{k}", FAKE, f"p{k}", f"p{(k + 1) % 10}") for k in range(10)]
    groups, what = groups_of(clips)
    assert len(set(groups)) == 10 and "source" not in what
    assert list(groups[:10]) == list(groups[10:])


def test_nobody_named_is_said() -> None:
    groups, what = groups_of([swap(f"c{k}", k % 2, None) for k in range(6)])
    assert len(set(groups)) == 6 and "nobody is named" in what


def test_the_clips_looked_at_are_spread_over_the_listing() -> None:
    clips = [swap(f"{k:03d}", int(k >= 40), None) for k in range(140)]
    chosen = chosen_clips(clips, 10)
    assert [clip.id for clip in chosen[:10]] == [f"{k:03d}" for k in range(2, 40, 4)]
    assert [clip.id for clip in chosen[10:]] == [f"{k:03d}" for k in range(45, 140, 10)]


# Facts of files


def test_a_video_says_how_it_was_encoded(tiny_root: Path, planted: Path) -> None:
    tiny, exported = (
        container_facts(sorted(root.glob("**/fake/**/*.mp4"))[-1])
        for root in (tiny_root, planted / "exported")
    )
    assert (tiny["codec"], tiny["width"], tiny["frames"], tiny["frames a second"]) == ("h264", 160, 8, 12)
    assert tiny["duration"] == pytest.approx(8 / 12)
    assert (tiny["x264 rc"], exported["x264 crf"], exported["x264 rc"]) == (
        "cbr",
        float(EXPORT["crf"]),
        "crf",
    )
    assert tiny["encoder tag"] == "none" and "Lavf" in str(exported["encoder tag"])
    assert tiny["frames between key frames"] in (8, 12, 24) and tiny["bytes per pixel"] > 0


def test_a_still_image_says_how_it_was_compressed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    pixels.save(tmp_path / "fine.jpg", quality=95, subsampling=0)
    pixels.save(tmp_path / "coarse.JPG", format="JPEG", quality=40, progressive=True)
    pixels.save(tmp_path / "exact.png")
    fine, coarse, exact = (
        container_facts(tmp_path / name) for name in ("fine.jpg", "coarse.JPG", "exact.png")
    )
    assert fine["JPEG luma quantisation"] < coarse["JPEG luma quantisation"]  # type: ignore[operator]
    assert (fine["JPEG subsampling"], coarse["JPEG subsampling"]) == ("4:4:4", "4:2:0")
    assert (fine["JPEG progressive"], coarse["JPEG progressive"]) == ("no", "yes")
    assert fine["JPEG tables"] != coarse["JPEG tables"]
    assert (exact["format"], exact["frames"], exact["width"], exact["aspect ratio"]) == ("PNG", 1, 60, 1.5)
    assert "JPEG subsampling" not in exact


def test_a_folder_of_frames_is_described_by_its_first(tmp_path: Path) -> None:
    for number in (2, 10):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((32, 32, 3), number, np.uint8))
    facts = container_facts(tmp_path)
    assert (facts["format"], facts["frames"]) == ("folder of PNG", 2)
    assert facts["size in bytes"] == (tmp_path / "2.png").stat().st_size


@pytest.mark.parametrize("name", ["cut.mp4", "cut.jpg", "cut.png"])
def test_an_unreadable_file_is_told_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"no such thing")
    with pytest.raises(HarnessError, match=name):
        container_facts(tmp_path / name)
    with pytest.raises(HarnessError, match="nowhere"):
        container_facts(tmp_path / f"nowhere-{name}")


def test_an_unreadable_clip_is_counted_and_never_guessed(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit], tmp_path: Path
) -> None:
    entry, clips, _ = found
    lost = tmp_path / "lost.mp4"
    lost.write_bytes(b"no video")
    few = chosen_clips(clips, 12)
    few[0] = dataclasses.replace(few[0], path=lost)
    audit, failures = audit_dataset(entry, clips, few)
    for part in audit.parts:
        assert (part.reals, part.fakes, part.failed) == (11, 12, (1, 0))
    assert len(failures) == 2 and all("1 clips" in line and "lost.mp4" in line for line in failures)


def test_words_become_columns_and_rare_ones_are_pooled() -> None:
    table: list[Facts] = [{"tag": "a" if k % 2 else "b", "same": 1.0} for k in range(100)]
    table[7] = {"tag": "once", "same": 1.0}
    table[8] = {"same": 1.0}
    columns = columns_of(table)
    assert columns.facts == ("tag",)
    assert columns.values.shape == (100, 3)  # a, b, and the other two together
    assert columns.values.sum() == 100 and sorted(columns.values.sum(axis=0)) == [2, 49, 49]


# The background


def noise(seed: int, grain: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(120, grain, (160, 160, 3)), 0, 255).astype(np.uint8)


def test_what_is_under_the_face_changes_no_fact_and_what_is_beside_it_does(tmp_path: Path) -> None:
    picture = noise(0, 10)
    inside, outside = picture.copy(), picture.copy()
    inside[48:112, 48:112] = 0
    outside[:16, :16] = 0
    said = []
    for name, pixels in (("plain", picture), ("inside", inside), ("outside", outside)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), pixels)
        clip = a_clip(tmp_path / f"{name}.png", attributes={"box": [55, 55, 50, 50]})
        said.append(background_facts(clip))
    assert said[0].boxed and said[0].facts == said[1].facts != said[2].facts


def test_a_track_is_followed_and_without_any_box_the_middle_is_covered(tmp_path: Path) -> None:
    class Track:
        def at(self, indices: list[int]) -> list[list[float]]:
            return [[0.0, 0.0, 30.0, 30.0] for _ in indices]

    picture = noise(0, 10)
    picture[60:100, 60:100] = 0
    cv2.imwrite(str(tmp_path / "clip.png"), picture)
    tracked = background_facts(a_clip(tmp_path / "clip.png", attributes={"track": Track()}))
    central = background_facts(a_clip(tmp_path / "clip.png"))
    assert tracked.boxed and not central.boxed
    assert tracked.facts["black pixels"] > 0.05 and central.facts["black pixels"] == 0


def test_a_face_that_fills_the_picture_leaves_nothing_to_look_at(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "portrait.png"), noise(0, 10))
    look = look_at(a_clip(tmp_path / "portrait.png", attributes={"box": [10, 10, 130, 130]}))
    assert look.background == "portrait.png: the face leaves no background to look at"
    assert not isinstance(look.container, str)


def test_blocking_grain_and_lost_detail_are_seen(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "fine.png"), noise(0, 12))
    cv2.imwrite(str(tmp_path / "coarse.jpg"), noise(0, 12), [cv2.IMWRITE_JPEG_QUALITY, 15])
    fine, coarse = (background_facts(a_clip(tmp_path / name)).facts for name in ("fine.png", "coarse.jpg"))
    assert coarse["8 px blocking across"] > fine["8 px blocking across"] + 0.1
    assert coarse["luma grain, middle tiles"] < fine["luma grain, middle tiles"] - 0.3
    assert coarse["empty part of band 11-14"] > fine["empty part of band 11-14"] + 0.3


# Keeping, reading, the command


def test_an_audit_is_read_back_as_it_was_written(
    found: tuple[DatasetEntry, tuple[Clip, ...], Audit], home: Path
) -> None:
    from harness.data.audit.record import Counterfactual, write_audit

    judged = Counterfactual("meso4", "JPEG", "test split", 5, 6, 1, *[Estimate(0.5, 0.4, 0.6)] * 3)
    audit = dataclasses.replace(found[2], counterfactual=judged)
    assert read_audit(audit.dataset) is None
    file = write_audit(audit)
    assert file == audit_file(audit.dataset) == home / "audits" / "procedural_planted.json"
    assert read_audit(audit.dataset) == audit
    assert str(home) not in file.read_text() and ".mp4" not in file.read_text()
    assert audit.clips_sha256 == identity_of(found[1], found[0])
    assert audit.warning.startswith("AUC 1.00 by ")


def test_a_damaged_audit_is_told_and_an_older_one_is_none(home: Path) -> None:
    file = audit_file("folder")
    file.parent.mkdir(parents=True)
    file.write_text('{"format": 0}')
    assert read_audit("folder") is None
    file.write_text('{"format": 1, "dataset": "folder"}')
    with pytest.raises(HarnessError, match="gapbench data audit folder"):
        read_audit("folder")


@pytest.fixture
def detector(tmp_path: Path, home: Path) -> str:
    (tmp_path / "smooth.py").write_text(BLUR)
    registry.load_file(tmp_path / "smooth.py")
    return "smoothness"


def options(**said: object) -> Namespace:
    usual = {"dataset": "procedural_planted", "root": None, "counterfactual": None, "clips": 1000, "seed": 0}
    return Namespace(**{**usual, **said})


def test_the_command_warns_names_facts_and_judges_again_after_the_same_treatment(
    planted: Path, home: Path, detector: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data" / planted.name).symlink_to(planted, target_is_directory=True)
    assert run_data_audit(options(counterfactual=detector, clips=30)) == 1
    said = capsys.readouterr().out
    assert "shortcut" in said and "bit rate" in said and "procedural_planted" in said
    assert max(len(line) for line in said.splitlines() if not line.startswith("wrote ")) <= 100
    audit = read_audit("procedural_planted")
    assert audit is not None and audit.counterfactual is not None
    judged = audit.counterfactual
    assert (judged.reals, judged.fakes, judged.failed) == (16, 16, 0)
    assert judged.before.value > 0.9  # it sees the second encoding
    assert judged.difference.high < 0  # and sees less of it where both classes were encoded once more
    assert judged.difference.value == pytest.approx(judged.after.value - judged.before.value)
    assert judged.difference.low <= judged.difference.value <= judged.difference.high


def test_the_command_exits_0_on_the_clean_set(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_data_audit(options(dataset="procedural_tiny")) == 0
    assert "shortcut" not in capsys.readouterr().out
    assert json.loads(audit_file("procedural_tiny").read_text())["container"]["auc"]["value"] < 0.6


def test_that_fakes_are_png_is_a_shortcut_even_where_no_face_can_be_found(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAPBENCH_YUNET", str(tmp_path / "no-model.onnx"))
    root = tmp_path / "mine"
    for number in range(40):
        place = root / ("fake/swap" if number % 2 else "real") / f"{number}.{'png' if number % 2 else 'jpg'}"
        place.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place), noise(number, 10), [cv2.IMWRITE_JPEG_QUALITY, 98])
    assert run_data_audit(options(dataset="folder", root=root)) == 1
    said = capsys.readouterr()
    audit = read_audit("folder")
    assert audit is not None and audit.container.auc is not None and audit.container.auc.value > 0.95
    assert "format" in {lead.fact for lead in audit.container.leads}
    assert audit.background.unboxed == 40 and "a central square" in said.out
    assert "no face can be found" in said.err and "nobody is named" in audit.groups


def test_a_wrong_option_is_told_before_anything_is_looked_at(home: Path, tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="unknown detector 'smoothnes'"):
        run_data_audit(options(counterfactual="smoothnes"))
    with pytest.raises(HarnessError, match="--root is for datasets that you bring"):
        run_data_audit(options(root=tmp_path))
    with pytest.raises(HarnessError, match="at least 1"):
        run_data_audit(options(clips=0))


def test_the_treatment_takes_away_how_a_file_was_made(tmp_path: Path) -> None:
    from harness.evaluation.counterfactual import treated

    frames = noise(3, 20)[None]
    once = treated(frames)
    assert once.shape == frames.shape and once.dtype == np.uint8
    change = np.abs(once.astype(float) - frames).mean()
    again = np.abs(treated(once).astype(float) - once).mean()
    assert again < change / 3
    red = treated(np.full((1, 16, 16, 3), (200, 30, 30), np.uint8))
    assert np.abs(red[0, 8, 8].astype(int) - (200, 30, 30)).max() < 6


def test_a_clip_is_judged_as_it_is_and_treated(tmp_path: Path) -> None:
    from harness.evaluation.counterfactual import SIDE, treated, views_of

    cv2.imwrite(str(tmp_path / "clip.png"), noise(3, 20))
    as_it_is, after = views_of(a_clip(tmp_path / "clip.png"), "none", 1, SIDE)
    assert as_it_is.shape == (1, SIDE, SIDE, 3)  # type: ignore[union-attr]
    np.testing.assert_array_equal(after, treated(as_it_is))  # type: ignore[arg-type]
    assert (after != as_it_is).any()  # type: ignore[union-attr]
    assert "nowhere.png" in views_of(a_clip(tmp_path / "nowhere.png"), "none", 1, SIDE)


def test_a_video_without_pictures_is_told(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(HarnessError, match=r"sound\.mp4: has no video stream"):
        container_facts(tmp_path / "sound.mp4")


def test_a_handful_of_clips_is_never_called_clear(tmp_path: Path) -> None:
    table = [{"codec": "h264" if k % 2 else "mpeg4"} for k in range(12)]
    label = np.arange(12) % 2
    graph = graph_of(label, [None] * 12, [None] * 12, [str(k) for k in range(12)], "few")
    found = separate(table, label, np.arange(12), [None] * 12, graph, 0)
    assert (
        found.auc is None and found.reason == "6 real and 6 fake clips; 20 of each are needed to learn from"
    )
