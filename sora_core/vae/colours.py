"""The colours of latents without decoding them: a linear rule, for previews."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .base import CausalCodec

__all__ = ["rgb_factors"]


@torch.no_grad()
def rgb_factors(codec: CausalCodec) -> tuple[list[list[float]], list[float]]:
    """The colour of a latent cell as a linear function of its channels, by least squares over smooth random
    pictures."""
    space = codec.geometry.space_factor
    colours = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    cells = F.interpolate(colours, (24, 24), mode="bilinear")
    picture = F.interpolate(cells, scale_factor=space, mode="bilinear")
    frames = picture[:, :, None].expand(-1, -1, codec.geometry.time_factor + 1, -1, -1)
    latent = codec.encode(frames.to(codec.latent_mean))[0].float().cpu().flatten(1).T
    known = torch.cat([latent, torch.ones(len(latent), 1)], 1)
    wanted = cells[0].flatten(1).T.repeat(2, 1)
    solved = torch.linalg.lstsq(known, wanted, driver="gelsd").solution
    return solved[:-1].tolist(), solved[-1].tolist()
