"""Flags that several commands share, and what their values must be."""

from __future__ import annotations

import argparse
import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from harness.guard.parsed import shortened
from harness.types import HarnessError

Adder = Callable[[str, str, str], argparse.ArgumentParser]
"""(name, what it does, example) -> the parser of that command."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        raise HarnessError(f"{message} (see: {self.prog} --help)")

    def parse_known_args(self, *given: Any, **named: Any) -> Any:
        """As the class above does, but nothing is left for others: what is not known is said here."""
        found, rest = super().parse_known_args(*given, **named)
        if rest:
            self.error(self._not_known(rest))
        return found, rest

    def _not_known(self, rest: Sequence[str]) -> str:
        wrong = next((word.partition("=")[0] for word in rest if word.startswith("-")), "")
        if not wrong:
            return f"unrecognized arguments: {' '.join(rest)}"
        options = [name for action in self._actions for name in action.option_strings]
        near = difflib.get_close_matches(wrong, options, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        return f"unknown option {shortened(wrong)}{hint}"


def add_face_model(command: argparse.ArgumentParser) -> None:
    """`--face-model`: where the face finder's file is."""
    command.add_argument(
        "--face-model",
        type=Path,
        metavar="FILE",
        help="YuNet's ONNX file (default: $GAPBENCH_YUNET, else fetched)",
    )


def add_video_reader(command: argparse.ArgumentParser) -> None:
    """`--video-reader`: the library that reads videos."""
    command.add_argument(
        "--video-reader",
        metavar="NAME",
        help="library that reads videos (default: $GAPBENCH_VIDEO_READER, else the fastest exact one)",
    )


def add_part(command: argparse._ActionsContainer) -> None:
    """`--present` and `--limit`: part of a dataset, where not all of it is here or wanted."""
    command.add_argument("--present", action="store_true", help="leave out listed clips that have no file")
    command.add_argument(
        "--limit", type=positive, metavar="N", help="at most N clips of each split, as many real as fake"
    )


def add_retrain(command: argparse.ArgumentParser) -> None:
    """`--retrain`: what is trained already is trained anew."""
    command.add_argument("--retrain", action="store_true", help="train anew what is trained already")


def add_oracle(command: argparse.ArgumentParser) -> None:
    """`--oracle`: also what choosing on the test clips would have claimed."""
    command.add_argument(
        "--oracle", action="store_true", help="also print what choosing on the test clips would have claimed"
    )


def add_device(command: argparse.ArgumentParser) -> None:
    """`--device`: where detectors run."""
    command.add_argument(
        "--device", default="auto", help="cpu, cuda or cuda:N (default: cuda where there is one)"
    )


def add_results(command: argparse.ArgumentParser) -> None:
    """`--results`: the folder of tables."""
    command.add_argument(
        "--results", type=Path, default=Path("results"), help="folder of tables (default: results)"
    )


def add_tracking(command: argparse.ArgumentParser) -> None:
    """`--tracking-uri` and `--artifacts`: the MLflow store."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    stated = "MLflow store (default: $MLFLOW_TRACKING_URI, else sqlite:///mlflow.db)"
    command.add_argument("--tracking-uri", default=uri, help=stated)
    command.add_argument(
        "--artifacts", default="mlartifacts", help="folder or URI of artifacts (default: mlartifacts)"
    )


def natural(text: str) -> int:
    """A whole number from 0 on."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is not a whole number") from None
    if number.bit_length() > 63:
        raise argparse.ArgumentTypeError(f"{shortened(text)} is more than 64 bits hold")
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is below 0")
    return number


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = natural(text)
    if number == 0:
        raise argparse.ArgumentTypeError("0 is below 1")
    return number


def rate(text: str) -> float:
    """A learning rate: a number above 0 and below 1."""
    number = share(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0 and below 1")
    return number


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return number


def box(text: str) -> list[float]:
    """`X,Y,WIDTH,HEIGHT` in pixels."""
    try:
        box = [float(part) for part in text.split(",")]
    except ValueError:
        box = []
    if len(box) != 4 or min(box[2:]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not X,Y,WIDTH,HEIGHT in pixels")
    return box
