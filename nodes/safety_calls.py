"""What the safety nodes do, each a few calls into the core; torch is imported when one runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .layouts.pictures import rgb

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MESSAGE", "PSNR", "credentials", "detected", "mark", "review", "review_frames", "signs", "verified"]

MESSAGE = int.from_bytes(b"SORA", "big")
"""as `safety.doors.MESSAGE`, without importing torch"""
CHUNK = 16
PSNR = (30.0, 50.0)
"""decibels between frames and marked ones, from what is seen to what little survives"""


def policy_of(path: str) -> Any:
    """The policy in a file, or the one that applies."""
    from ..sora_core.safety import load_policy

    return load_policy(Path(path) if path.strip() else None)


def review(prompt: str, policy: str, *, stop: bool) -> tuple[str, str]:
    """(sentence, report). Raises PolicyError for what is refused, or with `stop` off for content with minors alone."""
    from ..sora_core.safety import check_prompt, review_prompt

    chosen = policy_of(policy)
    check_prompt(prompt, chosen, negative=not stop)
    found = review_prompt(prompt, chosen)
    report = {"action": found.action, "findings": [asdict(f) for f in found.findings]}
    if found.note:
        report["note"] = found.note
    return "; ".join(filter(None, (found.sentence(), found.note))), json.dumps(report)


def frames_of(image: Tensor) -> Iterator[Tensor]:
    """IMAGE as chunks uint8 [F,H,W,3]: grey becomes RGB, transparency is left out. Raises InputError as `rgb` does."""
    for part in rgb(image).split(CHUNK):
        yield (part.clamp(0, 1) * 255).round().byte().cpu()


def review_frames(image: Tensor, fps: float, action: str, policy: str) -> tuple[Tensor, str, str]:
    """(IMAGE, report, sentence). Raises PolicyError where the frames are stopped."""
    import torch

    from ..sora_core.grid import check_fps
    from ..sora_core.safety.frames import FrameReview

    check_fps(fps)
    chosen = policy_of(policy).frames
    reviewer = FrameReview(chosen if action == "policy" else replace(chosen, action=action), fps)
    if not reviewer.judges:
        return image, "[]", "no reviewer is installed: nobody looked at the frames"
    passed = [
        before if after is now else after.float() / 255
        for before, now in zip(image.split(CHUNK), frames_of(image), strict=True)
        for after in reviewer([now])
    ]
    spans = reviewer.report()
    said = "; ".join(f"{s.category} {s.start:.2f}-{s.end:.2f} s ({s.score})" for s in spans)
    return torch.cat(passed), json.dumps([asdict(s) for s in spans]), said or f"{reviewer.frames} frames passed"


def mark(image: Tensor, message: int, psnr: float) -> Tensor:
    """IMAGE, marked. Raises InputError for a level that is no watermark's, which only a linked number can be."""
    import torch

    from ..sora_core.errors import InputError
    from ..sora_core.safety.marking import Marker, bundled_watermark

    low, high = PSNR
    if not low <= psnr <= high:
        raise InputError(f"psnr must be from {low:g} to {high:g} decibels, not {psnr:g}")
    marker = Marker(bundled_watermark(), message, psnr=psnr)
    return torch.cat([chunk.float() / 255 for chunk in marker(frames_of(image))])


def signs() -> bool:
    """Whether files can be signed here. Raises InputError where the extra is missing."""
    from ..sora_core.safety.certificates import need_c2pa

    return bool(need_c2pa())


def credentials(certificate: str, key: str) -> Any:
    """The user's own credentials, or this machine's."""
    from ..sora_core.safety.certificates import development_credentials, load_credentials

    return load_credentials(Path(certificate), Path(key)) if certificate.strip() else development_credentials()


def verified(path: Path, anchor: str) -> tuple[str, str, str]:
    """(status, report, sentence) of a file."""
    from ..sora_core.errors import InputError
    from ..sora_core.safety.provenance import verify

    try:
        anchors = [Path(anchor).read_text()] if anchor.strip() else []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the root certificate {anchor}: {error}") from error
    found = verify(path, anchors)
    return found.status, json.dumps(asdict(found)), found.sentence()


def detected(image: Tensor) -> tuple[bool, float, str, str]:
    """(generated, score, report, sentence) of IMAGE."""
    from ..sora_core.safety.detect import detect

    found = detect(frames_of(image))
    return found.generated, found.score, json.dumps(asdict(found)), found.sentence()
