"""What several tests need: quiet libraries, the tiny procedural dataset, simulated worlds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny procedural dataset, made once for all tests."""
    from harness import registry

    entry = registry.datasets.get("procedural_tiny")
    root = tmp_path_factory.mktemp("data") / f"{entry.name}-v{entry.version}"
    assert entry.prepare is not None
    entry.prepare(root)
    return root


@pytest.fixture
def home(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own that finds the tiny dataset made; the test's folder is the working directory."""
    from harness import registry

    for kind in (registry.detectors, registry.datasets, registry.perturbations):
        kind.names()
        monkeypatch.setattr(kind, "_entries", dict(kind._entries))  # a test's plug-ins end with it
    folder = tmp_path / "home"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / tiny_root.name).symlink_to(tiny_root, target_is_directory=True)
    costs = tiny_root.parent / "costs"  # what a detector costs here is measured once for all tests
    costs.mkdir(exist_ok=True)
    (folder / "costs").symlink_to(costs, target_is_directory=True)
    monkeypatch.setenv("GAPBENCH_HOME", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference material for tests; they skip aloud where it is absent."""
    named = os.environ.get("GAPBENCH_REFERENCE")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip(f"the reference folder is absent ({folder}); set GAPBENCH_REFERENCE")
    return folder


@dataclass(frozen=True)
class Faces:
    """Who is seen in some clips: what detectors are simulated on."""

    label: np.ndarray
    """`[N]`, 0 or 1."""
    target: np.ndarray
    """int `[N]`, the person whose body is seen."""
    source: np.ndarray
    """int `[N]`, the person whose face was put on it; -1 for a real clip."""

    def names(self) -> tuple[np.ndarray, np.ndarray]:
        """Target and source as predictions name them, None where there is none."""
        both = [np.array([f"person{k}" for k in part], dtype=object) for part in (self.target, self.source)]
        both[1][self.source < 0] = None
        return both[0], both[1]

    def predictions(self, scores: np.ndarray) -> pd.DataFrame:
        """Scores `[N]` of any size as stored predictions; their order stays."""
        target, source = self.names()
        shown = 1 / (1 + np.exp(-scores))
        named = {
            "clip_id": [f"simulated/{k}" for k in range(len(scores))],
            "label": self.label,
            "manipulation": np.where(self.label == 1, "swap", None),
            "target": target,
            "source": source,
            "score": shown,
            "frame_scores": list(shown[:, None]),
            "frame_indices": [[0]] * len(scores),
            "error": None,
        }
        return pd.DataFrame(named)


class Worlds:
    """Repetitions of an experiment in which people are drawn anew each time, with known AUCs."""

    @staticmethod
    def celeb_df_like(rng: np.random.Generator) -> Faces:
        """Who is seen in the 518 test clips of Celeb-DF v2: fakes are swaps among 52 people.

        178 reals: 108 of the 52 people, and one of each of 70 others. 340 fakes, no two of them the
        same target with the same source.
        """
        swaps = rng.choice(52 * 51, 340, replace=False)
        target, step = swaps // 51, 1 + swaps % 51
        shown = [np.arange(108) % 52, 52 + np.arange(70), target]
        source = np.concatenate([np.full(178, -1), (target + step) % 52])
        return Faces(np.repeat([0, 1], [178, 340]), np.concatenate(shown), source)

    @staticmethod
    def swaps(rng: np.random.Generator, people: int, reals: int, fakes: int) -> Faces:
        """Reals and fakes of people picked by chance; nobody is swapped with themselves."""
        shown, target = rng.integers(people, size=reals), rng.integers(people, size=fakes)
        source = (target + rng.integers(1, people, fakes)) % people
        return Faces(
            np.repeat([0, 1], [reals, fakes]),
            np.concatenate([shown, target]),
            np.concatenate([np.full(reals, -1), source]),
        )

    @staticmethod
    def scores(
        rng: np.random.Generator,
        faces: Faces,
        aucs: Sequence[float],
        icc: float,
        correlation: float = 0.0,
        one_effect: bool = False,
    ) -> np.ndarray:
        """Scores `[M, N]` of detectors with these AUCs on clips of people drawn anew.

        A score is 0 or the shift of a fake, plus the effects of the identities in the clip, plus
        noise. Each effect has variance `icc`, the whole variance 1, so two clips that share an
        identity correlate by `icc`. A person has one effect as target, another as source, another in
        a real clip, or `one_effect` throughout. Effects and noise of two detectors correlate by
        `correlation`.
        """
        people = int(max(faces.target.max(), faces.source.max())) + 1
        many, fake = len(aucs), faces.label == 1

        def drawn(*shape: int) -> np.ndarray:
            shared, own = rng.normal(size=shape), rng.normal(size=(many, *shape))
            return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own

        effects = np.sqrt(icc) * drawn(3, people)
        if one_effect:
            effects[:] = effects[:, :1]
        as_target, as_source, in_reals = effects.transpose(1, 0, 2)
        left = np.sqrt(np.where(fake, 1 - 2 * icc, 1 - icc))
        of_people = np.where(
            fake, as_target[:, faces.target] + as_source[:, faces.source], in_reals[:, faces.target]
        )
        shift = np.sqrt(2) * ndtri(np.asarray(aucs, dtype=np.float64))  # AUC = Phi(shift / sqrt(2))
        return np.asarray(shift[:, None] * fake + of_people + left * drawn(len(fake)))


@pytest.fixture(scope="session")
def worlds() -> Worlds:
    """Simulated experiments: `worlds.scores(rng, worlds.celeb_df_like(rng), [0.85, 0.9], icc=0.2)`."""
    return Worlds()


THOROUGH = (
    *("test_edited_store", "test_names", "test_parsed", "test_every_reader", "test_strange_plugins"),
    *("test_strange_names", "test_hostile_media", "test_checkpoint"),
)
"""Long tables of hostile input, of which the suite tries one in `ONE_IN` and `make thorough` all."""
ONE_IN = 4


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out most of the long tables, unless all of them are asked for; pytest says how many."""
    if os.environ.get("THOROUGH"):
        return
    tables = [item for item in items if Path(str(item.fspath)).stem in THOROUGH and "[" in item.name]
    left = {id(item) for number, item in enumerate(tables) if number % ONE_IN}
    if left:
        config.hook.pytest_deselected(items=[item for item in items if id(item) in left])
        items[:] = [item for item in items if id(item) not in left]
