"""Whatever a name, a reason or an error says, every output stays what it is, by its own parser."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from harness.data.check.composition import by_class
from harness.data.check.inspection import Inspection, page, report
from harness.files import file_name
from harness.gate.verdicts import OUTCOMES, Verdict, junit, markdown_summary, verdict_table
from harness.guard import names
from harness.records import Board
from harness.report.leaderboard import cost_table, markdown, rows_table, terminal
from harness.report.plots.gallery import DRAWN, draw_plots
from harness.report.plots.style import drawable
from harness.results.cross_domain import domains_of
from harness.results.ranking import standings_of
from harness.tables import Table
from harness.tracking.mlflow_run import _summary, path_of, slug, track_entry
from harness.types import Clip, Prediction
from tests.guard.nasty import NAMES, planted

SOUND = (
    "xception",
    "lab_c23-gan~mine#1",
    "a.b:c+d=e/f",
    "Größe 漢字",
    "two words",
    "-",
    "",
    "0.634 [.537, .720]",
)
NASTY = pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[1:25] for name in NAMES])


def only_prints(text: str, lines: bool = True) -> bool:
    """Whether nothing in it acts, hides or is no text."""
    return all(
        sign.isprintable() or unicodedata.category(sign) == "Zs" or (lines and sign == "\n") for sign in text
    )


def cells_of(line: str) -> list[str]:
    """The cells of a table's line, as GitHub cuts it."""
    return re.findall(r"((?:\\.|[^|\\]|\\(?=\s))*)\|", line)


def headings(text: str) -> list[str]:
    """The first words of the headings of a page."""
    return [re.split(r"[ -]", line)[1] for line in text.splitlines() if line.startswith("#")]


def sound_markdown(text: str, like: str) -> None:
    assert only_prints(text)
    assert re.search(r"<[A-Za-z/!?]", text) is None
    assert set(re.findall(r"\]\([^)]*\)?", text)) <= {"](README.md)"}
    assert not Counter(headings(text)) - Counter(headings(like))
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        if lines[0].startswith("|"):
            assert len({len(cells_of(line)) for line in lines}) == 1, block
            assert max(map(len, (cell for line in lines for cell in cells_of(line)))) < 700
        else:
            assert block.count("`") % 2 == 0, block
            assert not [
                line for line in lines[1:] if re.match(r"([-+*>=|]|#+)(\s|$)|(---|===|```|~~~)", line)
            ], block


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[object] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attributes]))

    def handle_comment(self, data: str) -> None:
        self.found.append("comment")


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_name_is_the_same_everywhere(name: str) -> None:
    kinds = (names.visible, names.words, names.line, names.page, names.markdown, names.cell, names.code)
    kinds += (
        names.html,
        names.csv,
        names.stored,
        names.entity,
        lambda text: names.drawn(text, lambda _: True),
    )
    assert [how(name) for how in kinds] == [name] * len(kinds)


@pytest.mark.parametrize("number", ["-0.5", "+3", "-1e-05", "-", "-.5", -0.5, None, True])
def test_numbers_are_no_formulas(number: object) -> None:
    assert names.csv(number) == number


@NASTY
def test_the_pages_of_a_board_hold_any_name(name: str, marked: Board) -> None:
    sound, board = markdown(planted(marked, "x"), oracle=True), planted(marked, names.stored(name))
    text = markdown(board, oracle=True)
    sound_markdown(text, sound)
    assert only_prints(terminal(board, oracle=True))
    assert len(text) < 1_000_000


@NASTY
def test_the_tables_of_a_board_compute_nothing(name: str, marked: Board) -> None:
    board = planted(marked, names.stored(name))
    for frame in (rows_table(board.rows), cost_table(board), domains_of(board)):
        read = list(csv.reader(io.StringIO(names.csv_text(frame))))
        assert {len(line) for line in read} == {len(frame.columns)} and len(read) == len(frame) + 1
        for cell in (cell for line in read for cell in line):
            assert only_prints(cell, lines=False)
            assert not cell.startswith(("=", "+", "@", "\t")) and not re.match(r"-[^\d.]", cell)


@NASTY
def test_the_verdicts_of_the_gate_hold_any_name(name: str) -> None:
    verdicts = [Verdict(f"eye@{name}/lab/clean", "auc", outcome, f"0.9 {name}") for outcome in OUTCOMES]
    cases = ET.fromstring(junit("smoke", verdicts)).findall(".//testcase")
    assert len(cases) == len(verdicts)
    sound_markdown(markdown_summary("smoke", verdicts), "## Gate")
    assert only_prints(verdict_table(verdicts))


