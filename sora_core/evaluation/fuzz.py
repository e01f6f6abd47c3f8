"""Suite `fuzz`: n mutated files and texts into verify, detect, policy and review. None may crash, hang or be trusted.

`survived` is the share that ended in an answer or in a sentence (SoraError), `quick` those that took under ten seconds,
`not_trusted` the changed signed files that were not called trusted, unless they show the same pictures: the padding of
a manifest is not part of what is signed. Without the extra for provenance, files go unsigned and `not_trusted` is
missing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ..errors import SoraError
from ..media import iter_frames, read_image, write_image, write_video
from ..safety.certificates import Credentials, make_chain
from ..safety.detect import detect
from ..safety.policy import bundled_policy, parse_policy
from ..safety.provenance import Origin, can_sign, sign, verify
from ..safety.review import review_prompt
from ..training.pictures import clips
from ..types import Progress
from .statistics import MetricAccumulator, report

__all__ = ["mutated", "run"]

Target = tuple[bytes, Callable[[bytes], bool | None]]
SLOW = 10.0
"""seconds"""


def run(n: int, *, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Fuzz n times, the kinds in turn."""
    figures, generator = MetricAccumulator(), torch.Generator().manual_seed(seed)
    with TemporaryDirectory() as name:
        folder = Path(name)
        kinds = targets(folder)
        for index in range(n):
            data, try_it = kinds[index % len(kinds)]
            one(figures, mutated(data, generator), try_it)
            if progress is not None:
                progress(index + 1, n)
    return report("fuzz", n, figures, MetricAccumulator())


def one(metrics: MetricAccumulator, data: bytes, try_it: Callable[[bytes], bool | None]) -> None:
    """One mutation into one target."""
    began, survived, trusted = time.monotonic(), True, None
    try:
        trusted = try_it(data)
    except SoraError:
        pass
    except Exception:
        survived = False
    metrics.right("survived", survived)
    metrics.right("quick", time.monotonic() - began < SLOW)
    if trusted is not None:
        metrics.right("not_trusted", not trusted)


def targets(folder: Path) -> list[Target]:
    """What is mutated, and what it is given to: whole files, their manifests alone, a policy and a prompt."""
    frames = (
        clips(1, 3, 48, torch.Generator().manual_seed(0), torch.device("cpu"))[0].permute(0, 2, 3, 1) * 255
    ).byte()
    files = [folder / f"whole.{ending}" for ending in ("mp4", "png", "webp", "jpg")]
    write_video(files[0], frames, 8.0)
    for still in files[1:3]:
        write_image(still, frames[:1])
    Image.fromarray(frames[0].numpy()).save(files[3])
    root = signed(*files)
    out: list[Target] = []
    for path in files:
        data, changed = path.read_bytes(), folder / f"changed{path.suffix}"
        out += [(data, verified(changed, root)), (data, detected(changed))]
        if (begin := data.find(b"jumb") - 4) > 0:
            end = begin + int.from_bytes(data[begin : begin + 4], "big")
            out.append((data[begin:end], between(data[:begin], data[end:], verified(changed, root))))
    policy = json.dumps({"actions": {"hate": "warn"}, "frames": {"every": 2}, "allowed": ["a"], "rules": [
        {"category": "ip", "name": "x", "any": ["y*"], "with": ["z"], "unless": ["w"]}]})  # fmt: skip
    prompt = "a n u d e st4tue, the kіller whale and D@rth V@der"
    out += [(policy.encode(), parsed), (prompt.encode(), reviewed)]
    return out


def signed(*paths: Path) -> str:
    """Sign the files where that can be done; the root certificate, else nothing."""
    if not can_sign():
        return ""
    chain, key = make_chain()
    for path in paths:
        sign(path, path, Origin(), Credentials(chain=chain, key=key))
    return "-----BEGIN" + chain.split("-----BEGIN")[2]


def between(before: bytes, after: bytes, try_it: Callable[[bytes], bool | None]) -> Callable[[bytes], bool | None]:
    """A part of a file by itself, the rest as it was."""
    return lambda data: try_it(before + data + after)


def verified(path: Path, root: str) -> Callable[[bytes], bool | None]:
    whole = shown(path.with_stem("whole"))

    def try_it(data: bytes) -> bool | None:
        path.write_bytes(data)
        if not root:
            return None
        return verify(path, [root]).status == "trusted" and not torch.equal(shown(path), whole)

    return try_it


def shown(path: Path) -> Tensor:
    """The pictures of a file, uint8 [F,H,W,3]."""
    return torch.cat(list(iter_frames(path, 16))) if path.suffix == ".mp4" else read_image(path)


def detected(path: Path) -> Callable[[bytes], bool | None]:
    def try_it(data: bytes) -> None:
        path.write_bytes(data)
        detect(iter_frames(path, 16) if path.suffix == ".mp4" else iter([read_image(path)]), search=False)

    return try_it


def parsed(data: bytes) -> None:
    parse_policy(data.decode("utf-8", "replace"), "a policy")


def reviewed(data: bytes) -> None:
    review_prompt(data.decode("utf-8", "replace"), bundled_policy())


def mutated(data: bytes, generator: torch.Generator) -> bytes:
    """One to eight changes: bytes set or flipped, a part cut, doubled, zeroed or moved; never the same as before."""

    def draw(below: int) -> int:
        return int(torch.randint(max(1, below), (), generator=generator))

    out = bytearray(data)
    for _ in range(1 + draw(8)):
        place, size = draw(len(out)), 1 + draw(max(1, len(out) // 8))
        match draw(6):
            case 0:
                out[place : place + 1] = bytes([draw(256)])
            case 1:
                out[place : place + 1] = bytes([out[place] ^ (1 << draw(8))]) if out else b"\x00"
            case 2:
                del out[place : place + size]
            case 3:
                out[place:place] = out[place : place + size]
            case 4:
                out[place : place + size] = bytes(len(out[place : place + size]))
            case _:
                part = bytes(out[place : place + size])
                del out[place : place + size]
                out[draw(len(out)) : 0] = part
        if not out:
            out = bytearray(b"\x00")
    if bytes(out) == data:
        out[-1] ^= 1
    return bytes(out)
