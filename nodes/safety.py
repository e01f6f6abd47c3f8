"""Sora / safety: prompts and frames reviewed, videos marked, signed, verified and recognised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..runtime.naming import fill_prefix, prompt_values
from ..sora_core.settings import DEFAULTS, MAX_FPS
from . import doors, host, safety_calls
from .host import io, ui
from .inputs import checked
from .layouts.pictures import check_video, save_video

__all__ = ["NODES"]

CATEGORY = "Sora/safety"
POLICY = "A policy file; empty takes your own, else the bundled one. See docs/safety.md."


class SoraReviewPrompt(io.ComfyNode):
    """A prompt that passed the policy."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraReviewPrompt",
            display_name="Sora Review Prompt",
            category=CATEGORY,
            description="Checks a prompt against the policy, on this machine. A refused prompt stops the workflow.",
            inputs=[
                io.String.Input("prompt", multiline=True, default="", tooltip="What is to be shown."),
                io.String.Input("policy", default="", tooltip=POLICY),
                io.Boolean.Input("stop", default=True, tooltip="Off: only report; content with minors still stops."),
            ],
            outputs=[
                io.String.Output(display_name="prompt", tooltip="The same prompt."),
                io.String.Output(display_name="report", tooltip="JSON: the action, and category and rule of findings."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, policy: str | None = None, **_: Any) -> int:
        return doors.policy_changed(policy)

    @classmethod
    def execute(cls, prompt: str, policy: str, stop: bool) -> io.NodeOutput:
        said, report = safety_calls.review(prompt, policy, stop=stop)
        return io.NodeOutput(prompt, report, ui=ui.PreviewText(said))


class SoraReviewFrames(io.ComfyNode):
    """Frames that passed the policy."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraReviewFrames",
            display_name="Sora Review Frames",
            category=CATEGORY,
            description="Looks at every frame with the installed classifiers and stops, blurs or only reports.",
            inputs=[
                io.Image.Input("image", tooltip="The frames."),
                io.Float.Input(
                    "fps", default=DEFAULTS.fps, min=0.1, max=MAX_FPS, step=0.5, tooltip="For times in the report."
                ),
                io.Combo.Input(
                    "action",
                    options=["policy", "stop", "blur", "mark"],
                    default="policy",
                    tooltip="What follows from a finding: as the policy says, stop, blur the frames, or only report.",
                ),
                io.String.Input("policy", default="", tooltip=POLICY),
            ],
            outputs=[
                io.Image.Output(tooltip="The frames, blurred where that was asked for."),
                io.String.Output(display_name="report", tooltip="JSON: spans with times and scores."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, policy: str | None = None, **_: Any) -> int:
        return doors.policy_changed(policy)

    @classmethod
    def execute(cls, image: Any, fps: float, action: str, policy: str) -> io.NodeOutput:
        passed, report, said = safety_calls.review_frames(image, fps, action, policy)
        return io.NodeOutput(passed, report, ui=ui.PreviewText(said))


class SoraWatermark(io.ComfyNode):
    """Frames with a number hidden in them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraWatermark",
            display_name="Sora Watermark",
            category=CATEGORY,
            description="Hides a number in every frame; it survives compression, scaling and a crop.",
            inputs=[
                io.Image.Input("image", tooltip="The frames."),
                io.Int.Input(
                    "message",
                    default=safety_calls.MESSAGE,
                    min=0,
                    max=2**32 - 1,
                    tooltip="The number. The default is the same for everyone and says only that Sora Nodes made it.",
                ),
                io.Float.Input(
                    "psnr",
                    default=40.0,
                    min=safety_calls.PSNR[0],
                    max=safety_calls.PSNR[1],
                    step=0.5,
                    tooltip="Decibels; lower is stronger, and below 36 it can be seen.",
                ),
            ],
            outputs=[io.Image.Output(tooltip="The frames, marked.")],
        )

    @classmethod
    def execute(cls, image: Any, message: int, psnr: float) -> io.NodeOutput:
        return io.NodeOutput(safety_calls.mark(image, message, psnr))


