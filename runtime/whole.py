"""Whether a file that came from elsewhere is whole and is what its name says, by its container's own structure."""

from __future__ import annotations

from pathlib import Path

from ..sora_core.errors import ResourceError

__all__ = ["check_whole"]

_BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"),
    ".webp": (b"RIFF",),
    ".webm": (b"\x1aE\xdf\xa3",),
    ".mkv": (b"\x1aE\xdf\xa3",),
    ".flac": (b"fLaC",),
}
_ENDINGS: dict[str, tuple[bytes, ...]] = {
    ".png": (b"IEND\xaeB`\x82",),
    ".jpg": (b"\xff\xd9",),
    ".jpeg": (b"\xff\xd9",),
    ".gif": (b";",),
}
_BOXED = (".mp4", ".mov", ".m4v", ".m4a")


def check_whole(path: Path, suffix: str, who: str) -> None:
    """Raises ResourceError, beginning with `who`, for a file of a known ending that is of another kind or cut short.

    mp4 and its kin: the top-level boxes must cover the file; png, jpeg, gif: the end marker; webp: the stated length.
    Files of other endings must not be empty.
    """
    kind, size = suffix.lower(), path.stat().st_size
    with path.open("rb") as file:
        head = file.read(16)
        file.seek(max(0, size - 16))
        tail = file.read(16)
    wrong = ""
    if not size:
        wrong = "as an empty file"
    elif kind in _BOXED:
        wrong = _wrong_boxes(path, size)
    elif kind in _BEGINNINGS and not head.startswith(_BEGINNINGS[kind]):
        wrong = f"which is no {kind[1:]} file"
    elif _ends_early(kind, head, tail, size):
        wrong = "cut short"
    if wrong:
        raise ResourceError(f"{who} {wrong}; it was not kept, run again to fetch it")


def _ends_early(kind: str, head: bytes, tail: bytes, size: int) -> bool:
    if kind == ".webp":
        return head[8:12] != b"WEBP" or int.from_bytes(head[4:8], "little") + 8 > size
    return kind in _ENDINGS and not tail.rstrip(b"\0").endswith(_ENDINGS[kind])


def _wrong_boxes(path: Path, size: int) -> str:
    """What is wrong with the top-level boxes of an ISO media file, or nothing."""
    at = 0
    seen: set[bytes] = set()
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:
                length = size - at
            if not seen and kind not in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
                return "which is no mp4 file"
            if length < 8 or at + length > size:
                return "cut short"
            seen.add(kind)
            at += length
    return "" if b"moov" in seen else "cut short"
