"""The sections and columns of a page in Markdown."""

from __future__ import annotations

from collections.abc import Sequence


def section(text: str, title: str) -> tuple[str, list[list[str]]]:
    """(note, lines as lists of cells, the header first) of one Markdown section; several tables are one."""
    body = text.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    note = " ".join(" ".join(line for line in body.splitlines() if not line.startswith("|")).split())
    return note, [line for line in cells if set("".join(line)) - set("-: ")]


def column(lines: Sequence[Sequence[str]], name: str) -> list[str]:
    """The cells under a heading."""
    return [line[list(lines[0]).index(name)] for line in lines[1:]]
