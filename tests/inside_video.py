"""VIDEO of this ComfyUI under our nodes: whole, trimmed, in memory, with sound; see `inside_toys.py`."""

# ruff: noqa: I001 - inside_toys finds ComfyUI for what follows

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from inside_toys import Our, differ, grid, refused, run
import folder_paths
from sora_pack.nodes import clips, host  # type: ignore[import-not-found]
from sora_pack.nodes.assembly import SoraStitchVideo  # type: ignore[import-not-found]
from sora_pack.nodes.layouts import edits, pictures  # type: ignore[import-not-found]
from sora_pack.nodes.layouts.cuts import Cut  # type: ignore[import-not-found]
from sora_pack.nodes.video import SoraDecodeVideo  # type: ignore[import-not-found]
from sora_pack.sora_core.encoding import Encoding  # type: ignore[import-not-found]
from sora_pack.sora_core.editing.frames import read_image  # type: ignore[import-not-found]
from sora_pack.sora_core.media.read import probe, read_video  # type: ignore[import-not-found]

RATE, FPS, FRAMES = 16000, 8, 24


def moving(*, sound: bool) -> Any:
    """Frame i is grey of i / 24 all over; the sound is 1 second of silence, then a tone."""
    images = (torch.arange(FRAMES) / FRAMES).view(-1, 1, 1, 1).expand(-1, 32, 32, 3).contiguous()
    tone = torch.sin(torch.arange(RATE * FRAMES // FPS) * 0.3) * 0.5
    tone[:RATE] = 0
    heard = {"waveform": tone.view(1, 1, -1), "sample_rate": RATE} if sound else None
    parts = host.VideoComponents(images=images, audio=heard, frame_rate=Fraction(FPS))
    return host.VideoFromComponents(parts)


def saved(video: Any, name: str) -> Path:
    path = Path.cwd() / f"{name}.mp4"
    path.unlink(missing_ok=True)
    pictures.save_video(video, path, {"prompt": "{}"})
    return path


def greys(frames: torch.Tensor) -> torch.Tensor:
    return (frames.float().mean((1, 2, 3)) * FRAMES).round()


def check_sound_is_saved(our: Our) -> None:
    """Frames with sound are saved on every ComfyUI, those before 0.16 included."""
    for name, sound in {"with": True, "without": False}.items():
        info = probe(saved(moving(sound=sound), name))
        assert info.frames == FRAMES and info.has_audio is sound, info


def check_a_trimmed_video_is_taken_as_trimmed(our: Our) -> None:
    whole = host.VideoFromFile(str(saved(moving(sound=True), "whole")))
    assert host.video_window(whole) == (0.0, 0.0) and host.stream_source(whole) == whole.get_stream_source()
    clip, _ = edits.clip_of(our.vae, whole)
    differ("a whole file", greys(read_image(clip.source)), torch.arange(FRAMES).float())
    if not hasattr(whole, "as_trimmed"):
        return
    for start, length, first, last in ((1.0, 1.0, 8, 16), (0.0, 0.5, 0, 4), (2.5, 0.0, 20, 24), (-1.0, 0.0, 16, 24)):
        cut = whole.as_trimmed(start, length, strict_duration=False)
        clip, sound = edits.clip_of(our.vae, cut)
        right, name = torch.arange(first, last).float(), f"{length:g} seconds from {start:g}"
        differ(f"{name}: the clip", greys(read_image(clip.source)), right)
        differ(f"{name}: as ComfyUI cuts it", greys(cut.get_components().images), right)
        differ(f"{name}: saved", greys(read_video(saved(cut, "cut")).frames / 255), right)
        heard = sound.audio["waveform"].shape[-1] / sound.audio["sample_rate"]
        assert abs(heard - (last - first) / FPS) < 0.15, (name, heard)
    nothing = whole.as_trimmed(2.95, 0.01, strict_duration=False)
    refused("there is no frame", lambda: edits.clip_of(our.vae, nothing))


def check_ten_bits_and_colours_pass(our: Our) -> None:
    """A VIDEO of ten bits is saved with ten; a file of high dynamic range is copied as it is, and said where it is
    edited."""
    if not hasattr(host.VideoFromComponents, "get_bit_depth"):
        return
    parts = host.VideoComponents(images=torch.rand(9, 64, 64, 3), frame_rate=Fraction(8))
    deep = saved(host.VideoFromComponents(parts, bit_depth=10), "deep")
    again = host.VideoFromFile(str(deep))
    assert again.get_bit_depth() == 10
    clip, _ = edits.clip_of(our.vae, again)
    assert any("10 bits a colour are read as 8" in note for note in clip.notes), clip.notes
    if not hasattr(again, "get_color_space"):
        return
    path = Path.cwd() / "hdr.mp4"
    host.VideoFromComponents(parts).save_to(str(path), color_space="HDR")
    copied = saved(host.VideoFromFile(str(path)), "copied")
    assert host.VideoFromFile(str(copied)).get_color_space() == "HDR", "the colours of a copied file changed"
    clip, _ = edits.clip_of(our.vae, host.VideoFromFile(str(path)))
    assert any("high dynamic range (HLG) is tone-mapped" in note for note in clip.notes), clip.notes


def check_metadata_is_left_out_when_asked(our: Our) -> None:
    from comfy.cli_args import args

    assert host.writes_metadata()
    args.disable_metadata = True
    try:
        assert not host.writes_metadata()
    finally:
        args.disable_metadata = False


def check_formats_and_cuts(our: Our) -> None:
    """Sora Save Video and Sora Load Video with their choices, on this ComfyUI's VIDEO."""
    for kind in ("mov", "mkv", "webm", "gif", "webp"):
        path = Path.cwd() / f"made.{kind}"
        path.unlink(missing_ok=True)
        said = clips.save(moving(sound=True), path, {"prompt": "{}"}, Encoding(format=kind), sign=False)
        assert path.stat().st_size > 100 and bool(said) is (kind in ("gif", "webp")), (kind, said)
        if not said:
            differ(f"saved as {kind}", greys(read_video(path).frames / 255), torch.arange(FRAMES).float())
    whole = saved(moving(sound=True), "given")
    video, images, size, _ = clips.loaded(whole, Cut(start=1.0, length=1.0, every_nth=2), in_memory=True)
    differ("a part, its frames", greys(images), torch.arange(8, 16, 2).float())
    parts = video.get_components()
    differ("a part, the video", greys(parts.images), torch.arange(8, 16, 2).float())
    assert size.fps == FPS / 2 and float(parts.frame_rate) == FPS / 2
    assert abs(parts.audio["waveform"].shape[-1] / parts.audio["sample_rate"] - 1) < 0.1


def check_previews(our: Our) -> None:
    """Decode and Stitch play what they made from the temp folder, where that is asked for."""
    latent = grid(our.vae)
    for on in (False, True):
        decoded = SoraDecodeVideo.execute(latent, our.vae, 0.0, preview=on).ui
        stitched = SoraStitchVideo.execute(latent, our.vae, True, preview=on).ui
        for shown in (decoded, stitched):
            found = shown.as_dict().get("images", []) if shown is not None else []
            assert [item["type"] for item in found] == ["temp"] * on
            assert all((Path(folder_paths.get_temp_directory()) / item["filename"]).is_file() for item in found)


if __name__ == "__main__":
    run(
        check_sound_is_saved,
        check_a_trimmed_video_is_taken_as_trimmed,
        check_ten_bits_and_colours_pass,
        check_formats_and_cuts,
        check_previews,
        check_metadata_is_left_out_when_asked,
    )
