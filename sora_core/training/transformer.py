"""Training of text encoder and transformer together, on frozen latents.

After JiT (arXiv 2511.13720): the network gives the clean latent and the loss weighs it as a velocity, 1/sigma^2,
clamped; sigma = sigmoid(N(0.2, 1.3)), shifted as sampling shifts it (by 3 and more): in a latent of few, rich tokens
what moves where is decided above sigma = 0.85, where JiT's N(0.8, 0.8) leaves too few samples for words to steer
motion. The loss is on made tokens only, and more on those that show a thing. Kept parts are told sigma 0; some are
slightly noisy, so that a clip may be extended many times without drifting. Sizes grow in the course of a run
(`Curriculum`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data.batches import Batch, Source
from ..data.draws import Draws
from ..data.store import ClipStore
from ..diffusion import shift_for_grid, shift_sigma
from ..errors import InputError
from .forward import BlockForward, Places, TextToVideo, block_forward, predicted

__all__ = ["Choice", "Curriculum", "TransformerLoss"]

EDITS = ("storyboard", "bridge", "loop")
"""families that are there for editing"""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a batch may be made of, and how often."""

    store: ClipStore
    size: tuple[int, int]
    frames: int
    weight: float


@dataclass(frozen=True, kw_only=True)
class Curriculum:
    """Which sizes when: stills of every size first, then mostly small clips, then mostly large ones.

    A still is a fifth of the tokens of a clip and teaches colour, shape, ground and light; a small clip is a quarter of
    a large one's and teaches motion.
    """

    stills: float = 0.1
    """share of the run with stills alone"""
    small: float = 0.42
    """share of the run until which clips are mostly small"""
    bounds: tuple[int, int] = (10_000, 25_000)
    """pixels of a frame up to which a clip is small, and up to which it is of middle size"""
    least: int = 12
    """encoded clips that a kind needs to be trained on"""
    early: tuple[float, float, float] = (0.70, 0.24, 0.06)
    """how often clips are small, of middle size and large before `small`"""
    late: tuple[float, float, float] = (0.23, 0.27, 0.50)
    """and from there on"""
    edits: float = 2.0
    """how much more often than by their weight families for editing come from `small` on"""

    def choices(self, stores: Sequence[ClipStore], share: float) -> list[Choice]:
        """What batches may be made of when `share` of the run is done."""
        out = []
        for store in stores:
            if store.encoded < self.least:
                continue
            edit = store.kind.family in EDITS
            for size in store.kind.sizes:
                rank = sum(size[0] * size[1] > bound for bound in self.bounds)
                clip, still = self.rates(rank, share)
                clip *= self.edits if edit and share >= self.small else 1.0
                frames = store.kind.window or store.latent_frames
                if clip and frames > 1:
                    out.append(Choice(store=store, size=size, frames=frames, weight=clip * store.kind.weight))
                if still and not edit:
                    out.append(Choice(store=store, size=size, frames=1, weight=still * store.kind.weight))
        if not out:
            raise InputError(f"no kind has {self.least} encoded clips to train the transformer on")
        return out

    def rates(self, rank: int, share: float) -> tuple[float, float]:
        """How often clips and stills of a size are drawn; rank 0 is small, 2 large."""
        if share < self.stills:
            return 0.0, (0.3, 0.4, 0.3)[rank]
        if share < self.small:
            return self.early[rank], 0.05
        return self.late[rank], (0.02, 0.03, 0.06)[rank]


