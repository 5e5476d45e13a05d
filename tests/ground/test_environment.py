"""What results are made with is told apart, and what nobody says is no difference."""

from __future__ import annotations

from harness.environment import differences, made_with, revision, sources_of, versions


def test_the_revision_is_a_commit_or_says_unknown() -> None:
    commit, dirty = revision()
    assert commit == "unknown" or (len(commit) == 40 and int(commit, 16) >= 0)
    assert isinstance(dirty, bool)


def test_what_is_made_now_with_the_same_differs_in_nothing() -> None:
    made = made_with(("files", "matrices"), {}, {"device": "a processor"})
    assert set(made["sources"]) == {"files.py", "matrices/__init__.py"}
    assert made["versions"] == versions() and "pandas" in made["versions"]
    assert differences(made, made) == []


def test_a_place_is_a_module_or_all_modules_of_a_folder() -> None:
    assert list(sources_of("files", "types")) == ["files.py", "types.py"]
    assert list(sources_of("matrices")) == ["matrices/__init__.py"]


def test_differences_name_devices_libraries_and_files_and_count_the_rest() -> None:
    then = {
        "commit": "a",
        "versions": {"timm": "1.0", "gone": "3"},
        "device": {"device": "one GPU", "driver": "570"},
        "sources": {f"{k}.py": "0" for k in range(6)},
    }
    now = {
        "commit": "b",
        "versions": {"timm": "1.1", "new": "4"},
        "device": {"device": "one GPU", "driver": "580"},
        "sources": {f"{k}.py": "1" for k in range(6)},
    }
    assert differences(then, now) == [
        "driver 570 -> 580",
        "timm 1.0 -> 1.1",
        "sources (0.py, 1.py, 2.py, 3.py and 2 more)",
    ]
    assert differences({**then, "sources": {}}, {**then, "commit": "c"}) == []
