"""Matrices: what a file may say, and which cells it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.clips import Subset
from harness.evaluation.matrix import known_matrices, load_matrix, parse_condition, parse_matrix
from harness.types import REAL, Cell, Clip, HarnessError, Runtime

GOOD = """
about = "a test"
detectors = ["constant", "xception"]
train = ["procedural_lab"]
test = ["procedural_lab", "procedural_wild"]
perturbations = ["jpeg-2"]
"""


def test_every_matrix_that_comes_along_is_valid_and_has_cells() -> None:
    assert {"smoke", "cross-dataset", "cross-manipulation", "robustness"} <= set(known_matrices())
    for name in known_matrices():
        matrix = load_matrix(name)
        cells = matrix.cells(Runtime())
        assert len(cells) == len(set(cells)) > 0
        assert "nothing about" in " ".join(matrix.about.split()), (
            f"{name} must say what its numbers do not say"
        )


def test_cells_are_every_detector_on_every_test_set_under_every_condition() -> None:
    cells = parse_matrix(GOOD, "m").cells(Runtime())
    assert len(cells) == 2 * 2 * 2
    assert {str(cell) for cell in cells} >= {
        "constant/procedural_wild/clean",
        "xception@procedural_lab/procedural_wild/jpeg-2",
    }


def test_a_perturbation_without_a_severity_means_all_of_them_and_clean_comes_first() -> None:
    matrix = parse_matrix(GOOD.replace("jpeg-2", "jpeg"), "m")
    assert matrix.conditions() == [("clean", 0), *(("jpeg", severity) for severity in range(1, 6))]
    assert parse_condition("clean") == [("clean", 0)]


def test_regimes_tell_in_dataset_from_unseen() -> None:
    def regime(trained: str | None, tested: str) -> str:
        return Cell("d", trained, tested).regime

    assert regime("a", "a") == "in-dataset"
    assert regime("a", "b") == "cross-dataset"
    assert regime("a-x", "a:x") == "cross-manipulation"
    assert regime("a-x", "a:y") == "in-dataset"
    assert regime("a-x", "a-x") == "in-dataset"
    assert regime("a-x", "a") == "cross-manipulation"
    assert regime(None, "a") == "fixed"


def test_another_compression_or_cut_of_what_was_trained_on_is_not_another_dataset() -> None:
    regimes = [
        Cell("x", "ffpp_c23", on).regime
        for on in ("ffpp_c40", "ffpp_raw", "deepfakebench_ffpp", "celeb_df_v2", "ffpp_c40:FaceSwap")
    ]
    assert regimes == ["in-dataset", "in-dataset", "in-dataset", "cross-dataset", "in-dataset"]
    assert Cell("x", "ffpp_c23-FaceSwap", "ffpp_c40:FaceSwap").regime == "cross-manipulation"


def test_the_digest_changes_with_what_is_measured_and_not_with_the_wording() -> None:
    matrix = parse_matrix(GOOD, "m")
    assert parse_matrix(GOOD.replace("a test", "other words"), "m").sha256 == matrix.sha256
    assert parse_matrix(GOOD.replace("jpeg-2", "jpeg-3"), "m").sha256 != matrix.sha256


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("jpeg-2", "jpg-2"), "unknown perturbation 'jpg'; did you mean 'jpeg'?"),
        (("jpeg-2", "jpeg--2"), "has no severity -2"),
        (("jpeg-2", "jpeg-9"), "has no severity 9 (known: 1 to 5"),
        (("jpeg-2", "jpeg 2"), "is not a perturbation"),
        (('"xception"', '"exception"'), "unknown detector 'exception'; did you mean 'xception'?"),
        (('"procedural_wild"', '"procedural_wide"'), "unknown dataset 'procedural_wide'"),
        (('"procedural_wild"', '"procedural_wild:"'), "names no manipulation"),
        (("perturbations", "pertubations"), "did you mean 'perturbations'?"),
        (('["constant", "xception"]', '"xception"'), "detectors must be a list"),
        (('["constant", "xception"]', '["xception", "xception"]'), "a list of different names"),
        (('["constant", "xception"]', "[]"), "detectors must be a list"),
        (('about = "a test"', ""), "lacks 'about'"),
        (('about = "a test"', 'about = "a test"\nbatch = 0'), "batch must be a whole number above 0"),
        (('about = "a test"', 'about = "a test"\nprecision = "fp8"'), "unknown precision"),
        (('about = "a test"', 'about = "a test"\nseeds = [-1]'), "seeds must be"),
        (('about = "a test"', "about = "), "is not valid TOML"),
        (('["jpeg-2"]', '["jpeg-2"]\n[data]\nfoldr = "x"'), "did you mean 'folder'?"),
        (('train = ["procedural_lab"]', ""), "names nothing to train on"),
    ],
)
def test_a_wrong_matrix_is_refused_in_one_line(change: tuple[str, str], said: str) -> None:
    with pytest.raises(HarnessError) as caught:
        parse_matrix(GOOD.replace(*change), "m").cells(Runtime())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_manipulation_may_have_a_dash_in_its_name() -> None:
    assert Subset.parse("folder:my-swap") == Subset("folder", only="my-swap")
    assert Subset.parse("folder-my-swap") == Subset("folder", left_out="my-swap")
    assert Cell("d", "folder-my-swap", "folder:my-swap").regime == "cross-manipulation"


def test_leaving_a_manipulation_out_and_taking_only_it_are_complements() -> None:
    def clip(name: str, split: str, manipulation: str | None) -> Clip:
        return Clip(name, None, int(manipulation is not None), split, manipulation)  # type: ignore[arg-type]

    kinds = (None, "x", "y")
    clips = tuple(
        clip(f"{split}/{kind}", split, kind) for split in ("train", "val", "test") for kind in kinds
    )
    trained = Subset.parse("a-x").for_training(clips)
    tested = Subset.parse("a:x").for_testing(clips)
    assert {c.id for c in trained} == {"train/None", "train/y", "val/None", "val/y"}
    assert {c.id for c in tested} == {"test/None", "test/x"}
    with pytest.raises(HarnessError, match="no manipulation 'z'"):
        Subset.parse("a:z").for_testing(clips)


def test_a_margin_that_lets_everything_pass_is_refused() -> None:
    with pytest.raises(HarnessError, match="margin of auc is a share below 1, not 5"):
        parse_matrix(GOOD + "[gate]\nauc = 5\n", "mine")
    assert parse_matrix(GOOD + "[gate]\nfps_min = 100\n", "mine").gate == {"fps_min": 100}


@pytest.mark.parametrize("prevalence", ["0.0", "1.0", "1", "'few'"])
def test_a_prevalence_is_a_share_above_0_and_below_1(prevalence: str) -> None:
    with pytest.raises(HarnessError, match="prevalence must be a share above 0 and below 1"):
        parse_matrix(f"prevalence = {prevalence}\n" + GOOD, "mine")


def test_a_training_set_may_have_a_recipe_of_its_own() -> None:
    sets = 'train = ["procedural_lab", "ffpp_c23"]\ntest = ["folder"]\n'
    text = f'about = "a"\ndetectors = ["xception"]\n{sets}'
    matrix = parse_matrix(text + 'recipe = "procedural"\n[recipes]\nffpp_c23 = "published"\n', "m")
    assert [matrix.recipe_for(name) for name in matrix.train] == ["procedural", "published"]
    with pytest.raises(HarnessError, match="training set in recipes of matrix m 'ffpp_c32'; did you mean"):
        parse_matrix(text + '[recipes]\nffpp_c32 = "published"\n', "m")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('no_face = "as-reel"', "unknown no_face of matrix m 'as-reel'; did you mean 'as-real'"),
        ('[crop]\nfolder = "faces"', "unknown crop of matrix m 'faces'; did you mean 'face'"),
        ('[crop]\nfoldr = "face"', "unknown dataset 'foldr'; did you mean 'folder'"),
        ("[crop]\nfolder = 1", 'crop must be a table, dataset = "CROP"'),
    ],
)
def test_how_clips_are_shown_is_checked(line: str, said: str) -> None:
    text = f'about = "a"\ndetectors = ["constant"]\ntest = ["folder"]\n{line}\n'
    with pytest.raises(HarnessError) as refused:
        parse_matrix(text, "m").cells(Runtime())
    assert said in str(refused.value)


def test_how_clips_are_shown_changes_the_digest() -> None:
    text = 'about = "a"\ndetectors = ["constant"]\ntest = ["folder"]\n'
    digests = {parse_matrix(text + more, "m").sha256 for more in ("", 'no_face = "exclude"\n')}
    assert len(digests | {parse_matrix(text + '[crop]\nfolder = "none"\n', "m").sha256}) == 3


def test_a_manipulation_that_is_not_copied_here_may_be_left_out_all_the_same() -> None:
    clips = (Clip("ffpp_c23/youtube/000", Path("a.mp4"), REAL, "test"),)
    assert Subset.parse("ffpp_c23-FaceShifter").for_testing(clips) == clips
    for text in ("ffpp_c23-FaceShiftr", "ffpp_c23:FaceShifter"):
        with pytest.raises(HarnessError, match="has no manipulation"):
            Subset.parse(text).for_testing(clips)