@dataclass(frozen=True, kw_only=True)
class TransformerLoss:
    """The loss of one step, a pure function of the step, the share of the run that is done, and the stores."""

    model: TextToVideo
    stores: Sequence[ClipStore]
    curriculum: Curriculum = Curriculum()
    tokens: int = 8192
    """of a batch"""
    batches: int = 2
    """of a step, each of one kind and size"""
    keep: tuple[float, float] = (0.2, 0.38)
    """share of clips with a kept part, at the first and from half of the run on"""
    mean: float = 0.2
    """of the normal distribution behind sigma"""
    deviation: float = 1.3
    """of the normal distribution behind sigma"""
    even: float = 0.25
    """share of the clips whose sigma is drawn evenly from 0 to 1: where the shift is large hardly one is else below
    .35,
    where shapes get their edges"""
    least_sigma: float = 0.05
    """where the weight stops growing"""
    emphasis: float = 6.0
    """how much more a cell counts in which a thing is seen: they are few, and what the words are about"""
    kept_noise: float = 0.1
    """largest noise on kept parts; a third of the clips have some"""
    seed: int = 0
    """of everything random"""
    bfloat16: bool = False
    """compute in bfloat16; master weights stay float32"""
    block: BlockForward = block_forward
    """the block's forward pass, compiled or not"""
    sources: dict[tuple[str, tuple[int, int], int], tuple[Source, Places]] = field(default_factory=dict, repr=False)
    """by kind, size and frames, filled as they are needed"""

    def backward(self, step: int, share: float) -> Tensor:
        """Add the gradients of a step; returns the mean loss of its batches."""
        draws = Draws(self.seed, step, self.stores[0].device)
        choices = self.curriculum.choices(self.stores, share)
        keep = self.keep[0] + min(1.0, 2 * share) * (self.keep[1] - self.keep[0])
        total = torch.zeros((), device=draws.device)
        for _ in range(self.batches):
            choice = draws.one_of(choices, [c.weight for c in choices])
            source, places = self.source(choice)
            q, r = self.model.dit.config.patch[1:]
            per_clip = choice.frames * (source.height // q) * (source.width // r)
            batch = source.batch(max(2, self.tokens // per_clip), draws, keep=keep)
            loss = self.loss(batch, places, draws) / self.batches
            loss.backward()  # type: ignore[no-untyped-call]
            total = total + loss.detach()
        return total

    def rehearse(self, choice: Choice) -> None:
        """One batch of noise, forward and backward, so that all that is compiled is."""
        source, places = self.source(choice)
        q, r = self.model.dit.config.patch[1:]
        n = max(2, self.tokens // (choice.frames * (source.height // q) * (source.width // r)))
        draws = Draws(self.seed, 0, choice.store.device)
        latents = draws.normal(n, self.model.dit.config.channels, choice.frames, source.height, source.width)
        ids = draws.integers(2, n * 2 * choice.store.ids.shape[-1]).view(n, 2, -1)
        variant, late = draws.integers(2, n), draws.uniform(n, choice.frames).round()
        some = torch.ones_like(latents[:, :1])
        batch = Batch(latents=latents, cells=some, mask=some, ids=ids, late=late, variant=variant)
        self.loss(batch, places, draws).backward()  # type: ignore[no-untyped-call]

    def source(self, choice: Choice) -> tuple[Source, Places]:
        """The source of a choice and where its tokens are; made once."""
        key = (choice.store.kind.name, choice.size, choice.frames)
        if key not in self.sources:
            source = Source(choice.store, choice.size, choice.frames)
            self.sources[key] = source, Places.of(source, self.model.dit)
        return self.sources[key]

    def loss(self, batch: Batch, places: Places, draws: Draws) -> Tensor:
        """The weighted squared error of a batch."""
        sigma = self.sigma(batch.latents, draws)
        noisy = self.noised(batch, sigma, draws)
        with torch.autocast(sigma.device.type, torch.bfloat16, enabled=self.bfloat16):
            out = predicted(
                self.model, places, noisy, sigma, batch.mask, batch.ids, batch.late, batch.variant, block=self.block
            )
        counted = batch.mask * (1 + self.emphasis * batch.cells)
        weight = counted / sigma.clamp(min=self.least_sigma).square().view(-1, 1, 1, 1, 1)
        return (weight * (out.float() - batch.latents).square()).sum() / (counted.sum() * batch.latents.shape[1])

    def sigma(self, latents: Tensor, draws: Draws) -> Tensor:
        """A noise level per clip [n], shifted as sampling shifts it for the size of the picture."""
        drawn = torch.sigmoid(self.mean + self.deviation * draws.normal(len(latents)))
        _, q, r = self.model.dit.config.patch
        shifted = shift_sigma(drawn, shift_for_grid(latents.shape[-2:], (q, r)))
        n = len(latents)
        return torch.where(draws.often(self.even, n), draws.uniform(n), shifted)

    def noised(self, batch: Batch, sigma: Tensor, draws: Draws) -> Tensor:
        """The network's input: noise at sigma where made; clean, or nearly, where kept."""
        n = len(sigma)
        disturbed = draws.often(1 / 3, n) * draws.uniform(n) * self.kept_noise
        level = torch.where(batch.mask > 0, sigma.view(-1, 1, 1, 1, 1), disturbed.view(-1, 1, 1, 1, 1))
        return (1 - level) * batch.latents + level * draws.normal(*batch.latents.shape)
