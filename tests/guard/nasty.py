"""Names that somebody else chose, and a board whose every text holds one."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.records import Board, Cost, Known
from harness.results.external_scores import board_from_scores
from harness.results.score_file import read_scores

MARK = "NASTY"
NAMES = (
    *("<script>alert(1)</script>", "$x$", "$", "a|b", "\\|", "a\nb", "a\r\n## b", "\x1b[31mred"),
    *("\u202egnp", "=cmd()", "+1+cmd|' /C'!A0", "@sum(a)", "`", "``", "`<b>`", "[x](http://y)"),
    *("![i](x)", "\ud800", "\udcff", "\0", "n" * 5000, "many words " * 500, "\U0001f600\u200d"),
    *("../x", "..", ".", "%s{0}", "&amp;", "]]>", "<!--", "a'b\"c", "_hidden", "\u2028", "\x7f\x85"),
    *("\u3164", "\\", "\t", "# head", "- item", "漢字é"),
)


def planted(thing: Any, text: str) -> Any:
    """A record in which the text stands wherever `MARK` stood."""
    if isinstance(thing, str):
        return thing.replace(MARK, text)
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        found = {f.name: planted(getattr(thing, f.name), text) for f in dataclasses.fields(thing)}
        return dataclasses.replace(thing, **found)
    if isinstance(thing, Mapping):
        return {planted(key, text): planted(value, text) for key, value in thing.items()}
    if isinstance(thing, (tuple, list)):
        return type(thing)(planted(value, text) for value in thing)
    return thing


@functools.cache
def marked_board(folder: Path) -> Board:
    """A board with every kind of table, whose names and reasons all hold `MARK`."""
    rng = np.random.default_rng(0)
    lines = []
    for detector in ("one", "two"):
        for on, split in (("lab", "val"), ("lab", "test"), ("wild", "test"), ("far", "test")):
            for condition, severity in (("clean", 0), (f"fog{MARK}", 1)):
                for k in range(24):
                    fake = k % 2
                    lost = k > 20 and on == "wild"
                    lines.append(
                        {
                            **{"detector": f"{detector}{MARK}", "trained_on": f"lab{MARK}", "split": split},
                            **{"tested_on": f"{on}{MARK}", "perturbation": condition, "severity": severity},
                            **{"clip_id": f"{split}{k}{MARK}", "label": fake, "target": f"id{k // 2}{MARK}"},
                            "score": ""
                            if lost
                            else f"{np.clip(rng.normal(0.4 + 0.2 * fake, 0.2), 0, 1):.3f}",
                            "error": f"unreadable {detector}{MARK}" if lost else "",
                            "manipulation": (f"gan{MARK}", f"swap{MARK}")[k % 4 // 2] if fake else "",
                        }
                    )
    file = folder / "scores.csv"
    pd.DataFrame([line for line in lines if line["split"] == "test" or not line["severity"]]).to_csv(
        file, index=False
    )
    board, _ = board_from_scores(read_scores(file))
    cost = Cost(f"one{MARK}", f"GPU {MARK}", "fp32", 64, 4, 8, 100.0, 2.0, None, None, 10, None, None)
    cost = dataclasses.replace(cost, throughput_invalid=f"busy {MARK}", clocks=MARK, driver=MARK, flags=MARK)
    entries = []
    for entry in board.entries:
        recipe = {"size": 64, "frames": 4, "clips": None, "epochs": MARK, "batch": MARK}
        said = {"unjudged": f"lost {MARK}", "commit": MARK, "recipe": recipe, "footage_compared": False}
        rows = [
            dataclasses.replace(
                row,
                provenance={
                    **row.provenance,
                    **(said if k else {}),
                    "made": [{"a": MARK}, {"a": f"b{MARK}"}],
                },
                reasons={**row.reasons, "ppv": f"why {MARK}"},
            )
            for k, row in enumerate(entry.rows)
        ]
        rows[-1] = dataclasses.replace(
            rows[-1], provenance={**rows[-1].provenance, "shared_footage": f"as {MARK} did"}
        )
        entries.append(dataclasses.replace(entry, rows=tuple(rows), cost=cost))
    return dataclasses.replace(
        board,
        about=f"About {MARK}",
        entries=tuple(entries),
        absent={f"gone{MARK}": f"fetch {MARK}"},
        shortcuts={f"wild{MARK}": f"told by {MARK}", f"lab{MARK}": None},
        known={f"wild{MARK}": Known(3, 9, (f"known {MARK}",), (f"gapbench {MARK}",), {"a_fact": MARK})},
        partial={f"wild{MARK}": f"3 of {MARK}"},
        listing={f"wild{MARK}": f"no clips: {MARK}"},
    )
