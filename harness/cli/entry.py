"""The command line: `gapbench COMMAND`. What each command takes and does is a module of this folder."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

from harness import __version__, registry
from harness.cli import data, detector, eval, gate, metrics, plugins, report, weights
from harness.cli.options import Parser
from harness.guard.clip_bounds import reason_of
from harness.guard.limits import set_limits
from harness.guard.memory import check_libraries_fit, memory_limit, memory_ran_out
from harness.guard.output import kept_for_json, reader_gone, to_nobody
from harness.guard.supervise import supervised
from harness.progress import say, show, take_any_letter, take_over_output, with_streams
from harness.types import HarnessError, unknown

EPILOG = """exit codes: 0 done; 1 worse, or a check found errors; 2 bad input, or no clip was scored;
3 inconclusive, or some cells have no score; 4 incomparable or nothing accepted;
5 results are safe, publishing failed; 70 a bug; 130 interrupted"""


COMMANDS: dict[str, ModuleType] = {
    **{"ls": plugins, "check": plugins, "train": detector, "eval": eval, "predict": detector},
    **{"cost": detector, "data": data, "weights": weights, "metrics": metrics, "predictions": metrics},
    **{"gate": gate, "accept": gate, "report": report, "publish": report, "ui": report},
}
"""Command -> the module that has its arguments (`add_<command>`) and does it (`run_<command>`)."""

TABLES = ("numpy", "pandas", "pyarrow.parquet", "sklearn.metrics", "scipy.stats", "matplotlib.pyplot")
NETWORKS = (*TABLES, "cv2", "av", "torch", "timm")
"""The heaviest libraries of all commands, and of those that have to do with networks (`WITH_NETWORKS`)."""
WITH_NETWORKS = ("ls", "check", "train", "eval", "predict", "cost", "weights")
VARIABLES = {"face_model": "GAPBENCH_YUNET", "video_reader": "GAPBENCH_VIDEO_READER"}
"""Options that set an environment variable, so that child processes know of them too."""


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    top = Parser(
        prog="gapbench",
        description="Measures how far a deepfake detector falls when the forgery is one it has never seen.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"gapbench {__version__}")
    top.add_argument(
        "--allow", metavar="NAME=NUMBER", help="how much a file may ask for (SECURITY.md); also after COMMAND"
    )
    top.add_argument(
        "--patience", metavar="SECONDS", help="how long one step of a plug-in may take; also after COMMAND"
    )
    top.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="FILE",
        help="import a plug-in file first; also after COMMAND",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    def command(name: str, what: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=what,
            description=f"{what[0].upper()}{what[1:]}.",
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    for name, module in COMMANDS.items():
        getattr(module, f"add_{name}")(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; without arguments that of the command line, watched over."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None:
        with_streams()
    take_any_letter()
    try:
        given, allowed = taken_out(given, "--allow")
        given, patience = taken_out(given, "--patience")
        set_limits([*allowed, *(f"patience={seconds}" for seconds in patience)])
        return supervised(partial(_run_alone, given)) if arguments is None else _run(given)
    except HarnessError as error:
        return _failed(str(error))


def _run_alone(given: list[str]) -> int:
    take_over_output()
    return _run(given)


def _run(given: list[str]) -> int:
    try:
        options = _parsed(given)
        with kept_for_json(getattr(options, "json", False)):
            return _done(options)
    except HarnessError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        return _failed("interrupted; what is finished is kept, the same command goes on from there", 130)
    except Exception as error:  # noqa: BLE001 - not 1, which is a verdict: a bug is no regression
        if isinstance(error, BrokenPipeError) and reader_gone():
            to_nobody(sys.stdout)
            return 0
        if memory_ran_out(error):
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            return _failed(f"memory ran out{memory_limit()}: {reason}; what is finished is kept")
        if isinstance(error, OSError) and error.errno is not None:  # what surrounds us, not what we do
            where = f"{error.filename}: " if error.filename else ""
            return _failed(f"{where}{error.strerror or error}; what is finished is kept")
        show(traceback.format_exc(), end="", stream=sys.stderr)
        return _failed("this is a bug in GapBench or in a plug-in; what is finished is kept", 70)


def _done(options: argparse.Namespace) -> int:
    check_libraries_fit(NETWORKS if options.command in WITH_NETWORKS else TABLES)
    for file in options.plugin:
        registry.load_file(Path(file))
    for name, variable in VARIABLES.items():
        if getattr(options, name, None):
            os.environ[variable] = str(getattr(options, name))
    try:
        return int(getattr(COMMANDS[options.command], f"run_{options.command}")(options))
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:  # none of ours: SystemExit, or one that a stranger made up
        raise HarnessError(f"a plug-in ended the command ({reason_of(error)})") from error


def _failed(line: str, code: int = 2) -> int:
    say(f"gapbench: {line}")
    return code


def taken_out(given: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """The arguments without an option that may stand anywhere among them, and its values, in order."""
    rest, values = list(given), []
    while option in rest:
        at = rest.index(option)
        values += rest[at + 1 : at + 2] or [""]
        del rest[at : at + 2]
    values += [word.partition("=")[2] for word in rest if word.startswith(f"{option}=")]
    return [word for word in rest if not word.startswith(f"{option}=")], values


def _parsed(given: list[str]) -> argparse.Namespace:
    top = parser()
    known = next(action.choices for action in top._actions if isinstance(action, argparse._SubParsersAction))
    given, plugins = taken_out(given, "--plugin")
    command = next((word for word in given if not word.startswith("-")), None)
    if command is not None and command not in known:
        raise unknown("command", command, known)
    return top.parse_args([*(f"--plugin={file}" for file in plugins), *given])
