"""What the registries promise: names, duplicates, broken files, and errors that help."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.contracts import DetectorEntry, PerturbationEntry
from harness.registry import Registry
from harness.types import HarnessError, Recipe, unknown

GOOD = """
from harness.registry import perturbation

@perturbation("{name}", parameters=(1, 2))
def {name}(frames, parameter, rng):
    return frames
"""


def entry(name: str, file: str = "one.py") -> PerturbationEntry:
    return PerturbationEntry(name, lambda frames, parameter, rng: frames, (0.5, 0.25), file=file)


@pytest.fixture
def perturbations(monkeypatch: pytest.MonkeyPatch) -> Registry[PerturbationEntry]:
    """An empty registry in the place of the real one; its folder has nothing in it."""
    empty: Registry[PerturbationEntry] = Registry("perturbation", "harness.perturbations")
    empty._scanned = True
    monkeypatch.setattr(registry, "perturbations", empty)
    return empty


@pytest.fixture
def folder_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Registry[PerturbationEntry]]]:
    """Makes a package of the given files, and a registry over it that takes the place of the real one."""
    before = set(sys.modules)

    def make(**files: str) -> Registry[PerturbationEntry]:
        package = tmp_path / "planted_plugins"
        package.mkdir()
        (package / "__init__.py").write_text('"""Plug-ins."""\n')
        for stem, text in files.items():
            (package / f"{stem}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        planted: Registry[PerturbationEntry] = Registry("perturbation", "planted_plugins")
        monkeypatch.setattr(registry, "perturbations", planted)
        return planted

    yield make
    for name in set(sys.modules) - before:
        if name.startswith("planted_plugins"):
            del sys.modules[name]


@pytest.mark.parametrize("name", ["Blur", "blur-3", "a:b", "a@b", "a#1", "a/b", "", "_x", "x_", "a__b", "å"])
def test_a_name_that_would_confuse_a_cell_is_refused(
    name: str, perturbations: Registry[PerturbationEntry]
) -> None:
    with pytest.raises(HarnessError, match="lower-case words"):
        perturbations.add(entry(name))
    assert perturbations.names() == []


@pytest.mark.parametrize("name", ["blur", "blur_jpeg", "celeb_df_v2", "meso4", "0"])
def test_words_joined_by_underscores_are_good_names(
    name: str, perturbations: Registry[PerturbationEntry]
) -> None:
    perturbations.add(entry(name))
    assert perturbations.get(name).name == name


def test_two_files_cannot_take_the_same_name(perturbations: Registry[PerturbationEntry]) -> None:
    perturbations.add(entry("fog", "one.py"))
    with pytest.raises(HarnessError, match=r"'fog' is registered twice: one\.py .* and two\.py "):
        perturbations.add(entry("fog", "two.py"))
    assert perturbations.get("fog").file == "one.py"


def test_one_file_cannot_use_a_name_twice(perturbations: Registry[PerturbationEntry]) -> None:
    perturbations.add(entry("fog"))
    with pytest.raises(HarnessError, match="registered twice"):
        perturbations.add(dataclasses.replace(entry("fog"), apply=np.copy))


def test_a_plug_in_file_cannot_take_the_name_of_a_built_in(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(GOOD.format(name="blur"))
    with pytest.raises(HarnessError, match="registered twice"):
        registry.load_file(file)
    assert registry.perturbations.get("blur").file.endswith("perturbations/blur.py")


def test_a_file_imported_again_replaces_its_own_entry(perturbations: Registry[PerturbationEntry]) -> None:
    perturbations.add(entry("fog"))
    again = entry("fog")
    perturbations.add(again)
    assert perturbations.get("fog") is again


def test_names_are_sorted(perturbations: Registry[PerturbationEntry]) -> None:
    for name in ("snow", "fog", "rain"):
        perturbations.add(entry(name))
    assert perturbations.names() == ["fog", "rain", "snow"]


def test_an_unknown_name_is_answered_with_the_nearest(perturbations: Registry[PerturbationEntry]) -> None:
    perturbations.add(entry("blur_jpeg"))
    perturbations.add(entry("snow"))
    with pytest.raises(
        HarnessError, match=r"unknown perturbation 'blur_jpg'; did you mean 'blur_jpeg'\?.*snow"
    ):
        perturbations.get("blur_jpg")


def test_weights_are_near_by_their_name_without_the_recipe() -> None:
    stored = ["eye@mine~published+epochs1+size32", "eye@yours"]
    assert "did you mean 'eye@mine~published+epochs1+size32'?" in str(unknown("weights", "eye@min", stored))
    assert "did you mean 'eye@yours'?" in str(unknown("weights", "eye@your", stored))


def test_an_unknown_name_far_from_all_gets_no_guess(perturbations: Registry[PerturbationEntry]) -> None:
    perturbations.add(entry("snow"))
    with pytest.raises(HarnessError) as caught:
        perturbations.get("qqqq")
    assert "did you mean" not in str(caught.value)
    assert "known: snow" in str(caught.value)


def test_the_error_for_an_empty_registry_says_none(perturbations: Registry[PerturbationEntry]) -> None:
    with pytest.raises(HarnessError, match="known: none"):
        perturbations.get("fog")


def test_a_folder_is_scanned_when_first_asked(
    folder_registry: Callable[..., Registry[PerturbationEntry]],
) -> None:
    planted = folder_registry(fog=GOOD.format(name="fog"), snow=GOOD.format(name="snow"))
    assert "planted_plugins.fog" not in sys.modules
    assert planted.names() == ["fog", "snow"]
    assert planted.get("fog").file.endswith("fog.py")
    assert planted.broken() == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("def :", "SyntaxError"),
        ("raise ValueError('first line\\nsecond line')", "ValueError: first line"),
    ],
)
def test_a_broken_file_is_listed_and_breaks_only_itself(
    text: str, reason: str, folder_registry: Callable[..., Registry[PerturbationEntry]]
) -> None:
    planted = folder_registry(a_broken=text, fog=GOOD.format(name="fog"))
    assert planted.names() == ["fog"]
    assert list(planted.broken()) == ["a_broken"]
    assert planted.broken()["a_broken"].startswith(reason)
    assert "\n" not in planted.broken()["a_broken"]
    with pytest.raises(HarnessError, match="'a_broken' cannot be imported"):
        planted.get("a_broken")


def test_a_file_that_begins_with_an_underscore_helps_others_and_is_no_plug_in(
    folder_registry: Callable[..., Registry[PerturbationEntry]],
) -> None:
    planted = folder_registry(
        _thickness="raise ValueError('nobody asked for it')", fog=GOOD.format(name="fog")
    )
    assert planted.names() == ["fog"]
    assert planted.broken() == {}


def test_a_second_file_with_a_taken_name_is_the_broken_one(
    folder_registry: Callable[..., Registry[PerturbationEntry]],
) -> None:
    planted = folder_registry(fog=GOOD.format(name="fog"), fog_again=GOOD.format(name="fog"))
    assert planted.get("fog").file.endswith("fog.py")
    assert "registered twice" in planted.broken()["fog_again"]


def test_a_plug_in_file_from_anywhere_is_loaded(
    tmp_path: Path, perturbations: Registry[PerturbationEntry]
) -> None:
    file = tmp_path / "hail.py"
    file.write_text(GOOD.format(name="hail"))
    registry.load_file(file)
    assert perturbations.get("hail").parameters == (1, 2)
    assert perturbations.get("hail").file == str(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "does not exist"),
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("def :", "cannot be imported: SyntaxError"),
        (GOOD.format(name="UPPER"), "lower-case words"),
    ],
)
def test_a_plug_in_file_that_cannot_be_loaded_says_why_in_one_line(
    text: str | None, said: str, tmp_path: Path, perturbations: Registry[PerturbationEntry]
) -> None:
    file = tmp_path / "hail.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(HarnessError, match=said) as caught:
        registry.load_file(file)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "hail.txt"
    file.write_text("hello")
    with pytest.raises(HarnessError, match="is not a Python file"):
        registry.load_file(file)


def test_severities_count_from_one_and_clean_is_not_one() -> None:
    fog = entry("fog")
    assert [fog.parameter(severity) for severity in (1, 2)] == [0.5, 0.25]
    for severity in (0, 3, -1):
        with pytest.raises(HarnessError, match=f"no severity {severity} .*1 to 2"):
            fog.parameter(severity)


def test_a_family_makes_the_entry_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.detectors, "_families", dict(registry.detectors._families))

    @registry.detector_family("colour")
    def colour(argument: str) -> registry.DetectorEntry:
        """A detector that answers with its argument."""
        return registry.DetectorEntry(f"colour:{argument}", lambda: argument)

    assert "colour" in registry.detectors.families()
    assert registry.detectors.get("colour:red").make() == "red"
    assert "colour" not in registry.detectors.names()
    with pytest.raises(HarnessError, match=r"unknown detector 'color:red'; did you mean 'colour:\.\.\.'"):
        registry.detectors.get("color:red")


def test_a_recipe_reaches_the_detector_and_an_unknown_one_is_named() -> None:
    recipe = Recipe(size=64, frames=2, epochs=1, batch=1, learning_rate=0.1, options={"streams": "rgb"})
    trained = DetectorEntry("eye", lambda **given: given, {"quick": recipe})
    assert trained.trainable
    assert trained.make(trained.recipe("quick")) == {
        "size": 64,
        "frames": 2,
        "pretrained": False,
        "streams": "rgb",
    }
    with pytest.raises(HarnessError, match=r"unknown recipe of eye 'quik'; did you mean 'quick'"):
        trained.recipe("quik")
    with pytest.raises(HarnessError, match="built from a recipe"):
        trained.make()


def test_a_fixed_detector_is_built_as_it_is() -> None:
    fixed = DetectorEntry("rock", lambda: "built")
    assert not fixed.trainable
    assert fixed.make() == "built"


def test_a_dataset_that_can_be_made_is_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    empty: Registry[registry.DatasetEntry] = Registry("dataset", "harness.datasets")
    empty._scanned = True
    monkeypatch.setattr(registry, "datasets", empty)

    @registry.dataset("made", about="made here", prepare=lambda root: None)
    def made(root: Path) -> Iterator[object]:
        return iter(())

    @registry.dataset("brought", about="brought by the user")
    def brought(root: Path) -> Iterator[object]:
        return iter(())

    assert empty.get("made").embedded
    assert not empty.get("brought").embedded
    assert empty.get("brought").clips.__wrapped__ is brought  # type: ignore[attr-defined]
