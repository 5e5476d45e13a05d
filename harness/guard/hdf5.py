"""What an HDF5 file says that it holds, before whoever reads it allocates or walks anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.guard.parsed import refuse_expanding, sized, within
from harness.types import HarnessError

MAGIC = b"\x89HDF\r\n\x1a\n"
PLACES = (0, 512, 1024, 2048)
"""Where the magic bytes may stand (HDF5 File Format Specification, II.A), as far as files of weights go."""


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 does, behind a block of the user's own too."""
    with path.open("rb") as file:
        start = file.read(PLACES[-1] + len(MAGIC))
    return any(start.startswith(MAGIC, at) for at in PLACES)


def check_hdf5(path: Path) -> None:
    """Refuse an HDF5 file of too many or too deep groups, or whose arrays become far longer than it is.

    Each group and array is looked at once, however often it is linked, and no link out of the file is
    followed: what `visititems` of h5py walks after this is bounded. What is no HDF5 is left to its reader.
    """
    import h5py

    size = sized(path, "weights-bytes", "weights")
    try:
        with h5py.File(path, "r") as file:
            refuse_expanding(path.name, size, _bytes_in(path.name, file))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())[:120]
        raise HarnessError(f"{path.name} is not an HDF5 file: {said}") from error


def _bytes_in(where: str, file: Any) -> int:
    import h5py

    groups: list[tuple[int, Any]] = [(0, file)]
    seen, whole = {h5py.h5o.get_info(file.id).addr}, 0
    while groups:
        depth, group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                continue
            thing = group[name]
            address = h5py.h5o.get_info(thing.id).addr
            if address in seen:
                continue
            seen.add(address)
            within(where, len(seen), "weights-tensors", " or groups of them")
            within(where, depth, "depth")
            if isinstance(thing, h5py.Group):
                groups.append((depth + 1, thing))
            elif isinstance(thing, h5py.Dataset):
                whole += 4 * int(thing.size or 0)
    return whole
