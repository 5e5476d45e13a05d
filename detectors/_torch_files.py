"""Files that `torch.save` wrote, read without running anything that they name.

No detector: what `_checkpoints.py` reads. A pickle is a program that calls what it names. Here every name in
it means one of two things: a tensor of bytes that lie in the file, or an `Inert` that keeps what it is given
and does nothing. `torch.load(weights_only=True)` is as careful, but refuses whole files for a `Namespace` of
options or a numpy number among them, and networks that were saved as objects.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from harness.guard.limits import limit
from harness.guard.parsed import FREE, memory, numbers, refuse_expanding, sized

MEMORY = 2**30
"""Bytes that reading a pickle may take beside its file."""
NAMES = 128
"""Bytes that an archive says of one of its files, at most."""
MAGIC, FORMAT = 0x1950A86A20F9469CFC6C, 1001
"""What a file of torch before 1.6 begins with."""
ZIPPED = b"PK\x03\x04"
"""What an archive begins with, which torch writes since."""
DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
HARMFUL = frozenset(
    ("os", "posix", "nt", "sys", "subprocess", "shutil", "socket", "runpy", "importlib", "pty", "ctypes")
)
"""Modules that no checkpoint has a use for: one that names them was made to do harm."""
CALLS = frozenset(("eval", "exec", "compile", "open", "__import__", "input", "breakpoint"))
"""Functions of `builtins` of which the same holds."""


class Refused(Exception):
    """Why a file is not read, for whoever knows its name."""


class Inert(dict[Any, Any]):
    """Stands for an object of a class that is not loaded: keeps its entries and state, and does nothing."""

    named = ""
    """The class it stands for, with its module."""
    state: Any = None
    """What the object would have been given as its attributes."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, value: Any) -> None:
        """An entry of what would have been a list."""
        self[len(self)] = value

    def add(self, value: Any) -> None:
        """An entry of what would have been a set."""
        self[len(self)] = value

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__


class Entries(Inert):
    """An `OrderedDict`: of entries that follow or, as Python 2 wrote it, of pairs that are given."""

    named = "collections.OrderedDict"

    def __init__(self, *given: Any) -> None:
        super().__init__()
        self.update(*given)


