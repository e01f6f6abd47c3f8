"""The commands on a card, as a user meets them, and the operations behind them, for which no package that writes videos
is needed: sections of `benchmarks/card.py` like those of `card_sections`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from card_sheet import Sheet

__all__ = ["commands", "operations"]

PROMPT = "a red ball rolls to the left on grass at noon"
EDITS = {
    "animate": ["{still}", PROMPT],
    "extend": ["{clip}", PROMPT],
    "loop": ["{clip}", PROMPT],
    "connect": ["{clip}", "{clip}", PROMPT],
    "fill": ["{clip}", PROMPT, "--frames", "5-8"],
    "restyle": ["{clip}", "a blue cube rolls to the left on sand at noon"],
}
"""edit operation -> its arguments"""

SIZE, WORKED = (144, 256), (112, 192)
"""height and width of a clip, and of what is sampled of it"""
FRAMES, FPS = 16, 8.0


def operations(sheet: Sheet) -> None:
    """Text to video and every edit operation once by few steps, as `--fast` has them, and brought up by the refiner as
    the commands do it, but by the library: time on the card, and its frames beside the CPU's."""
    import torch
    from sora_nodes.sora_core import pipeline
    from sora_nodes.sora_core.editing.sizes import resized
    from sora_nodes.sora_core.grid import VideoSize

    devices = list(dict.fromkeys((str(sheet.device), "cpu")))
    models = {device: pipeline.load_bundled(device=device, fast=True) for device in devices}
    size = VideoSize(frames=FRAMES, height=WORKED[0], width=WORKED[1], fps=FPS)
    drafts = {}
    for device, model in models.items():
        began = time.perf_counter()
        drafts[device] = pipeline.sample_video(model, [PROMPT], size, seed=1).float().cpu() / 2 + 0.5
        sheet.row(f"operation text to video, 192x112, {device}", time.perf_counter() - began, "s")
    beside(sheet, "operation text to video", *drafts.values())
    clip = resized(drafts["cpu"][0].clamp(0, 1).permute(1, 2, 3, 0), *SIZE)
    for name in EDITS:
        if sheet.left() < 8:
            sheet.row(f"operation {name} not begun", sheet.left(), "s left")
            continue
        made = {}
        try:
            for device, model in models.items():
                began = time.perf_counter()
                made[device] = edited(model, name, clip)
                took = time.perf_counter() - began
                sheet.row(f"operation {name}, 256x144, {device}", took, "s", frames=len(made[device]))
            beside(sheet, f"operation {name}", *made.values())
        except Exception as error:
            sheet.row(f"operation {name} failed", f"{type(error).__name__}: {str(error)[:300]}".replace("\n", " "))
            if isinstance(error, torch.AcceleratorError):
                raise
        sheet.save()


def edited(model: Any, name: str, clip: Any) -> Any:
    """The finished frames [F,H,W,3] of an edit of a clip of 256x144, made smaller for the model and brought up."""
    import torch
    from sora_nodes.sora_core import editing, pipeline
    from sora_nodes.sora_core.editing.sizes import resized
    from sora_nodes.sora_core.grid import VideoSize
    from sora_nodes.sora_core.pipeline.drafts import small_size
    from sora_nodes.sora_core.pipeline.working import finished, from_picture, working_clip

    given, codec = working_clip(editing.Clip(image=clip, fps=FPS), model.geometry), model.codec
    height, width = small_size(*SIZE, model.geometry)
    size = VideoSize(frames=FRAMES, height=height, width=width, fps=FPS)
    match name:
        case "animate":
            first = editing.Keyframe(image=resized(clip[:1], height, width), frame_idx=0)
            edit = from_picture(editing.animate([first], codec, size=size), clip[:1])
        case "extend":
            edit = editing.extend(given, codec, seconds=2)
        case "loop":
            edit = editing.loop_clip(given, codec, seconds=1)
        case "connect":
            edit = editing.connect(given, given, codec, seconds=1)
        case "fill":
            missing = torch.zeros(FRAMES)
            missing[5:9] = 1
            edit = editing.fill(given, codec, missing=missing)
        case _:
            edit = editing.restyle(given, codec)
    prompt = EDITS[name][-1] if name == "restyle" else PROMPT
    latent = pipeline.sample_edit(model, edit, prompt, seed=1).cpu()
    result = finished(edit, editing.stitched(edit, latent, codec), model.refiner)
    return result.read(0, result.length).float().cpu()


def beside(sheet: Sheet, name: str, made: Any, exact: Any = None) -> None:
    """How near frames in 0..1 are to the CPU's."""
    if exact is not None:
        noise = (made - exact).square().mean().clamp(min=1e-12)
        sheet.row(f"{name}, frames beside the CPU's", float(-10 * noise.log10()), "dB")


def commands(sheet: Sheet) -> None:
    """`sora generate` in a process of its own, start of Python and all; then every edit operation once, in this one."""
    import av

    if not hasattr(av, "__version__"):
        sheet.row("commands not run", "PyAV is not here, so no video can be written; put its wheel into --wheels")
        return
    from sora_nodes.cli import main

    device, steps = str(sheet.device), ["--steps", "2"] * sheet.small
    with tempfile.TemporaryDirectory() as folder:
        places = {"clip": str(Path(folder, "clip.mp4")), "still": str(Path(folder, "still.png"))}
        options = ["--device", device, "--seed", "1", *steps]
        for name in ("first", "second"):
            command = ["generate", PROMPT, "-o", places["clip"], *options]
            began = time.perf_counter()
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-m", "sora_nodes.cli", *command],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            took = time.perf_counter() - began
            said = done.stderr.strip().splitlines()[-1:] or [""]
            sheet.row(f"sora generate, {name} time", took, "s", ended=done.returncode, said=said[0][:200])
        main(["generate", PROMPT, "-o", places["still"], *options])
        for name, given in EDITS.items():
            if sheet.left() < 5:
                sheet.row(f"sora {name} not begun", sheet.left(), "s left")
                continue
            out = str(Path(folder, f"{name}.mp4"))
            began = time.perf_counter()
            ended = main([name, *(part.format(**places) for part in given), "-o", out, *options])
            sheet.row(f"sora {name}", time.perf_counter() - began, "s", ended=ended)
        sheet.save()
