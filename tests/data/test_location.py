"""A dataset is found where a user says it lies, `~` included."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.data.location import root_of
from harness.files import home as derived
from harness.registry import datasets
from harness.types import HarnessError


def test_a_tilde_is_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("GAPBENCH_DATA_UADFV", "~/clips")
    monkeypatch.setenv("GAPBENCH_HOME", "~/derived")
    assert root_of(datasets.get("uadfv")) == tmp_path / "me" / "clips"
    assert derived() == tmp_path / "me" / "derived"
    (tmp_path / "data.toml").write_text('celeb_df_v2 = "~/celeb"\n')
    assert root_of(datasets.get("celeb_df_v2")) == tmp_path / "me" / "celeb"


def test_the_folder_of_a_user_nobody_knows_is_an_error_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAPBENCH_DATA_UADFV", "~nobody-of-that-name/clips")
    with pytest.raises(HarnessError, match=r"~nobody-of-that-name/clips: there is no such user's folder"):
        root_of(datasets.get("uadfv"))
