"""One of several processes that make one sample: `python parallel_toys.py FILE RANK SIZE`, each compares its share of
work with what it makes alone."""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
import torch.distributed as dist
from editing_toys import tiny_model
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.dit import DiT, DiTConfig
from sora_nodes.sora_core.dit.denoiser import DiTDenoiser
from sora_nodes.sora_core.layers.team import Team
from sora_nodes.sora_core.media.convert import as_frames
from sora_nodes.sora_core.pipeline.team import decode_shared, shared
from sora_nodes.sora_core.types import LatentState
from sora_nodes.sora_core.vae import BundledCodec, CodecConfig


def network(**config: int) -> DiT:
    torch.manual_seed(0)
    sizes = {"width": 24, "depth": 2, "heads": 3, "mlp_width": 32, "channels": 4, "text_width": 16, "text_tokens": 8}
    known = DiTConfig(**{**sizes, **config}, prediction="clean", per_position_time=True, grid_features=True)
    return DiT(known).requires_grad_(False).eval()


def tokens_are_shared(team: Team) -> None:
    """Odd numbers of tokens and heads, two clips, a mask and a text for each latent frame."""
    dit = network()
    torch.manual_seed(1)
    x, context = torch.randn(2, 4, 3, 6, 10), torch.randn(2, 2, 8, 16)
    mask = torch.ones(2, 1, 3, 6, 10)
    mask[:, :, 0] = 0
    mask[1, :, 1, :4] = 0
    for text, rows in ((context[:, 0], None), (context, torch.tensor([0, 1, 1]))):
        told = {"positions": torch.arange(3.0), "spans": torch.full((3,), 4), "fps": 8.0, "rows": rows}
        alone, together = (DiTDenoiser(dit, **told, team=t) for t in (None, team))
        given = (x, torch.tensor([0.6, 0.3]), mask, text)
        with torch.no_grad():
            torch.testing.assert_close(together(*given), alone(*given), rtol=1e-5, atol=1e-5)


def a_sample_is_one(size: int) -> None:
    """Guidance on two teams, tokens within each; then the latent decoded by all."""
    codec = BundledCodec(CodecConfig(channels=4, widths=(8, 8), encoder_blocks=(1, 1), decoder_blocks=(1, 1)))
    model = replace(tiny_model(), dit=network(heads=2), codec=codec.requires_grad_(False).eval())
    for parameter in [*model.text.parameters(), *model.codec.parameters()]:
        dist.broadcast(parameter.data, 0)
    torch.manual_seed(2)
    zeros = torch.zeros(1, 4, 30, 4, 6)
    state = LatentState(
        latent=zeros, clean=zeros, mask=torch.ones_like(zeros[:, :1]), positions=torch.arange(30.0),
        spans=torch.full((30,), 4),
    )  # fmt: skip
    noise, cond = torch.randn_like(zeros), torch.randn(1, 8, 16)
    settings = model.settings.with_(steps=3, cfg=3.0)
    alone = pipeline.sample(model, state, cond, noise=noise, fps=8.0, settings=settings)
    for guidance in (True, False):
        team = shared(model, guidance=guidance)
        made = pipeline.sample(team, state, cond, noise=noise, fps=8.0, settings=settings)
        torch.testing.assert_close(made, alone, rtol=1e-4, atol=1e-4)
    expected = torch.cat([as_frames(x) for x in pipeline.decode_stream(model.codec, alone)])
    for mid_stream in (False, True):
        frames = list(decode_shared(team, alone, mid_stream=mid_stream))
        if dist.get_rank():
            assert not frames
            continue
        assert len(torch.cat(frames)) == len(expected) + 3 * mid_stream
        if not mid_stream:
            assert (torch.cat(frames).int() - expected.int()).abs().max() <= 1


if __name__ == "__main__":
    file, rank, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=size)
    tokens_are_shared(Team.of_all())
    a_sample_is_one(size)
    dist.destroy_process_group()
