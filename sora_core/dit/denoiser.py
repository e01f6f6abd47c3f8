"""The transformer as a denoiser: what depends on sizes and text alone is made once and kept.

Legend: B clips, C channels, T H W of the latent, S text tokens, D text width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..diffusion.parametrization import denoised_from, level_at
from ..errors import CheckpointError
from ..layers import kernels
from ..layers.kernels.graphs import Recordings
from ..layers.team import Team
from ..types import Denoiser
from .model import ClipGrid, DiT, TextKV, TokenPlan
from .parallel import SharedPlan

__all__ = ["DiTDenoiser", "noise_level_experts"]

KEPT = 4
"""plans and texts remembered: cond, uncond and both as one batch"""


class DiTDenoiser:
    """`denoised = denoiser(x, sigma, mask, context)` for clips of one grid.

    positions [T] in seconds and spans [T] in frames are what the bundled model is told; published models count tokens.
    Rotary tables and modulation rows are made once per size and mask, keys and values of the text once per prompt.
    team: the processes that share the tokens, each of which makes the same calls.
    Raises CheckpointError where the first output holds values that are not numbers: damaged weights would else show
    behind the last step.
    A context of [B,P,S,D] holds P prompts for each clip; `rows` [T] says which of them each latent frame follows.
    """

    def __init__(
        self, dit: DiT, *, positions: Tensor, spans: Tensor, fps: float, rows: Tensor | None = None,
        team: Team | None = None,
    ) -> None:  # fmt: skip
        self.dit, self.positions, self.spans, self.fps, self.rows = dit, positions, spans, fps, rows
        self.team = team
        self.plans: list[tuple[torch.Size, Tensor | None, TokenPlan]] = []
        self.texts: list[tuple[Tensor, TextKV]] = []
        self.recordings = Recordings()
        self.checked = False
        """whether its first output holds numbers alone"""

    def __call__(self, x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        weight = self.dit.patch_embedding.weight
        given, level = x.to(weight.device, weight.dtype), sigma.to(weight.device, non_blocking=True)
        plan, text = self.plan(given, mask, prompts(context)), self.text(context)

        def forward(x: Tensor, sigma: Tensor) -> Tensor:
            return self.dit([x], sigma, plan, text)[0]

        if self.team or plan.layout.tokens > kernels.of(given).graphed_tokens:
            output = forward(given, level)
        else:
            output = self.recordings(forward, (plan, text, weight), given, level)
        if not self.checked:
            check_numbers(given, output)
            self.checked = True
        return denoised_from(output.to(x.device, torch.float32), x, level_at(sigma, mask), self.dit.config.prediction)

    def plan(self, x: Tensor, mask: Tensor, prompts: int = 1) -> TokenPlan:
        """The plan of this size and mask; a network with one noise level per clip is not told the mask."""
        told = mask if self.dit.config.per_position_time else None
        for shape, known, plan in self.plans:
            if shape == x.shape and same(known, told):
                return plan
        n, _, t, h, w = x.shape
        grid = ClipGrid(
            shape=(n, t, h, w),
            positions=self.positions[:t].expand(n, t),
            spans=self.spans[:t].expand(n, t),
            seconds_per_frame=torch.full((n,), 1 / self.fps),
            mask=told,
            text_rows=None if self.rows is None else torch.arange(n)[:, None] * prompts + self.rows[:t],
            texts=n * prompts,
        )
        plan = self.dit.plan([grid], device=x.device)
        if self.team:
            plan = SharedPlan.of(plan, self.team)
        self.plans = [*self.plans[1 - KEPT :], (x.shape, told, plan)]
        return plan

    def text(self, context: Tensor) -> TextKV:
        """Keys and values of this context."""
        for known, text in self.texts:
            if same(known, context):
                return text
        weight = self.dit.patch_embedding.weight
        text = self.dit.text(context.to(weight.device, weight.dtype).reshape(-1, *context.shape[-2:]))
        self.texts = [*self.texts[1 - KEPT :], (context, text)]
        return text


def check_numbers(given: Tensor, output: Tensor) -> None:
    """Raise CheckpointError where numbers came in and something else comes out."""
    if not output.isfinite().all() and given.isfinite().all():
        raise CheckpointError(
            "the transformer gives values that are not numbers (NaN or infinite): its weights are damaged, a LoRA on"
            " them is too strong, or the type that they are computed in is too narrow; fetch them again, or take"
            " bfloat16 or float32"
        )


def prompts(context: Tensor) -> int:
    """Prompts per clip in a context [B,S,D] or [B,P,S,D]."""
    return 1 if context.ndim == 3 else context.shape[1]


def same(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether two tensors hold the same; guidance joins contexts anew at every step, so being one object is not
    asked."""
    if a is None or b is None:
        return a is b
    return a is b or (a.shape == b.shape and a.device == b.device and bool(torch.equal(a, b)))


def noise_level_experts(high: Denoiser, low: Denoiser, boundary: float) -> Denoiser:
    """Two networks for two stretches of noise (Wan 2.2 A14B): `high` from sigma = boundary up, `low` below it.

    Each may carry its own guidance. Reads sigma on the host once per call.
    """

    def denoise(x: Tensor, sigma: Tensor, mask: Tensor, context: Tensor) -> Tensor:
        return (high if float(sigma[0]) >= boundary else low)(x, sigma, mask, context)

    return denoise
