"""Where memory runs out while sampling, the run goes on from its last step, and a second time it is said."""

from functools import partial

import pytest
import torch
from sora_nodes.sora_core.diffusion import sample
from sora_nodes.sora_core.errors import ResourceError
from sora_nodes.sora_core.pipeline.sampling import with_second_try
from sora_nodes.sora_core.types import LatentState


def clip() -> LatentState:
    zeros = torch.zeros(1, 4, 2, 4, 4)
    return LatentState(
        latent=zeros, clean=zeros, mask=zeros[:, :1] + 1, positions=torch.zeros(2), spans=torch.ones(2).long()
    )


class Network:
    """Runs out of memory at these calls."""

    def __init__(self, *fails: int) -> None:
        self.fails, self.calls = fails, 0

    def __call__(self, x: torch.Tensor, sigma: torch.Tensor, mask: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls in self.fails:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return x * (1 - sigma)


def sampled(network: Network, steps: list[int]) -> torch.Tensor:
    state, sigmas = clip(), torch.linspace(1, 0, 7)
    noise = torch.randn(state.latent.shape, generator=torch.Generator().manual_seed(0))

    run = partial(sample, network, state, noise, sigmas, torch.zeros(1), solver="dpmpp_2m")
    return with_second_try(run, None, lambda s: steps.append(s.step), cells=8)


def test_a_run_goes_on_from_its_last_step() -> None:
    network, steps = Network(4), list[int]()
    assert torch.equal(sampled(network, steps), sampled(Network(), []))
    assert network.calls == 7 and steps == [1, 2, 3, 4, 5, 6], "no step is made twice"


def test_a_second_time_is_said() -> None:
    steps: list[int] = []
    with pytest.raises(ResourceError, match="memory ran out behind step 3 of a video of 8 tokens: choose a smaller"):
        sampled(Network(4, 5), steps)
    assert steps == [1, 2, 3]


def test_other_errors_are_not_tried_again() -> None:
    def run(resume: object, checkpoint: object) -> torch.Tensor:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        with_second_try(run, None, None, cells=1)
