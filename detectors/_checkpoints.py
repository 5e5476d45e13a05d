"""Checkpoints of other projects, read as data: which of their tensors are a network's, by which names.

No detector: what the importers of this folder share.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from harness.detectors._torch_files import Refused, is_tar, read_torch, tensors_in
from torch import Tensor

from harness.guard.parsed import refuse_expanding, within
from harness.guard.parsed import safetensors as check_safetensors
from harness.types import HarnessError, unknown

USUAL = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "module")
"""Names under which a checkpoint keeps the weights that were trained last, the surest first."""
AVERAGED = frozenset(("ema", "swa", "average", "averaged", "shadow"))
"""Words in the names of weights that are averaged over a training."""


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of one network in a file, and what was assumed to find them."""

    tensors: dict[str, Tensor]
    """Floats in float32, without the names that lead to all of them."""
    notes: tuple[str, ...]
    """What was taken, left out or changed, a line each."""
    beside: dict[str, Tensor] = field(default_factory=dict)
    """The tensors of whatever the network is a part of, in which it has a name."""


def read_checkpoint(path: Path, wanted: Collection[str], key: str | None = None) -> Checkpoint:
    """The tensors of the network that has those of the names `wanted`, wherever in the file they lie.

    The file is a `.safetensors` or what `torch.save` wrote: tensors bare or in mappings, beside anything, or
    a network saved as an object. Names may begin with anything that all wanted ones share (`module.`,
    `model.`). Where there are several such networks, plain weights go before averaged ones and
    `USUAL` names before others; `key` says which (`state_dict_ema`). Nothing in the file is ever executed.
    """
    tensors, notes = _tensors_of(path)
    if not tensors:
        arrays = "; arrays of numpy are not read: save them as tensors" if "numpy" in " ".join(notes) else ""
        raise HarnessError(f"{path.name} is no file of named tensors: there are none{arrays}")

    def same(one: str, other: str) -> bool:
        return all(torch.equal(tensors[one + name], tensors[other + name]) for name in wanted)

    places = _places(path, tensors, frozenset(wanted))
    start, *others = _chosen(path, places, same, key)
    inner = [place for place in places if place != start and place.startswith(start)]
    own = {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start) and not any(name.startswith(other) for other in inner)
    }
    if start:
        notes.append(f"taken are the tensors under {_shown(start)!r} ({len(own)} of {len(tensors)})")
    if others:
        also = ", ".join(repr(_shown(other)) for other in others)
        notes.append(f"the same network lies under {also} too: --key says which is meant")
    whole = start[: start.rfind(".", 0, -1) + 1]
    beside = {
        name.removeprefix(whole): tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if start and name.startswith(whole) and not any(name.startswith(place) for place in places)
    }
    return Checkpoint(_widened(own, notes), tuple(notes), beside)


def _tensors_of(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    if path.suffix == ".safetensors":
        try:
            check_safetensors(path)
            return safetensors.torch.load_file(path), []
        except (safetensors.SafetensorError, OSError) as error:
            raise HarnessError(f"{path.name} is not a safetensors file: {_line(error)}") from error
    try:
        tree, foreign = read_torch(path)
        tensors = tensors_in(tree)
        within(path.name, len(tensors), "weights-tensors")
        whole = sum(tensor.numel() * max(tensor.itemsize, 4) for tensor in tensors.values())
        refuse_expanding(path.name, path.stat().st_size, whole)
    except HarnessError:
        raise
    except Exception as error:  # unpickling data that is damaged or hostile fails in any way
        packed = "it is a tar archive: unpack it" if is_tar(path) else _line(error)
        raise HarnessError(
            f"{path.name} is refused: it is no torch file of plain tensors, and nothing else in it is "
            f"loaded or executed ({packed})"
        ) from error
    more = f" and {len(foreign) - 4} more" if len(foreign) > 4 else ""
    notes = [f"nothing but tensors was loaded; it also names {', '.join(foreign[:4])}{more}"]
    return tensors, notes if foreign else []


def _places(path: Path, tensors: Collection[str], wanted: frozenset[str]) -> list[str]:
    """What stands before all the wanted names, once for each network in the file: the likeliest first."""
    counted = Counter(
        name[:start]
        for name in tensors
        for start in (0, *(dot.end() for dot in re.finditer(r"\.", name)))
        if name[start:] in wanted
    )
    whole = [place for place, count in counted.items() if count == len(wanted)]
    if whole:
        return sorted(whole, key=_doubt)
    if not counted:
        raise HarnessError(
            f"{path.name} does not fit: it has nothing like {min(wanted)!r}, its names are such as "
            f"{min(tensors)!r} (is --detector right?)"
        )
    (nearest, count), *_ = counted.most_common(1)
    absent = min(name for name in wanted if f"{nearest}{name}" not in tensors)
    where = f" under {_shown(nearest)!r}" if nearest else ""
    raise HarnessError(
        f"{path.name} does not fit: of {len(wanted)} tensors {count} are there{where}, it lacks {absent!r} "
        "(is --detector right?)"
    )


def _doubt(start: str) -> tuple[bool, int]:
    """How little a place looks like that of the weights that were trained last."""
    words = start.split(".")
    usual = [USUAL.index(word) for word in words if word in USUAL]
    return bool(AVERAGED & set(re.split("[._]", start))), min(usual, default=0 if start == "" else len(USUAL))


def _chosen(
    path: Path, places: Sequence[str], same: Callable[[str, str], bool], key: str | None
) -> list[str]:
    """The place that is meant, then the others that hold the network; `same` says whether two hold one."""
    if key is not None:
        meant = [place for place in places if place.startswith(f"{key.removesuffix('.')}.")]
        if not meant:
            raise unknown(f"place (--key) of these weights in {path.name}", key, map(_shown, places))
        places = meant
    first, *others = places
    others = [place for place in others if not same(first, place)]
    if others and _doubt(first) == _doubt(others[0]):
        known = ", ".join(repr(_shown(place)) for place in (first, *others))
        raise HarnessError(f"{path.name} holds the network at several places: say --key with one of {known}")
    return [first, *others]


def _shown(place: str) -> str:
    return place.removesuffix(".")


def _widened(tensors: Mapping[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    """Floats in float32: what is computed of them next would be rounded in less."""
    other = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()} - {torch.float32}
    if other:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in other))
        notes.append(f"{names} tensors became float32")
    return {name: tensor.float() if tensor.dtype in other else tensor for name, tensor in tensors.items()}


def _line(error: Exception) -> str:
    """What was found wrong, in one line."""
    said = " ".join(str(error).split())[:160]
    return said if isinstance(error, Refused) else f"{type(error).__name__}: {said}"
