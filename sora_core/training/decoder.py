"""The decoder once more, on latents as the transformer makes them.

What is sampled is never quite a latent of the encoder, and a decoder that has seen no others answers with specks
around things.
So the decoder alone, the encoder stays and with it all latents, is trained on: true latents, true latents with noise,
and true latents
that the transformer has made again from a low noise level, each towards the true frames. Half of the way there is
what is shipped:
the mean of both decoders' weights loses half as much of true latents (weights averaged as in arXiv 2203.05482).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .. import pipeline
from ..data.clips import Shard, scenes_of
from ..vae import BundledCodec
from ..world import describe
from .codec import CodecLoss, reconstruction
from .loop import step_generator
from .recycling import sampled_again

__all__ = ["DecoderLoss", "blended", "made_again"]

LONGEST = 17
"""frames of a clip that is made again"""
LEVELS = (0.1, 0.45)
"""of the schedule that is run again, as `denoise`"""
STEPS = 5
AT_ONCE = 24


@torch.no_grad()
def made_again(model: pipeline.SoraModel, shard: Shard, count: int) -> dict[str, Tensor]:
    """The first clips of a shard of pixels, `video`, and their latents as the transformer makes them from a little
    noise, `latent`."""
    step = model.geometry.time_factor
    frames = (min(LONGEST, shard.kind.frames) - 1) // step * step + 1
    video = shard.tensors["video"][:count, :frames]
    ids = model.tokenizer([describe(scene, "plain") for scene in scenes_of(shard.kind, shard.first_seed, len(video))])
    latents = []
    for start in range(0, len(video), AT_ONCE):
        true = model.codec.encode(video[start : start + AT_ONCE].permute(0, 4, 1, 2, 3).float() / 127.5 - 1)
        words, seed = ids[start : start + AT_ONCE], shard.first_seed + start
        latents.append(
            sampled_again(model, true, words, fps=shard.kind.fps, seed=seed, levels=LEVELS, steps=STEPS, cfg=1.0)
        )
    return {"video": video.contiguous(), "latent": torch.cat(latents).half()}


@dataclass(frozen=True, kw_only=True)
class DecoderLoss:
    """The loss of one step, a pure function of the step; only the codec's decoder is trained."""

    clips: CodecLoss
    """where true clips come from, and the codec"""
    made: Sequence[dict[str, Tensor]]
    """clips that were made again"""
    share: float = 0.4
    """of the steps that are on these"""
    noise: float = 0.4
    """largest noise on true latents, in their deviations; two fifths of the clips have none"""

    def __call__(self, step: int) -> Tensor:
        generator = step_generator(self.clips.seed + 1, step)
        codec = self.clips.codec
        if float(torch.rand((), generator=generator)) < self.share:
            (latent, video), mid_stream = self._made(generator), False
        else:
            video, mid_stream = self.clips.batch(generator)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=self.clips.bfloat16):
                latent = codec.encode(video, mid_stream=mid_stream).float()
            level = self.noise * torch.rand(2, len(latent), 1, 1, 1, 1, generator=generator)
            latent = latent + level[0] * (level[1] < 0.6 * self.noise) * torch.randn(latent.shape, generator=generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.clips.bfloat16):
            frames = codec.decode(latent, mid_stream=mid_stream)
        return reconstruction(frames.float() - video)

    def _made(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Latents and true frames of some clips of one size."""
        sizes = torch.tensor([float(len(part["video"])) for part in self.made])
        part = self.made[int(torch.multinomial(sizes, 1, generator=generator))]
        count = max(1, round(self.clips.pixels / part["video"][0, ..., 0].numel()))
        chosen = torch.randint(len(part["video"]), (count,), generator=generator)
        return part["latent"][chosen].float(), part["video"][chosen].permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def blended(codec: BundledCodec, trained: dict[str, Tensor], share: float = 0.5) -> None:
    """Move the codec's decoder by `share` of the way to the trained one, in place."""
    for name, value in codec.decoder.state_dict().items():
        value.lerp_(trained[name], share)
