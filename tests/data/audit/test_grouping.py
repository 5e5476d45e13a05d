"""A fake and the real clip it was made from are one group, named or not, and no group is the whole set."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness import registry
from harness.data import fingerprints
from harness.data.audit.background_facts import background_facts
from harness.data.audit.classifier import separate
from harness.data.audit.grouping import GIANT, grouping_of, unnamed
from harness.metrics.bootstrap import graph_of
from harness.types import FAKE, REAL, Clip
from tests.data.audit.pictures import swap


def hash_like(by: float, seed: int, of: str = "") -> str:
    """A perceptual hash: of three pictures of their own, or of those of another with so much noise."""
    rng = np.random.default_rng(seed)
    if of:
        shown = np.frombuffer(b64decode(of), np.uint8).reshape(3, 32, 32) + rng.normal(0, by, (3, 32, 32))
    else:
        coarse = rng.uniform(0, 255, (3, 6, 6)).astype(np.float32)
        shown = np.stack([cv2.resize(frame, (32, 32), interpolation=cv2.INTER_CUBIC) for frame in coarse])
    return b64encode(shown.clip(0, 255).astype(np.uint8).tobytes()).decode()


def test_clips_that_share_a_person_or_footage_are_one_group() -> None:
    clips = [swap(f"r{k}", REAL, f"p{k}") for k in range(12)]
    clips += [swap(f"f{k}", FAKE, f"p{k}", f"p{k + 1}") for k in range(0, 12, 2)]
    clips += [swap("cut", FAKE, None, footage="f"), swap("scene", REAL, None, footage="f")]
    found = grouping_of(clips)
    number = {clip.id: group for clip, group in zip(clips, found.groups, strict=True)}
    assert number["r0"] == number["f0"] == number["r1"] != number["r2"] == number["f2"]
    assert number["cut"] == number["scene"] != number["r0"]
    assert "source" in found.said and len(set(found.groups)) == 7 and not found.loose.any()


def test_where_all_are_swapped_with_all_a_group_is_a_target() -> None:
    clips = [swap(f"r{k}", REAL, f"p{k}") for k in range(10)]
    clips += [swap(f"f{k}", FAKE, f"p{k}", f"p{(k + 1) % 10}") for k in range(10)]
    found = grouping_of(clips)
    assert len(set(found.groups)) == 10 and "source" not in found.said
    assert list(found.groups[:10]) == list(found.groups[10:])


def test_nobody_named_is_said_and_every_fake_is_loose() -> None:
    clips = [swap(f"c{k}", k % 2, None) for k in range(6)]
    found = grouping_of(clips, [hash_like(0, k) for k in range(6)])
    assert len(set(found.groups)) == 6 and "nobody is named" in found.said
    assert found.loose.tolist() == [False, True] * 3
    assert unnamed(clips) and not unnamed([replace(clip, target="a") for clip in clips])


def test_fakes_join_the_real_clip_whose_name_theirs_holds() -> None:
    clips = [swap(f"real/c{k:03d}.mp4", REAL, None) for k in range(10)]
    clips += [swap(f"fake/c{k:03d}_c9{k}.mp4", FAKE, None) for k in range(8)]
    clips += [swap("fake/other.mp4", FAKE, None)]
    found = grouping_of(clips)
    assert list(found.groups[10:18]) == list(found.groups[:8])
    assert found.loose.sum() == 1 and "name (16 clips)" in found.said


def test_a_name_that_several_real_clips_have_joins_nobody() -> None:
    clips = [swap(f"real/{k}/video.mp4", REAL, None) for k in range(8)]
    clips += [swap(f"fake/{k}/video.mp4", FAKE, None) for k in range(8)]
    assert len(set(grouping_of(clips).groups)) == 16


def test_copies_that_nobody_named_are_one_group_whatever_their_class() -> None:
    shown = [hash_like(0, k) for k in range(8)]
    clips = [swap(f"r{k}x", REAL, None) for k in range(8)] + [swap(f"f{k}y", FAKE, None) for k in range(8)]
    hashes = shown + [hash_like(3, 50 + k, shown[k]) for k in range(7)] + [""]
    found = grouping_of(clips, hashes)
    assert list(found.groups[8:15]) == list(found.groups[:7])
    assert found.loose.tolist() == [False] * 15 + [True] and "looking the same (14 clips)" in found.said


def test_in_one_studio_each_fake_joins_one_real_clip_and_no_group_is_the_studio() -> None:
    studio = hash_like(0, 0)  # everybody looks the same, a fake and its real clip a little more so
    shown = [hash_like(4, k + 1, studio) for k in range(20)]
    clips = [swap(f"r{k}x", REAL, None) for k in range(20)] + [swap(f"f{k}y", FAKE, None) for k in range(20)]
    found = grouping_of(clips, shown + [hash_like(1, 60 + k, shown[k]) for k in range(20)])
    assert list(found.groups[20:]) == list(found.groups[:20]) and len(set(found.groups)) == 20
    assert np.bincount(found.groups).max() <= GIANT * len(clips)
    assert "most alike" in found.said and not found.loose.any()


@pytest.fixture(scope="module")
def bare(
    tiny_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Clip], list[str], list[str]]:
    """Rendered clips of which nobody is named any more, their hashes, and their real recordings."""
    clips = list(registry.datasets.get("procedural_tiny").clips(tiny_root))
    footage = [str(clip.attributes["footage"]) for clip in clips]
    bare = [
        replace(
            clip, id=f"x/{k:03d}.mp4", target=None, source=None, attributes={"box": clip.attributes["box"]}
        )
        for k, clip in enumerate(clips)
    ]
    prints = fingerprints.read(bare, folder=tmp_path_factory.mktemp("prints"))
    return bare, [prints[clip.id].perceptual for clip in bare], footage


def test_rendered_fakes_are_found_beside_the_clips_they_were_made_from(
    bare: tuple[list[Clip], list[str], list[str]],
) -> None:
    clips, hashes, footage = bare
    found = grouping_of(clips, hashes)
    together = {(group, shown) for group, shown in zip(found.groups.tolist(), footage, strict=True)}
    fakes = [k for k, clip in enumerate(clips) if clip.label == FAKE]
    with_own = [
        k
        for k in fakes
        if any(
            found.groups[j] == found.groups[k] and footage[j] == footage[k]
            for j in range(len(clips))
            if clips[j].label == REAL
        )
    ]
    assert len(with_own) >= 0.9 * len(fakes) and len(together) <= 1.1 * len(set(footage))
    assert found.loose.sum() == len(fakes) - len(with_own)


def test_a_shortcut_between_twins_that_nobody_named_is_found(
    bare: tuple[list[Clip], list[str], list[str]],
) -> None:
    clips, hashes, _ = bare
    table = [dict(background_facts(clip).facts) for clip in clips]
    label = np.array([clip.label for clip in clips])
    for name in ("8 px blocking across", "8 px blocking down"):  # the pictures of fakes were shifted a little
        spread = float(np.std([facts[name] for facts in table]))
        for facts, one in zip(table, label, strict=True):
            facts[name] += 0.5 * spread * one

    def verdict(groups: Sequence[int] | np.ndarray) -> tuple[float, float]:
        graph = graph_of(label, groups, [None] * len(clips))
        found = separate(table, label, np.asarray(groups), [None] * len(clips), graph, 0).auc
        assert found is not None
        return found.value, found.low

    divided, together = verdict(range(len(clips))), verdict(grouping_of(clips, hashes).groups)
    assert divided[0] < 0.6  # what no grouping would have called chance
    assert together[0] > 0.68 and together[1] > 0.5
