"""Where a dataset is said to lie: in the environment, or in the nearest `data.toml`; `~` included."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import registry
from harness.data.location import data_file, root_of, set_root
from harness.files import home as derived
from harness.types import HarnessError

UADFV = registry.datasets.get("uadfv")


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("GAPBENCH_DATA_UADFV", "~/clips")
    monkeypatch.setenv("GAPBENCH_HOME", "~/derived")
    assert root_of(registry.datasets.get("uadfv")) == tmp_path / "me" / "clips"
    assert derived() == tmp_path / "me" / "derived"
    (tmp_path / "data.toml").write_text('celeb_df_v2 = "~/celeb"\n')
    assert root_of(registry.datasets.get("celeb_df_v2")) == tmp_path / "me" / "celeb"


def test_the_folder_of_a_user_nobody_knows_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_DATA_UADFV", "~nobody-of-that-name/clips")
    with pytest.raises(HarnessError, match=r"~nobody-of-that-name/clips: there is no such user's folder"):
        root_of(registry.datasets.get("uadfv"))


def test_the_file_of_a_project_is_found_from_any_folder_of_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.toml").write_text('uadfv = "clips/uadfv"\n')
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    assert root_of(UADFV) == tmp_path / "clips" / "uadfv"


def test_the_nearest_file_counts_and_the_users_own_comes_last(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "config" / "gapbench" / "data.toml"  # as $XDG_CONFIG_HOME of the tests says
    own.parent.mkdir(parents=True)
    own.write_text('uadfv = "/everywhere"\n')
    assert root_of(UADFV) == Path("/everywhere")
    (tmp_path / "data.toml").write_text('uadfv = "/here"\n')
    assert root_of(UADFV) == Path("/here")
    monkeypatch.setenv("GAPBENCH_DATA_UADFV", "/said")
    assert root_of(UADFV) == Path("/said")


def test_what_is_set_is_written_to_the_file_that_is_read(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data.toml").write_text('ffpp_c23 = "relative"\n')
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert set_root("uadfv", Path(".")) == tmp_path / "data.toml" == data_file()
    assert (tmp_path / "data.toml").read_text().splitlines()[1:] == [
        'ffpp_c23 = "relative"',
        f'uadfv = "{tmp_path / "below"}"',
    ]


def test_without_any_file_one_is_begun_here(home: Path, tmp_path: Path) -> None:
    assert set_root("uadfv", tmp_path) == tmp_path / "data.toml"
