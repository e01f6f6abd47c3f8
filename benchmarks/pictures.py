"""The README's pictures, made by the bundled weights: `python benchmarks/pictures.py`.

With `--points DIR` (folders of weights named by their training step) it also draws how quality rises with compute. With
`--thumbnails DIR`, where `sora run example_workflows/NAME.json --out DIR/NAME` has left its files, it only draws the
examples' thumbnails; those of published weights, which are not here, are cards with a title on noise that clears.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from sora_nodes.sora_core.encoding import Encoding
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.media import contact_sheet, encode_video, read_image, read_video, video_to_frames, write_image
from sora_nodes.sora_core.pipeline import DEFAULTS, SoraModel, generate, load_bundled, sample_video
from torch import Tensor

PROMPTS = (
    "a red ball rolls to the left on snow at sunset",
    "a blue cube slides to the right on grass at noon",
    "a yellow cone bounces up and down on sand at noon",
    "a green ring spins in place on wood at night",
    "a purple cylinder comes closer on a rainbow road in fog",
    "an orange ball falls from above on water at sunset",
    "a white cube stands still on sand under water, the camera pans left",
    "three red balls roll to the right on grass at noon",
    "a yellow ball bounces up and down on snow at night, neon style",
    "a green cube spins in place on grass at noon, charcoal drawing",
    "on the left a blue cone spins in place, on the right a red ball stands still, on sand at noon",
    "a purple ball rolls to the right and passes behind a wall on grass at noon",
)
SIZE = (256, 144)
"""width and height of the clips: what `sora generate` makes where no size is asked for"""
SIZES = ((96, 192), (144, 192), (144, 144), (256, 144), (288, 128))
"""width and height"""
POINT_PROMPTS = PROMPTS[:4]


def generated(model: SoraModel, prompts: tuple[str, ...], width: int, height: int, folder: Path) -> list[Tensor]:
    """uint8 [F,H,W,3] of each prompt as `sora generate` makes it: drafted, brought up, marked, read from its file."""
    videos = []
    for prompt in prompts:
        made = generate(prompt, out=folder / "clip.mp4", size=(width, height), expand=False, model=model)
        videos.append(read_video(made.path).frames)
    return videos


def clips(model: SoraModel, prompts: tuple[str, ...], width: int, height: int) -> list[Tensor]:
    """uint8 [F,H,W,3] of each prompt as it is sampled, two seconds."""
    size = VideoSize(frames=17, height=height, width=width, fps=DEFAULTS.fps)
    video = sample_video(model, prompts, size, seed=DEFAULTS.seed)
    return [video_to_frames(clip[None]) for clip in video]


def wall(videos: list[Tensor], columns: int, scale: int) -> Tensor:
    """Clips of one size side by side, enlarged: uint8 [F,H,W,3]."""
    rows = [torch.cat(videos[i : i + columns], 2) for i in range(0, len(videos), columns)]
    pixels = torch.cat(rows, 1).permute(0, 3, 1, 2).float()
    large = torch.nn.functional.interpolate(pixels, scale_factor=scale, mode="bicubic")
    return large.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def thumbnails(outputs: Path, workflows: Path) -> None:
    """NAME.jpg beside each workflow: beginning, middle and end of what it made last, or the still."""
    for workflow in sorted(workflows.glob("*.json")):
        made = sorted(path for path in (outputs / workflow.stem).rglob("*") if path.suffix in (".mp4", ".png"))
        if not made:
            if workflow.stem.startswith("wan"):
                card(*title_of(workflow)).save(workflow.with_suffix(".jpg"), quality=88)
            continue
        frames = read_image(made[-1]) if made[-1].suffix == ".png" else read_video(made[-1]).frames
        last = len(frames) - 1
        chosen = [frames[i : i + 1] for i in sorted({0, last // 2, last})]
        write_image(outputs / "thumbnail.png", wall(chosen, len(chosen), 2))
        Image.open(outputs / "thumbnail.png").convert("RGB").save(workflow.with_suffix(".jpg"), quality=88)


def title_of(workflow: Path) -> tuple[str, str]:
    """The heading of a workflow's note, and the model file it samples."""
    nodes = json.loads(workflow.read_text())["nodes"]
    note = next(node["widgets_values"][0] for node in nodes if node["type"] == "MarkdownNote")
    model = next(node["widgets_values"][0] for node in nodes if node["type"] == "UNETLoader")
    return note.partition("\n")[0].strip("# "), model.removesuffix(".safetensors")


def card(title: str, below: str) -> Image.Image:
    """576x192: a title over noise that gives way to an even light from left to right."""
    width, height = 576, 192
    across = torch.linspace(0, 1, width)
    light = torch.stack([across * 60 + 20, across * 70 + 30, across * 90 + 60], -1).expand(height, width, 3)
    noise = torch.randn(height // 6, width // 6, 3, generator=torch.Generator().manual_seed(1))
    noise = noise.repeat_interleave(6, 0).repeat_interleave(6, 1) * 70 * (1 - across).square()[None, :, None]
    picture = Image.fromarray((light + noise).clamp(0, 255).to(torch.uint8).numpy())
    draw = ImageDraw.Draw(picture, "RGBA")
    draw.rectangle((0, 62, width, 134), fill=(0, 0, 0, 150))
    draw.text((width / 2, 88), title, "white", ImageFont.load_default(34), anchor="mm")
    draw.text((width / 2, 118), below, (200, 210, 225), ImageFont.load_default(16), anchor="mm")
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="a folder of weights (default: the bundled ones)")
    parser.add_argument("--points", type=Path, help="a folder of folders of weights, each named by its training step")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--thumbnails", type=Path, help="a folder with the output of every example workflow")
    args = parser.parse_args()
    if args.thumbnails:
        thumbnails(args.thumbnails, Path("example_workflows"))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    model = load_bundled(args.weights)
    with tempfile.TemporaryDirectory() as name:
        made = generated(model, PROMPTS, *SIZE, folder=Path(name))
        shapes = [generated(model, PROMPTS[:1], *size, folder=Path(name))[0] for size in SIZES]
    encode_video(args.out / "first-light.webp", [wall(made, 4, 1)], DEFAULTS.fps, Encoding(format="webp"))
    contact_sheet(made, 4, captions=PROMPTS).save(args.out / "first-light-frames.webp", quality=85)
    contact_sheet(shapes, 4, captions=[f"{w}x{h}" for w, h in SIZES]).save(args.out / "sizes.webp", quality=85)
    if args.points:
        folders = sorted(
            (path for path in args.points.iterdir() if path.name.isdigit()), key=lambda path: int(path.name)
        )
        rows = [clips(load_bundled(folder), POINT_PROMPTS, *DEFAULTS.size) for folder in folders]
        middle = [torch.cat([clip[8:9] for clip in row], 2) for row in rows]
        contact_sheet(middle, 1, captions=[f"after {folder.name} steps" for folder in folders]).save(
            args.out / "compute.png", optimize=True
        )


if __name__ == "__main__":
    main()