class _Maker:
    """Makes a tensor; nothing in a file can change what it does."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Tensor]) -> None:
        self._make = make

    def __call__(self, *given: Any) -> Tensor:
        return self._make(*given)

    def __setstate__(self, state: Any) -> None:
        raise Refused("it would change how tensors are made")


def _view(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    start = storage.storage_offset() + offset
    if numbers(size) > max(limit("unpacked") * len(storage), FREE):
        raise Refused(f"it has a tensor of {numbers(size):,} numbers, of which {len(storage):,} are stored")
    return storage.as_strided(tuple(size), tuple(stride), start)  # torch refuses what lies outside


def _typed_view(storage: Tensor, offset: int, size: Any, stride: Any, *more: Any) -> Tensor:
    return _view(storage.view(more[2]), offset, size, stride)


def _same(tensor: Tensor, *_: Any) -> Tensor:
    return tensor


def _made_by(make: Any, _: Any, given: Any, *__: Any) -> Tensor:
    if not isinstance(make, _Maker):
        raise Refused("it has a tensor made in an unknown way")
    return make(*given)


MAKERS = {
    "torch._utils._rebuild_tensor": _Maker(_view),
    "torch._utils._rebuild_tensor_v2": _Maker(_view),
    "torch._utils._rebuild_tensor_v3": _Maker(_typed_view),
    "torch._utils._rebuild_parameter": _Maker(_same),
    "torch._utils._rebuild_parameter_with_state": _Maker(_same),
    "torch._tensor._rebuild_from_type_v2": _Maker(_made_by),
}
"""All of torch that a file can have called."""
SETS = {"builtins.set": set, "builtins.frozenset": frozenset}


class _Reader(pickle.Unpickler):
    """Reads one pickle of a file; `storage` gives the bytes that a tensor lies in."""

    def __init__(self, file: Any, storage: Callable[..., Tensor], found: dict[str, type[Inert]]) -> None:
        super().__init__(file, encoding="latin1")
        self._storage, self._found = storage, found

    def find_class(self, module: str, name: str, /) -> Any:
        module = "builtins" if module == "__builtin__" else module  # as Python 2 called it
        full = f"{module}.{name}"
        if module.partition(".")[0] in HARMFUL or (module == "builtins" and name in CALLS):
            raise Refused(f"it would have {full} called by whoever loads it")
        if full in MAKERS:
            return MAKERS[full]
        if full == Entries.named:
            return Entries
        if full in SETS:
            return SETS[full]
        if module == "torch" and isinstance(vars(torch).get(name), torch.dtype):
            return vars(torch)[name]
        return self._found.setdefault(full, type("Inert", (Inert,), {"named": full}))

    def persistent_load(self, pid: Any) -> Any:
        if not isinstance(pid, tuple) or not pid or pid[0] not in ("storage", "module"):
            raise Refused("it refers to something that is neither in it nor a tensor")
        return pid[1] if pid[0] == "module" else self._storage(*pid[1:])


def read_torch(path: Path) -> tuple[Any, list[str]]:
    """What `torch.save` was given: mappings, lists, plain values, tensors, and `Inert` for all else.

    With it come the names of the classes and functions that were left alone. A file that cannot be read so
    is `Refused`, or raises what its damage leads to.
    """
    found: dict[str, type[Inert]] = {}
    size = sized(path, "weights-bytes", "weights")
    if zipfile.is_zipfile(path):
        _refuse_many(path, size)
        tree = _read_archive(path, found)
    else:
        with path.open("rb") as file:
            if file.read(4) == ZIPPED:
                raise Refused("it is an archive that is cut off: fetch or save it again")
            file.seek(0)
            tree = _read_plain(file, found, size)
    storages = {name for name in found if name.rpartition(".")[2] in DTYPES}
    return tree, sorted(set(found) - storages)


def _loaded(reader: _Reader, size: int) -> Any:
    """What a pickle in a file of that size holds; one may ask for a table of parts that fills memory."""
    with memory(4 * size + MEMORY):
        return reader.load()


def _dtype(kind: Any) -> torch.dtype:
    name = str(getattr(kind, "named", "")).rpartition(".")[2]
    if name not in DTYPES:
        raise Refused(f"it has tensors of a kind that is not known here ({name or type(kind).__name__})")
    return DTYPES[name]


def _read_archive(path: Path, found: dict[str, type[Inert]]) -> Any:
    """The archive that torch has written since 1.6: a pickle, and a file for each storage."""
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(one.file_size for one in archive.infolist())
        refuse_expanding(path.name, os.path.getsize(path), unpacked)
        names = set(archive.namelist())
        pickles = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise Refused("it is an archive, but not one of torch.save")
        root = pickles[0].removesuffix("data.pkl")
        if f"{root}constants.pkl" in names:
            raise Refused(
                "it is a program (TorchScript): save the state_dict() of the network, or export ONNX"
            )
        if f"{root}byteorder" in names and archive.read(f"{root}byteorder") != b"little":
            raise Refused("its numbers are stored big end first")
        kept: dict[str, Tensor] = {}

        def storage(kind: Any, key: Any, _: Any, many: int) -> Tensor:
            if key not in kept:
                stored = bytearray(archive.read(f"{root}data/{key}"))
                kept[key] = torch.frombuffer(stored, dtype=_dtype(kind)) if stored else torch.empty(0)
            return kept[key]

        return _loaded(_Reader(archive.open(pickles[0]), storage, found), os.path.getsize(path))


def _refuse_many(path: Path, size: int) -> None:
    """Refuse an archive of more files than tensors may be, before their names are read."""
    with path.open("rb") as file:
        file.seek(max(0, size - 2**17))
        end = file.read()
    listed = end.rfind(b"PK\x05\x06")
    length = int.from_bytes(end[listed + 12 : listed + 16], "little")
    if listed >= 0 and min(length, size) > NAMES * limit("weights-tensors"):
        raise Refused(f"it is an archive with {length:,} bytes of names of files")


def _read_plain(file: BinaryIO, found: dict[str, type[Inert]], size: int) -> Any:
    """A file of torch before 1.6: pickles, then the storages in the order of their keys."""
    kept: dict[str, Tensor] = {}
    left = [size]

    def storage(kind: Any, key: str, _: Any, many: int, view: Any = None) -> Tensor:
        if key not in kept:
            left[0] -= numbers([many]) * _dtype(kind).itemsize
            if left[0] < 0:
                raise Refused("it is cut off")
            kept[key] = torch.empty(many, dtype=_dtype(kind))
        whole = kept[key]
        return whole if view is None else whole[view[1] : view[1] + view[2]]

    def loaded() -> Any:
        return _loaded(_Reader(file, storage, found), size)

    if loaded() != MAGIC or loaded() != FORMAT:
        raise Refused("it is no file of torch.save")
    loaded()  # facts of the machine
    tree = loaded()
    for key in loaded():
        target = kept[key]
        stored = file.read(8 + target.nbytes)
        if len(stored) != 8 + target.nbytes or int.from_bytes(stored[:8], "little") != len(target):
            raise Refused("it is cut off")
        if len(target):
            target.copy_(torch.frombuffer(bytearray(stored[8:]), dtype=target.dtype))
    return tree


def tensors_in(tree: Any) -> dict[str, Tensor]:
    """The tensors of what a file holds, under the names that lead to them, joined by dots.

    A network that was saved as an object has the names of its `state_dict()`.
    """
    return dict(_walk(tree, "", set()))


def _walk(thing: Any, name: str, seen: set[int]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(thing, Tensor):
        yield name, thing
        return
    if not isinstance(thing, (Mapping, list, tuple)) or id(thing) in seen:
        return
    seen.add(id(thing))  # what stands at two places is taken once: the ways to it could be without end
    entries = list(thing.items()) if isinstance(thing, Mapping) else list(enumerate(thing))
    if isinstance(thing, Inert) and isinstance(thing.state, Mapping):
        entries += _attributes(thing.state)
    for key, value in entries:
        yield from _walk(value, f"{name}.{key}" if name else str(key), seen)


def _attributes(state: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """What an object holds; of a module of torch, what its `state_dict()` would."""
    if "_modules" not in state:
        return list(state.items())
    passing = state.get("_non_persistent_buffers_set") or ()
    buffers = {key: value for key, value in (state.get("_buffers") or {}).items() if key not in passing}
    parts = [state.get("_parameters") or {}, buffers, state["_modules"]]
    return [entry for part in parts for entry in part.items()]


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, as torch before 0.1.10 wrote and people pack several files."""
    with path.open("rb") as file:
        return file.read(262)[257:] == b"ustar"
