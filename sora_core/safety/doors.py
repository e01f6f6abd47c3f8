"""The guards of `media.publish`, as the user's policy and what is installed make them.

publish(path, chunks, fps=8.0, guards=guards_for(Protection(), fps=8.0, origin=Origin(...)))
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..media.publish import Guards, publish
from .certificates import Credentials
from .frames import FrameReview
from .marking import MESSAGE, Marker, MarkOnce, bundled_watermark
from .policy import Policy, load_policy
from .provenance import Origin, can_sign, sign

__all__ = ["MESSAGE", "Protection", "guards_for", "save_sheet"]


@dataclass(frozen=True, kw_only=True)
class Protection:
    """What is done to a file on its way out."""

    review: bool = True
    """look at frames, where the policy and the extra allow it"""
    watermark: bool = True
    message: int = MESSAGE
    """the watermark's number; the same for all who do not choose one, so that it says nothing of who made the file"""
    once: bool = False
    """leave a clip as it is that is marked already"""
    sign: bool = True
    """sign, where the extra is installed"""
    credentials: Credentials | None = None
    """None: the development certificate"""
    policy: Policy | None = None
    """None: the user's own or the bundled one"""


def guards_for(
    protection: Protection,
    *,
    fps: float,
    origin: Origin | None = None,
    warn: Callable[[str], None] | None = None,
) -> Guards:
    """The guards of one file. Raises InputError where the policy stops what cannot be reviewed."""
    marker = Marker(bundled_watermark(), protection.message) if protection.watermark else None
    review = FrameReview((protection.policy or load_policy()).frames, fps) if protection.review else None
    return Guards(
        review=review if review is not None and review.judges and review.policy.action != "off" else None,
        mark=MarkOnce(marker) if marker is not None and protection.once else marker,
        sign=signer(protection, origin or Origin(), warn) if protection.sign and can_sign() else None,
    )


def save_sheet(path: Path, sheet: Image.Image) -> None:
    """Save a contact sheet of what was made as a png: marked and signed as any file, not reviewed."""
    picture = torch.from_numpy(np.array(sheet.convert("RGB")))[None]
    publish(path, picture, guards=guards_for(Protection(review=False), fps=1.0))


def signer(
    protection: Protection, origin: Origin, warn: Callable[[str], None] | None
) -> Callable[[Path, Path, str], None]:
    """Signs what was written into what gets the name."""

    def finish(written: Path, signed: Path, name: str) -> None:
        sign(written, signed, origin, protection.credentials, name=name)
        if warn is not None and protection.credentials is None:
            warn("signed with this machine's development certificate, which nobody else knows")

    return finish