class SoraSignVideo(io.ComfyNode):
    """A VIDEO as a signed mp4."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraSignVideo",
            display_name="Sora Sign Video",
            category=CATEGORY,
            description="Saves an mp4 signed with your certificate. Needs c2pa-python.",
            inputs=[
                io.Video.Input("video", tooltip="The video to save."),
                io.String.Input("filename_prefix", default="video/signed", tooltip="The name, as in Sora Save Video."),
                io.String.Input(
                    "certificate",
                    default="",
                    tooltip="Your certificate chain (PEM). Empty takes this machine's development certificate.",
                ),
                io.String.Input("key", default="", tooltip="The key of that certificate (PEM, PKCS8)."),
                io.Boolean.Input("with_prompt", default=False, tooltip="Write the workflow into the manifest."),
            ],
            outputs=[io.String.Output(display_name="file", tooltip="The file, for Sora Verify Video.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, certificate: str | None = None) -> bool | str:
        """Before anything is sampled; ComfyUI asks a check that names an input alone."""
        return checked(safety_calls.signs)

    @classmethod
    def execute(cls, video: Any, filename_prefix: str, certificate: str, key: str, with_prompt: bool) -> io.NodeOutput:
        check_video(video)
        chosen = safety_calls.credentials(certificate, key)
        path, result = host.output_path(
            fill_prefix(filename_prefix, prompt_values(cls.hidden.prompt)), ".mp4", *video.get_dimensions()
        )
        settings = {"prompt": json.dumps(cls.hidden.prompt)} if with_prompt else {}
        save_video(
            video, path, host.saved_metadata(cls.hidden), hidden=cls.hidden, credentials=chosen,
            with_prompt=with_prompt, settings=settings,
        )  # fmt: skip
        return io.NodeOutput(str(path), ui=ui.PreviewVideo([result]))


class SoraVerifyVideo(io.ComfyNode):
    """What the provenance of a file says."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraVerifyVideo",
            display_name="Sora Verify Video",
            category=CATEGORY,
            description="Reads the C2PA manifest of a file and checks that it fits. Needs c2pa-python.",
            inputs=[
                io.String.Input("file", default="", tooltip="A path; a bare name is looked for in the input folder."),
                io.String.Input("anchor", default="", tooltip="A root certificate (PEM) whose signers are trusted."),
            ],
            outputs=[
                io.String.Output(display_name="status", tooltip="trusted, unknown signer, changed or none."),
                io.String.Output(display_name="report", tooltip="JSON: signer, actions, ingredients, reasons."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file: str | None = None, anchor: str | None = None) -> list[int]:
        """Of names that are linked, nothing: what they lead to is not known yet."""
        return [doors.changed(named_file(file)) if file else 0, doors.changed(Path(anchor)) if anchor else 0]

    @classmethod
    def execute(cls, file: str, anchor: str) -> io.NodeOutput:
        status, report, said = safety_calls.verified(named_file(file), anchor)
        return io.NodeOutput(status, report, ui=ui.PreviewText(said))


def named_file(name: str) -> Path:
    """The file of a path, or of a bare name in the input folder. Raises InputError where there is none of that name."""
    return Path(name) if Path(name).is_absolute() else host.input_path(name)


class SoraDetect(io.ComfyNode):
    """Whether frames were made here."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SoraDetect",
            display_name="Sora Detect",
            category=CATEGORY,
            description="Looks for the watermark, then judges the frames by their look.",
            inputs=[io.Image.Input("image", tooltip="The frames.")],
            outputs=[
                io.Boolean.Output(display_name="generated", tooltip="Whether it says that the frames were made here."),
                io.Float.Output(display_name="score", tooltip="The probability, 0 to 1."),
                io.String.Output(display_name="report", tooltip="JSON: by what, the watermark's number and score."),
            ],
        )

    @classmethod
    def execute(cls, image: Any) -> io.NodeOutput:
        generated, score, report, said = safety_calls.detected(image)
        return io.NodeOutput(generated, score, report, ui=ui.PreviewText(said))


NODES: list[type[io.ComfyNode]] = [
    SoraReviewPrompt, SoraReviewFrames, SoraWatermark, SoraSignVideo, SoraVerifyVideo, SoraDetect,
]  # fmt: skip
