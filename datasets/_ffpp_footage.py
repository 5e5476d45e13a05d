"""Which sequences of FaceForensics++ are of one YouTube video.

The 1,000 sequences were cut out of 977 videos: 21 videos gave two, one gave three, as the authors' table of
videos says (`conversion_dict.json`). Seven of these videos are divided by the official split.
"""

from __future__ import annotations

CUT = (
    "331 332, 524 525, 566 567, 605 606, 614 615, 618 619, 639 640, 685 686 687, 755 756, 766 767, 769 770, "
    "787 788, 837 838, 875 876, 883 884, 937 938, 942 943, 954 955, 967 968, 973 974, 982 983, 993 994"
)
"""The sequences of each video that gave more than one."""
VIDEO = {f"ffpp/{number}": f"ffpp/{group.split()[0]}" for group in CUT.split(",") for number in group.split()}
"""Such a sequence -> its video, called as its first sequence."""


def videos_of(
    target: str | None, source: str | None, footage: str | None
) -> tuple[str | None, str | None, dict[str, str]]:
    """Target and source as videos, and the attributes `footage`, the video, and `sequence`, the part of it.

    Names of other datasets stay as they are; a video that gave one sequence has no parts.
    """
    seen = {} if footage is None else {"footage": VIDEO.get(footage, footage)}
    part = {"sequence": footage} if footage in VIDEO else {}
    return _video(target), _video(source), seen | part


def _video(name: str | None) -> str | None:
    return None if name is None else VIDEO.get(name, name)
