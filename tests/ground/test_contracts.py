"""A recipe under a name that says what of it was changed."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contracts import DetectorEntry, changed_recipe, clips_of_recipe
from harness.types import HarnessError, Recipe

RECIPE = Recipe(size=256, frames=32, epochs=20, batch=75, learning_rate=1e-3)
ENTRY = DetectorEntry("some", object, {"published": RECIPE})


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "published"),
        ({"epochs": None, "present": False}, "published"),
        ({"present": True, "epochs": 3}, "published+epochs3+present"),
        ({"lr": 0.00001, "size": 128}, "published+size128+lr0.00001"),
        ({"from": "0123456789", "limit": 50}, "published+limit50+from0123456789"),
    ],
)
def test_a_changed_recipe_has_a_name_of_its_own(changes: dict[str, Any], name: str) -> None:
    assert changed_recipe("published", changes) == name


def test_the_name_is_the_recipe() -> None:
    found = ENTRY.recipe("published+epochs3+size128+clips10+batch8+lr0.00001+limit50+present+from0123456789")
    assert (found.epochs, found.size, found.clips, found.batch) == (3, 128, 10, 8)
    assert (found.learning_rate, found.limit, found.present, found.start) == (1e-5, 50, True, "0123456789")
    assert found.frames == RECIPE.frames and ENTRY.recipe("published") == RECIPE


def test_which_clips_a_recipe_takes_is_in_its_name() -> None:
    assert clips_of_recipe("published") == (False, None)
    assert clips_of_recipe("published+epochs3+limit50+present") == (True, 50)


@pytest.mark.parametrize("change", ["epochs", "epochs0", "epoch3", "lr2", "from12", "presents", ""])
def test_a_change_that_nobody_knows_is_an_error(change: str) -> None:
    with pytest.raises(HarnessError, match="unknown change of a recipe"):
        ENTRY.recipe(f"published+{change}")
    with pytest.raises(HarnessError, match="did you mean 'published'"):
        ENTRY.recipe("publishd+epochs3")
