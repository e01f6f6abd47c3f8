"""Sora / prompts: short prompts made long, and text for the sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..sora_core.errors import InputError
from ..sora_core.settings import DEFAULTS
from . import calls, doors
from .host import io, ui
from .layouts.conditioning import marked_empty
from .layouts.edits import clip_of
from .layouts.pictures import rgb

if TYPE_CHECKING:
    from ..sora_core.world.captions import Facts

__all__ = ["NODES"]


class SoraExpandPrompt(io.ComfyNode):
    """A short prompt as a long caption of the kind the model was trained on."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraExpandPrompt",
            display_name="Sora Expand Prompt",
            category="Sora",
            description=(
                "Keeps what the prompt says and fills in what it leaves out: ground, light, camera, style, as the seed"
                " chooses or as a linked picture or video shows them."
            ),
            inputs=[
                io.String.Input(
                    "prompt", multiline=True, dynamic_prompts=True, default="", tooltip="What to show, in your words."
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**53 - 1,
                    control_after_generate=True,
                    tooltip="Chooses what is filled in; the same seed fills in the same.",
                ),
                io.String.Input(
                    "caption",
                    multiline=True,
                    default="",
                    optional=True,
                    tooltip="A caption to use as it stands, such as an edited one; empty expands the prompt.",
                ),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="A clip that the prompt is about: what the prompt leaves out is as it is at its end.",
                ),
                io.Video.Input(
                    "second",
                    optional=True,
                    tooltip="A clip that follows, for Sora Connect Videos: without a prompt, both are told in turn.",
                ),
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="A picture that the prompt is about, for Sora Animate Image, instead of a video.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="prompt", tooltip="The descriptive caption."),
                io.String.Output(
                    display_name="negative",
                    tooltip="What the prompt refuses ('no snow'): for a second Sora Text Encode.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls, prompt: str, seed: int, caption: str = "", video: Any = None, second: Any = None, image: Any = None
    ) -> io.NodeOutput:
        from ..sora_core.weights import vocabulary
        from ..sora_core.world.expand import expanded_about

        seen = shown_by(prompt, video, second, image)
        made = expanded_about(prompt, seed, seen, vocabulary())
        shown = caption.strip() or made.caption
        refused = [f"not: {made.negative}"] if made.negative else []
        return io.NodeOutput(shown, made.negative, ui=ui.PreviewText("\n".join([shown, *refused, *made.notes])))


def shown_by(prompt: str, video: Any, second: Any, image: Any) -> list[Facts | None]:
    """What a prompt is about: the end of a clip and the beginning of the one that follows, or a picture, which without
    a prompt tells no motion. Raises InputError for inputs that do not go together."""
    from ..sora_core.media import TensorSource
    from ..sora_core.perception.seen import seen_in

    if image is not None and (video is not None or second is not None):
        raise InputError("image and a video are both linked; link what the prompt is about")
    if second is not None and video is None:
        raise InputError("second is linked and video is not; link the clip that comes first to video")
    if image is not None:
        return [seen_in(TensorSource(rgb(image[:1]), DEFAULTS.fps)) if prompt.strip() else None]
    seen = [] if video is None else [seen_in(clip_of(None, video)[0].source)]
    return seen if second is None else [*seen, seen_in(clip_of(None, second)[0].source, at_end=False)]


class SoraTextEncode(io.ComfyNode):
    """A prompt as CONDITIONING."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraTextEncode",
            display_name="Sora Text Encode",
            category="Sora",
            description="Turns a prompt into what the sampler follows.",
            inputs=[
                io.Clip.Input("clip", tooltip="The text encoder of the model."),
                io.String.Input(
                    "text",
                    multiline=True,
                    dynamic_prompts=True,
                    default="",
                    tooltip="The prompt. Empty text is what guidance steers away from.",
                ),
            ],
            outputs=[io.Conditioning.Output(tooltip="For the sampler's positive or negative input.")],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        return doors.policy_changed()

    @classmethod
    def execute(cls, clip: Any, text: str) -> io.NodeOutput:
        said = calls.unread_note(clip, [text])
        note = ui.PreviewText(said) if said else None
        encoded = calls.encode_prompt(clip, text)
        return io.NodeOutput(encoded if text.strip() else marked_empty(encoded), ui=note)


NODES: list[type[io.ComfyNode]] = [SoraExpandPrompt, SoraTextEncode]
