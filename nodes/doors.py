"""The two doors of everything generated, as nodes use them: prompts where they are encoded, files where they are named.

A refused prompt is marked on its CONDITIONING and stops the sampler that is to follow it, because the same text may be
what another sampler steers away from. Sexual content with minors is refused at once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..runtime.session import IN_FOLDER
from ..sora_core.errors import InputError
from . import host

if TYPE_CHECKING:
    from ..sora_core.editing import Shot
    from ..sora_core.media import FrameSource
    from ..sora_core.media.publish import Guards
    from ..sora_core.safety.provenance import Origin

__all__ = [
    "changed",
    "check_positive",
    "check_shots",
    "decoded_here",
    "files_behind",
    "frame_guards",
    "is_decoded",
    "marked",
    "policy_changed",
    "reviewed",
    "sampled_behind",
    "signing",
]

REFUSED = "sora_refused"
"""key of a CONDITIONING's settings: why it may not be followed"""
SAMPLING_NODES = {
    "SoraSampler", "SoraLongVideo", "KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced",
}  # fmt: skip
"""node types that make content: ours, and ComfyUI's"""
DECODED = "sora_decoded"
"""attribute of a VIDEO whose file our decoder wrote, under `frame_guards`"""


def reviewed(text: str, conditioning: list[list[Any]]) -> list[list[Any]]:
    """CONDITIONING of a prompt, marked where the policy refuses it. Raises PolicyError for content with minors."""
    from ..sora_core.safety import check_prompt, review_prompt

    check_prompt(text, negative=True)
    review = review_prompt(text)
    if review.action != "refuse":
        return conditioning
    said = f"{review.sentence()}; change the prompt, or the policy where it is yours to change."
    return [[features, {**settings, REFUSED: said}] for features, settings in conditioning]


def policy_changed(policy: str | None = None) -> int:
    """When the policy that applies was changed last, 0 for the bundled one: what nodes whose result it decides give as
    fingerprint, so that a result from before is not kept. policy: a file, or nothing for the user's own."""
    from ..sora_core.safety.policy import own_policy

    path = Path(policy) if policy and policy.strip() else own_policy()
    return 0 if path is None else changed(path)


def changed(path: Path) -> int:
    """When a file was changed last, in nanoseconds; 0 for none."""
    return path.stat().st_mtime_ns if os.path.isfile(path) else 0


def check_positive(positive: Any) -> None:
    """Raise PolicyError where what is to be shown was refused."""
    from ..sora_core.safety import PolicyError

    for _, settings in positive or []:
        if said := settings.get(REFUSED):
            raise PolicyError(said)


def check_shots(shots: Sequence[Shot], name: str) -> bool:
    """True; raises PolicyError that names the shot, where the policy refuses its prompt. name: the input they came
    by."""
    from ..sora_core.safety import PolicyError

    for number, shot in enumerate(shots, 1):
        try:
            check_positive(reviewed(shot.prompt, [[None, {}]]))
        except PolicyError as error:
            raise PolicyError(f"{name}: {name.removesuffix('s')} {number}: {error}") from None
    return True


def decoded_here(path: Path) -> Any:
    """The VIDEO of a file that our decoder wrote, whose frames were reviewed as `frame_guards` do."""
    video = host.owned_video(path)
    setattr(video, DECODED, True)
    return video


def is_decoded(video: Any) -> bool:
    """Whether a VIDEO is one of `decoded_here`."""
    return getattr(video, DECODED, False)


def frame_guards(fps: float, *, watermark: bool, once: bool = False) -> Guards:
    """Guards of a file that our decoder writes: reviewed, marked (unless it is already, with `once`), not signed."""
    from ..sora_core.safety.doors import Protection, guards_for

    return guards_for(Protection(watermark=watermark, once=once, sign=False), fps=fps)


def marked(source: FrameSource) -> FrameSource:
    """A finished clip with the watermark in what the model made of it; the user's own frames and pixels stay."""
    import torch

    from ..sora_core.editing.frames import marked as clip_marked
    from ..sora_core.media.convert import as_frames
    from ..sora_core.safety.marking import MESSAGE, Marker, bundled_watermark

    marker = Marker(bundled_watermark(), MESSAGE)
    return clip_marked(source, lambda frames: torch.cat(list(marker([as_frames(frames)]))))


def signing(
    opened: Path | None = None,
    *,
    sign: bool,
    generated: bool = True,
    reviewed: bool = False,
    behind: Sequence[Path] = (),
    watermark: bool = False,
    **chosen: Any,
) -> Guards:
    """Guards of a VIDEO or IMAGE that is saved: reviewed unless it was when it was decoded, with `watermark` marked
    unless it is already, then signed.

    opened: the file that it is, where it was not made here
    generated: whether a model made any of it
    behind: the files that it was made from
    chosen: see Protection, and `settings` and `with_prompt` of Origin
    """
    from ..sora_core.safety.doors import Protection, guards_for

    said = {name: chosen.pop(name) for name in ("with_prompt", "settings") if name in chosen}
    origin = replace(origin_of(opened, behind), generated=generated, **said)
    return guards_for(
        Protection(review=not reviewed, watermark=watermark, once=True, sign=sign, **chosen), fps=0.0, origin=origin
    )


def origin_of(opened: Path | None, behind: Sequence[Path]) -> Origin:
    """What a manifest says of a VIDEO: opened from a file, or made here from the files behind it."""
    from ..sora_core.safety.provenance import Origin

    if opened is not None:
        return Origin(parent=opened)
    return Origin(parent=behind[0]) if len(behind) == 1 else Origin(parts=tuple(behind))


def sampled_behind(hidden: Any) -> bool:
    """Whether one of the nodes before the one that runs is a sampler; hidden: as for `files_behind`."""
    graph = getattr(hidden, "prompt", None)
    if not isinstance(graph, dict):
        return False
    return any(graph[node].get("class_type") in SAMPLING_NODES for node in nodes_behind(graph, hidden))


def files_behind(hidden: Any) -> list[Path]:
    """The files of the input folder that are named by the nodes before the one that runs, each once: what becomes an
    ingredient of what it saves. hidden: the node's own, with `prompt` and, where its host has one, `unique_id`."""
    graph = getattr(hidden, "prompt", None)
    if not isinstance(graph, dict):
        return []
    return list(dict.fromkeys(path for node in nodes_behind(graph, hidden) for path in files_named(graph[node])))


def nodes_behind(graph: dict[str, Any], hidden: Any) -> list[str]:
    """The nodes before the one that runs, itself among them; all, where it is not told which one that is."""
    own = str(getattr(hidden, "unique_id", None))
    return upstream(graph, own) if own in graph else list(graph)


def upstream(graph: dict[str, Any], last: str) -> list[str]:
    """The nodes that a node depends on, itself among them, those that its first inputs lead to first."""
    found: dict[str, None] = {}
    waiting = [last]
    while waiting:
        node = waiting.pop()
        if node in graph and node not in found:
            found[node] = None
            linked = [str(v[0]) for v in graph[node].get("inputs", {}).values() if isinstance(v, list) and len(v) == 2]
            waiting += reversed(linked)
    return list(found)


def files_named(node: dict[str, Any]) -> Iterator[Path]:
    """Files that can carry a manifest and that a node's widgets name."""
    from ..sora_core.safety.provenance import FORMATS

    for value in node.get("inputs", {}).values():
        name = IN_FOLDER.sub("", value) if isinstance(value, str) and len(value) < 1000 else ""
        if Path(name).suffix.lower() in FORMATS:
            try:
                yield host.input_path(value)
            except InputError:  # a name of something else, or of a file that is to be
                continue
