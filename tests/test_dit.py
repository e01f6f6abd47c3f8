"""The transformer: a pack gives what its clips give alone, kept positions are told no noise, text reaches its own
span."""

import pytest
import torch
from sora_nodes.sora_core.dit import ClipGrid, DiT, DiTConfig
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.grid import Geometry, positions, spans

CONFIG = DiTConfig(
    width=32, depth=2, heads=2, mlp_width=32, channels=4, text_width=8, text_tokens=6, prediction="clean",
    per_position_time=True,
    rope_theta=100.0, grid_features=True, input_gate=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def dit():
    torch.manual_seed(0)
    model = DiT(CONFIG).requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(0, 0.2)
    return model


def grid(n, t, h, w, **given):
    frames = spans(t, Geometry())
    return ClipGrid(
        shape=(n, t, h, w),
        positions=positions(frames, 8.0).expand(n, t),
        spans=frames.expand(n, t),
        seconds_per_frame=torch.full((n,), 1 / 8),
        **given,
    )


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_packed_is_unpacked(dit):
    small, wide = noise(2, 4, 3, 4, 4), noise(1, 4, 2, 4, 8)
    mask = torch.ones(2, 1, 3, 4, 4)
    mask[0, :, 0] = 0
    text, sigma = noise(3, 5, 8, seed=1), torch.tensor([0.9, 0.4, 0.2])
    packed = dit([small, wide], sigma, dit.plan([grid(2, 3, 4, 4, mask=mask), grid(1, 2, 4, 8)]), dit.text(text))
    for i in range(2):
        alone = dit(
            [small[i : i + 1]],
            sigma[i : i + 1],
            dit.plan([grid(1, 3, 4, 4, mask=mask[i : i + 1])]),
            dit.text(text[i : i + 1]),
        )
        assert torch.allclose(alone[0][0], packed[0][i], atol=1e-5)
    alone = dit([wide], sigma[2:], dit.plan([grid(1, 2, 4, 8)]), dit.text(text[2:]))
    assert torch.allclose(alone[0], packed[1], atol=1e-5)


def test_neighbours_of_one_size_are_one_group_to_attention(dit):
    x, text, sigma = noise(5, 4, 2, 4, 4), noise(6, 5, 8, seed=1), torch.tensor([0.9, 0.4, 0.2, 0.7, 0.5])
    rows = torch.tensor([[0, 1]])
    plan = dit.plan([grid(1, 2, 4, 4), grid(3, 2, 4, 4), grid(1, 2, 4, 4, text_rows=rows, texts=2)])
    assert [(group.clips, group.first_text) for group in plan.layout.alike] == [
        (4, 0),
        (1, 4),
    ], "a text per latent frame stays apart"
    packed = torch.cat(dit(list(x.split([1, 3, 1])), sigma, plan, dit.text(text)))
    whole = dit([x[:4]], sigma[:4], dit.plan([grid(4, 2, 4, 4)]), dit.text(text[:4]))[0]
    shots = dit([x[4:]], sigma[4:], dit.plan([grid(1, 2, 4, 4, text_rows=rows, texts=2)]), dit.text(text[4:]))[0]
    assert torch.allclose(packed, torch.cat([whole, shots]), atol=1e-5)


def test_the_gate_lets_the_input_itself_through(dit):
    x, text, sigma = noise(2, 4, 3, 4, 4), noise(2, 5, 8, seed=1), torch.tensor([0.9, 0.4])
    plan, head = dit.plan([grid(2, 3, 4, 4)]), dit.head.head
    weight, bias = head.weight.clone(), head.bias.clone()
    head.weight.zero_()
    head.bias.copy_(torch.tensor([0.25] * 4 + [2.0] * 4).repeat(4))
    gated = dit([x], sigma, plan, dit.text(text))[0]
    head.weight.copy_(weight)
    head.bias.copy_(bias)
    assert torch.allclose(gated, 0.25 + 2 * x)


def test_modulation_is_stored_once_per_run_of_tokens(dit):
    whole = dit.plan([grid(2, 3, 4, 4)]).layout
    assert whole.run == 12 and len(whole.rows) == 2
    mask = torch.ones(2, 1, 3, 4, 4)
    mask[:, :, 0] = 0
    frames = dit.plan([grid(2, 3, 4, 4, mask=mask)]).layout
    assert frames.run == 4 and frames.levels.tolist() == [0, 1]
    mask[:, :, :, :2] = 0
    assert dit.plan([grid(2, 3, 4, 4, mask=mask)]).layout.run == 1


def test_a_kept_clip_does_not_hear_the_noise_level(dit):
    kept, text = torch.zeros(1, 1, 2, 4, 4), noise(1, 3, 8)
    x, plan = noise(1, 4, 2, 4, 4), dit.plan([grid(1, 2, 4, 4, mask=kept)])
    low, high = (dit([x], torch.tensor([s]), plan, dit.text(text))[0] for s in (0.1, 0.9))
    assert torch.equal(low, high)


def test_latent_frames_follow_their_own_text(dit):
    x, text, sigma = noise(1, 4, 3, 4, 4), noise(2, 4, 8, seed=2), torch.tensor([0.7])
    rows = torch.tensor([[0, 0, 1]])
    split = dit([x], sigma, dit.plan([grid(1, 3, 4, 4, text_rows=rows, texts=2)]), dit.text(text))[0]
    same = dit([x], sigma, dit.plan([grid(1, 3, 4, 4, text_rows=rows * 0, texts=2)]), dit.text(text))[0]
    plain = dit([x], sigma, dit.plan([grid(1, 3, 4, 4)]), dit.text(text[:1]))[0]
    assert torch.allclose(same, plain, atol=1e-5)
    assert (split - plain).abs().max() > 1e-3


def test_sizes_that_do_not_divide_are_named(dit):
    with pytest.raises(InputError, match="1x3x4"):
        dit.plan([grid(1, 1, 3, 4)])
    with pytest.raises(
        InputError, match=r"text features must be .*; encode the prompt with the text encoder of the same"
    ):
        dit.text(torch.zeros(1, 7, 8))