@NASTY
def test_the_page_of_a_data_check_holds_any_name(name: str) -> None:
    def inspection(text: str) -> Inspection:
        clips = [Clip(f"{text}/{k}", Path(text or "x"), k % 2, "test") for k in range(8)]
        found = by_class(f"blank {text}", f"show {text}", [clip.id for clip in clips[::2]], clips)
        table = Table(f"Facts {text}", (text, "real"), ((text, "1"),), text)
        return Inspection(text, Path(text or "x"), 8, tuple(found), (table,))

    made = inspection(name)
    assert only_prints(report(made))
    assert only_prints(page(name, [made]))
    assert Tags(page(name, [made])).found == Tags(page("x", [inspection("x")])).found


@NASTY
def test_mlflow_takes_any_name(name: str, marked: Board) -> None:
    from mlflow.utils import validation

    board = planted(marked, names.stored(name))
    standings = standings_of(board)
    for entry in board.entries:
        run = track_entry(entry, board, standings)
        for metric, _, _ in run.points:
            validation._validate_metric_name(metric)
        for key, value in (*run.params.items(), *run.tags.items()):
            validation._validate_param_name(key)
            assert only_prints(value, lines=False) and len(value) <= 400
        assert not set("'\"`") & set(run.name) and only_prints(run.name, lines=False)
        assert all(0 < len(said) <= 200 for said, _, _ in run.inputs)
        assert "<script" not in _summary(entry, board) and only_prints(_summary(entry, board))
        for row in entry.rows:
            parts = Path(path_of(row.cell)).parts
            assert len(parts) == 3 and not {".", ".."} & set(parts)
            assert max(len(part.encode()) for part in parts) < 240
    assert len({slug(entry.name) for entry in board.entries}) == len(board.entries)


@NASTY
def test_a_part_of_a_file_name_makes_one_file(name: str, tmp_path: Path) -> None:
    part = file_name(name)
    (tmp_path / f"{part}.parquet").write_text("there")
    assert [path.name for path in tmp_path.iterdir()] == [f"{part}.parquet"]


@NASTY
def test_what_is_kept_of_clips_can_be_written_as_utf_8(name: str) -> None:
    clip = Clip(name, Path("x"), 0, "test", name, name, name)
    said = Prediction(name, 0, None, error=name, note=name)
    for text in (clip.id, clip.manipulation, clip.target, clip.source, said.clip_id, said.error, said.note):
        assert text is not None and text.encode()
    assert clip.id == name or not name.isprintable()


def test_names_that_were_cut_or_shown_stay_different() -> None:
    told = names.Renaming(lambda text: names.drawn(text, lambda _: True, 20))
    twins = ["n" * 5000, "n" * 5001, "\x1b", "\\x1b", "_a", " _a"]
    assert len({told(name) for name in twins}) == len(twins)
    assert len({names.cut(name) for name in twins[:2]}) == 2


@pytest.mark.parametrize("name", ["$x$ \\$ \x1b[31m\n\U0001f600漢\u202e<b>" + "n" * 5000, "$_{", "_%s"])
def test_every_plot_of_a_board_is_drawn_with_any_name(name: str, marked: Board, tmp_path: Path) -> None:
    board = planted(marked, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of glyphs that are missing, of labels that are left out
        drawn = draw_plots(board, tmp_path)
    assert {path.name for path in drawn} == {f"scores-{plot}.png" for plot in DRAWN}
    for path in drawn:
        assert max(Image.open(path).size) < 6000, path


def test_a_board_of_sound_names_is_drawn_as_it_is(marked: Board) -> None:
    board = planted(marked, "x")
    assert drawable(board) is board


@pytest.mark.parametrize(
    "password", ["secret", "se cret", "se@cret", "se/cret", "se\ncret", "s%40cret", "se:cret"]
)
@pytest.mark.parametrize("scheme", ["http", "postgresql", "nosuch"])
def test_no_password_of_an_address_is_told(scheme: str, password: str) -> None:
    address = f"{scheme}://user:{password}@host:5000/db?password=secret&x=1"
    for text in (address, f"cannot reach {address} (host)", f"user {password}: no", f"at {unquote(address)}"):
        shown = names.without_secrets(text, address)
        assert "cret" not in shown and "***" in shown
    assert names.without_secrets(address, address).endswith("@host:5000/db?password=***&x=1")
    for sound in ("http://host:5000/a", "sqlite:////a/b@c.db", "http://user@host", "a line: with an @ in it"):
        assert names.without_secrets(sound, sound) == sound
