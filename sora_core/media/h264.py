"""H.264 streams as mp4 files hold them: parameter sets, and packets of NAL units behind their lengths (ISO 14496-15).

Parts of two encoders can share one stream where their parameter sets have numbers of their own: the file then names all
of them in one record (`avcC`), as the standard has it, and every key frame can be sought to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import MediaError

__all__ = [
    "AVCC",
    "MOST_SETS",
    "ParameterSets",
    "begins_anew",
    "framed",
    "recovers_late",
    "sequence_sets",
    "sets_within",
]

IDR, SEI, SPS, PPS = 5, 6, 7, 8
"""kinds of NAL units: a picture that refers to none before it, messages, and parameters of sequences and pictures"""
RECOVERY = 6
"""the message that says from where on pictures are whole"""
FIRST_KINDS = {1, 2, IDR}
"""kinds of NAL units that a picture begins with"""
AVCC = b"\x01"
"""what the record of a stream begins with whose units lie behind lengths; others have start codes"""
MOST_SETS = 31
"""sets of a kind that the record can count"""
LENGTH = 4
"""bytes of a NAL unit's length"""
HIGH = {100, 110, 122, 144}
"""profiles whose record ends with the form of pixels"""
FORM_420_8 = bytes((0xFD, 0xF8, 0xF8, 0))
"""that form: 4:2:0, 8 bits, no extensions"""


def framed(annexb: bytes) -> bytes:
    """A packet as an encoder gives it, NAL units behind start codes, as mp4 has it, behind their lengths."""
    return b"".join(len(unit).to_bytes(LENGTH, "big") + unit for unit in units(annexb))


def units(annexb: bytes) -> list[bytes]:
    """The NAL units between start codes; no unit holds one, or ends in a zero."""
    return [unit for unit in re.split(rb"\x00*\x00\x00\x01", annexb) if unit]


def sets_within(packet: bytes) -> list[bytes]:
    """The parameter sets that a packet (units behind lengths) brings itself."""
    return [unit for unit in split(packet) if unit and unit[0] & 31 in (SPS, PPS)]


def sequence_sets(head: bytes, *, framed: bool) -> tuple[bytes, ...]:
    """The sequence parameter sets at the head of a packet, whose units lie behind lengths (`framed`) or start codes."""
    found = []
    for unit in split(head) if framed else units(head):
        if unit and unit[0] & 31 in FIRST_KINDS:
            break
        if unit and unit[0] & 31 == SPS:
            found.append(unit)
    return tuple(found)


def recovers_late(head: bytes, *, framed: bool) -> bool:
    """Whether pictures are whole only some frames behind a packet that is called a key frame, as where every frame
    renews a part of the picture: the recovery point at its head counts frames (ITU-T H.264, D.2.8)."""
    for unit in split(head) if framed else units(head):
        kind = unit[0] & 31 if unit else 0
        if kind in FIRST_KINDS:
            return False
        at = 1
        while kind == SEI and at + 2 < len(unit):
            said = [0, 0]  # what the message is, and its bytes
            for i in range(2):
                while at < len(unit) and unit[at] == 255:
                    said[i], at = said[i] + 255, at + 1
                said[i], at = said[i] + int.from_bytes(unit[at : at + 1], "big"), at + 1
            if said[0] == RECOVERY:
                return not int.from_bytes(unit[at : at + 1], "big") & 128  # the number 0 is one bit that is set
            at += said[1]
    return False


def split(packet: bytes) -> Iterator[bytes]:
    """The NAL units of a packet, up to where it is cut off."""
    at = 0
    while at + LENGTH < len(packet):
        size = int.from_bytes(packet[at : at + LENGTH], "big")
        yield packet[at + LENGTH : at + LENGTH + size]
        at += LENGTH + max(1, size)


def begins_anew(packet: bytes) -> bool:
    """Whether decoding can begin at a packet (units behind lengths), and nothing behind it refers to what is before."""
    return next((unit[0] & 31 == IDR for unit in split(packet) if unit and unit[0] & 31 in FIRST_KINDS), False)


@dataclass(frozen=True, kw_only=True)
class ParameterSets:
    """The parameter sets of a stream by their numbers."""

    sps: Mapping[int, bytes]
    pps: Mapping[int, bytes]

    @staticmethod
    def of(record: bytes) -> ParameterSets:
        """As a file's `avcC` record or an encoder's header names them. Raises MediaError for what is neither."""
        try:
            if record[:1] == AVCC:
                if record[4] & 3 != LENGTH - 1:
                    raise MediaError("its NAL units have lengths of an unusual size")
                found = list(listed(record))
            else:
                found = units(record)
            sps = {number(unit, skip=4): unit for unit in found if unit[0] & 31 == SPS}
            pps = {number(unit, skip=1): unit for unit in found if unit[0] & 31 == PPS}
        except IndexError as error:
            raise MediaError("its H.264 parameter sets cannot be read") from error
        if not sps or not pps:
            raise MediaError("it names no H.264 parameter sets")
        return ParameterSets(sps=sps, pps=pps)

    def with_(self, other: ParameterSets) -> ParameterSets | None:
        """The sets of both, or None where one number would stand for two, or they are too many."""
        for mine, theirs in ((self.sps, other.sps), (self.pps, other.pps)):
            if any(mine.get(key, unit) != unit for key, unit in theirs.items()) or len({*mine, *theirs}) > MOST_SETS:
                return None
        return ParameterSets(sps={**self.sps, **other.sps}, pps={**self.pps, **other.pps})

    def record(self) -> bytes:
        """The `avcC` record of 4:2:0 pictures of 8 bits: the highest profile and level of all."""
        profile, level = (max(unit[i] for unit in self.sps.values()) for i in (1, 3))
        limits = 0xFF
        for unit in self.sps.values():
            limits &= unit[2]
        head = bytes((1, profile, limits, level, 0xFC | LENGTH - 1, 0xE0 | len(self.sps)))
        tail = FORM_420_8 if profile in HIGH else b""
        return head + sized(self.sps) + bytes((len(self.pps),)) + sized(self.pps) + tail


def sized(sets: Mapping[int, bytes]) -> bytes:
    """Sets behind their lengths of two bytes."""
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in sets.values())


def listed(record: bytes) -> Iterator[bytes]:
    """The sets of an `avcC` record. Raises IndexError where it is cut off."""
    at = 5
    for mask in (31, 255):
        count, at = record[at] & mask, at + 1
        for _ in range(count):
            size = record[at] << 8 | record[at + 1]
            if at + 2 + size > len(record):
                raise IndexError
            yield record[at + 2 : at + 2 + size]
            at += 2 + size


def number(unit: bytes, *, skip: int) -> int:
    """The exponential-Golomb number (ITU-T H.264, 9.1) behind the first `skip` bytes of a set: its own."""
    bits = int.from_bytes(unit[skip : skip + 4].ljust(4, b"\0"), "big")
    zeros = 32 - bits.bit_length()
    if zeros > 15:
        raise IndexError
    return (bits >> (31 - 2 * zeros)) - 1
