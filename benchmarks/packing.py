"""What mixing sizes costs in training, packed and padded: `python benchmarks/packing.py`.

The mix of clips is the last phase of the bundled configuration, the data random. Ideal is the speed of packs of one
size with as
many tokens, weighed by the tokens that each size has in the mix. Padded, every clip is laid into the largest height,
width
and length of the mix. One step is the loss and its gradient. Seconds are of the processor, on one thread unless told
otherwise, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import torch
from sora_nodes.sora_core.data.clips import ClipKind, Shard
from sora_nodes.sora_core.data.latents import parts_of, stream_of
from sora_nodes.sora_core.data.packs import GroupSpec, PackSource
from sora_nodes.sora_core.grid import Geometry
from sora_nodes.sora_core.text.tokenizer import WordTokenizer
from sora_nodes.sora_core.training.run import Plan, build, jobs, read_config
from sora_nodes.sora_core.training.transformer import TransformerLoss
from table import show

CONFIG = Path(__file__).parent.parent / "configs" / "bundled.json"
WORDS = [f"word{i}" for i in range(100)]
CLIPS = 8
"""random clips per shard"""


def shard_of(kind: ClipKind, geometry: Geometry, tokens: int) -> Shard:
    """Random latents and captions of a kind."""
    parts, (_, frames) = parts_of(kind), stream_of(kind, geometry)
    cells = (kind.height // geometry.space_factor, kind.width // geometry.space_factor)
    tensors = {
        "latent": torch.randn(CLIPS, geometry.channels, frames, *cells).half(),
        "ids": torch.randint(2, len(WORDS), (CLIPS, 5, parts, tokens)).short(),
        "starts": torch.linspace(0, 1, parts).expand(CLIPS, parts).clone(),
        "things": torch.zeros(CLIPS, frames, *cells, dtype=torch.uint8),
    }
    return Shard(path=Path(kind.name), kind=kind, first_seed=0, tensors=tensors)


class Bench:
    """The model and shards of a configuration, and the time of a step on any mix of them."""

    def __init__(self, plan: Plan, steps: int, compiled: bool) -> None:
        self.steps, self.compiled = steps, compiled
        self.geometry = Geometry(channels=plan.transformer["model"]["channels"])
        self.model = build(plan, WordTokenizer(WORDS, plan.transformer["text"]["tokens"]))
        kinds = {kind.name: kind for kind, _, _ in jobs(plan.latents)}
        self.shards = [shard_of(kind, self.geometry, plan.transformer["text"]["tokens"]) for kind in kinds.values()]

    def shape(self, spec: GroupSpec) -> tuple[int, int, int]:
        """Tokens of a group along time, height and width."""
        kind = next(shard.kind for shard in self.shards if shard.kind.name.startswith(spec.kind))
        cell = self.geometry.space_factor * self.geometry.patch
        return spec.frames, kind.height // cell, kind.width // cell

    def length(self, spec: GroupSpec) -> int:
        t, h, w = self.shape(spec)
        return t * h * w

    def seconds(self, mix: list[GroupSpec], shards: list[Shard] | None = None) -> float:
        """Processor seconds of a step: the median after one to warm up."""
        source = PackSource(shards=shards or self.shards, mix=mix, geometry=self.geometry)
        loss = TransformerLoss(model=self.model, source=source)
        if self.compiled:
            torch.compiler.reset()
            for block in (*self.model.dit.blocks, *self.model.text.blocks):
                block.compile(dynamic=False)
        taken = []
        for step in range(self.steps + 1):
            began = time.process_time()
            loss(step).backward()  # type: ignore[no-untyped-call]
            taken.append(time.process_time() - began)
            self.model.zero_grad(set_to_none=True)
        return median(taken[1:])

    def ideal(self, mix: list[GroupSpec]) -> float:
        """Seconds of the mix at the speed of packs of one size each."""
        total = sum(spec.clips * self.length(spec) for spec in mix)
        sizes: dict[tuple[int, int, int], list[GroupSpec]] = defaultdict(list)
        for spec in mix:
            sizes[self.shape(spec)].append(spec)
        seconds = 0.0
        for specs in sizes.values():
            one = GroupSpec(
                kind=specs[0].kind, frames=specs[0].frames, clips=max(1, round(total / self.length(specs[0])))
            )
            tokens = sum(spec.clips * self.length(spec) for spec in specs)
            seconds += self.seconds([one]) * tokens / (one.clips * self.length(one))
        return seconds

    def padded(self, mix: list[GroupSpec]) -> float:
        """Seconds of the mix where every clip fills the largest size."""
        t, h, w = (max(sizes) for sizes in zip(*(self.shape(spec) for spec in mix), strict=True))
        cell = self.geometry.space_factor * self.geometry.patch
        kind = ClipKind(height=h * cell, width=w * cell, frames=(t - 1) * self.geometry.time_factor + 1, fps=8.0)
        spec = GroupSpec(kind=kind.name, clips=sum(spec.clips for spec in mix), frames=t)
        return self.seconds([spec], [shard_of(kind, self.geometry, self.model.text.config.tokens)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--steps", type=int, default=3, help="steps per measurement")
    parser.add_argument("--share", type=float, default=1.0, help="of the clips in the mix, for a quick look")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true", help="as training does; takes minutes")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    plan = read_config(args.config)
    bench = Bench(plan, args.steps, args.compile)
    mix = [GroupSpec(**group) for group in plan.transformer["phases"][-1]["mix"]]
    mix = [GroupSpec(kind=spec.kind, frames=spec.frames, clips=max(1, round(spec.clips * args.share))) for spec in mix]
    tokens = sum(spec.clips * bench.length(spec) for spec in mix)
    ideal, packed, padded = bench.ideal(mix), bench.seconds(mix), bench.padded(mix)
    rows = [
        (name, tokens / taken, ideal / taken)
        for name, taken in (("ideal", ideal), ("packed", packed), ("padded", padded))
    ]
    title = (
        f"{tokens:,} tokens of {sum(spec.clips for spec in mix)} clips in {len({bench.shape(spec) for spec in mix})}"
        " sizes"
    )
    show(title, ("", "tokens/s", "of ideal"), rows, as_json=args.json)


if __name__ == "__main__":
    main()
