"""LoRA files on published weights: every way to write one gives the same transformer; what does not fit is named."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.sora_core.dit import ClipGrid, DiT, DiTConfig
from sora_nodes.sora_core.errors import CheckpointError, InputError
from sora_nodes.sora_core.layers import eight_bit
from sora_nodes.sora_core.open_weights import LoraUse, with_loras

CONFIG = DiTConfig(width=64, depth=2, heads=2, mlp_width=96, text_width=16, text_tokens=8, channels=4)
Q, FFN = "blocks.1.self_attn.q", "blocks.0.ffn.2"


@pytest.fixture(scope="module")
def dit() -> DiT:
    torch.manual_seed(0)
    return DiT(CONFIG).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def halves() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Layer -> up, down of rank 4."""
    draw = torch.Generator().manual_seed(1)
    sizes = {Q: (64, 64), FFN: (64, 96)}
    return {
        name: (torch.randn(o, 4, generator=draw) * 0.1, torch.randn(4, i, generator=draw) * 0.1)
        for name, (o, i) in sizes.items()
    }


WRITTEN = {
    "original": (f"diffusion_model.{Q}", f"diffusion_model.{FFN}", ".lora_B.weight", ".lora_A.weight"),
    "peft": (f"base_model.model.{Q}", f"base_model.model.{FFN}", ".lora_B.default.weight", ".lora_A.default.weight"),
    "diffusers": (
        "transformer.blocks.1.attn1.to_q", "transformer.blocks.0.ffn.net.2", ".lora_B.weight", ".lora_A.weight",
    ),
    "kohya": ("lora_unet_blocks_1_self_attn_q", "lora_unet_blocks_0_ffn_2", ".lora_up.weight", ".lora_down.weight"),
    "kohya on diffusers' names": (
        "lora_transformer_blocks_1_attn1_to_q", "lora_transformer_blocks_0_ffn_net_2", ".lora_up.weight",
        ".lora_down.weight",
    ),
}  # fmt: skip


def written(path: Path, way: str, halves: dict[str, tuple[torch.Tensor, torch.Tensor]], alpha: float | None) -> Path:
    q, ffn, up, down = WRITTEN[way]
    tensors = {}
    for name, layer in ((q, Q), (ffn, FFN)):
        tensors |= {f"{name}{up}": halves[layer][0].contiguous(), f"{name}{down}": halves[layer][1].contiguous()}
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("alpha", [None, 2.0])
def test_every_way_to_write_one_is_read(
    dit: DiT, halves: dict[str, tuple[torch.Tensor, torch.Tensor]], tmp_path: Path, way: str, alpha: float | None
) -> None:
    before = {name: value.clone() for name, value in dit.state_dict().items()}
    made, notes = with_loras(dit, [LoraUse(path=written(tmp_path / "a.safetensors", way, halves, alpha), strength=0.5)])
    scale = 0.5 * (1 if alpha is None else alpha / 4)
    for name, value in made.state_dict().items():
        layer = name.removesuffix(".weight")
        expected = before[name] + scale * halves[layer][0] @ halves[layer][1] if layer in halves else before[name]
        torch.testing.assert_close(value, expected)
        assert torch.equal(dit.state_dict()[name], before[name]), "what was given stays as it is"
        assert (value.data_ptr() == dit.state_dict()[name].data_ptr()) == (layer not in halves), "and is shared"
    assert notes == ["a.safetensors at 0.5: 2 weights changed"]


def test_several_add_up_and_differences_are_read(
    dit: DiT, halves: dict[str, tuple[torch.Tensor, torch.Tensor]], tmp_path: Path
) -> None:
    first = written(tmp_path / "a.safetensors", "kohya", halves, None)
    whole = {
        f"diffusion_model.{Q}.diff": torch.full((64, 64), 0.25),
        f"diffusion_model.{Q}.diff_b": torch.ones(64),
        "diffusion_model.blocks.0.norm3.diff_b": torch.ones(64),
        "diffusion_model.blocks.0.diff_m": torch.ones(1, 6, 64),
    }
    save_file(whole, tmp_path / "b.safetensors")
    uses = [LoraUse(path=first, strength=-1.0), LoraUse(path=tmp_path / "b.safetensors", strength=2.0)]
    together, _ = with_loras(dit, uses)
    after, _ = with_loras(with_loras(dit, uses[:1])[0], uses[1:])
    for name, value in together.state_dict().items():
        torch.testing.assert_close(after.state_dict()[name], value)
    old, new = dit.state_dict(), together.state_dict()
    torch.testing.assert_close(new[f"{Q}.weight"], old[f"{Q}.weight"] - halves[Q][0] @ halves[Q][1] + 0.5)
    for name in (f"{Q}.bias", "blocks.0.norm3.bias", "blocks.0.modulation"):
        torch.testing.assert_close(new[name], old[name] + 2)


def test_eight_bits_stay_and_the_change_is_computed_beside(
    dit: DiT, halves: dict[str, tuple[torch.Tensor, torch.Tensor]], tmp_path: Path
) -> None:
    small = DiT(CONFIG, ops=eight_bit.EightBitOps).requires_grad_(False).eval()
    state = dict(dit.state_dict())
    for name, layer in small.named_modules():
        if isinstance(layer, eight_bit.Linear):
            weight = state[f"{name}.weight"]
            scale = weight.abs().amax(1, keepdim=True) / 448
            layer.take_scales(len(weight))
            state |= {f"{name}.weight": (weight / scale).to(torch.float8_e4m3fn), f"{name}.scale": scale}
    small.load_state_dict(state, assign=True)
    use = LoraUse(path=written(tmp_path / "a.safetensors", "kohya", halves, None), strength=0.5)
    once, _ = with_loras(small, [use])
    twice, _ = with_loras(once, [use])
    layer = once.get_submodule(Q)
    assert layer.weight.dtype == torch.float8_e4m3fn and not small.get_submodule(Q).beside
    x = torch.randn(5, 64)
    added = 0.5 * x @ (halves[Q][0] @ halves[Q][1]).T
    with torch.no_grad():
        plain = small.get_submodule(Q)(x)
        torch.testing.assert_close(layer(x), plain + added, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(twice.get_submodule(Q)(x), plain + 2 * added, rtol=1e-4, atol=1e-5)
        grid = ClipGrid(
            shape=(1, 2, 4, 4), positions=torch.zeros(1, 2), spans=torch.ones(1, 2), seconds_per_frame=torch.ones(1)
        )
        video, text = torch.randn(1, 4, 2, 4, 4), torch.randn(1, 3, 16)
        out = [d([video], torch.tensor([0.5]), d.plan([grid]), d.text(text))[0] for d in (small, once)]
    assert not torch.equal(*out)


@pytest.mark.parametrize(("alpha", "strength", "count"), [(0.0, 1.0, 0), (4.0, 0.0, 0), (4.0, 1.0, 2)])
def test_a_lora_that_changes_nothing_says_so(
    dit: DiT,
    halves: dict[str, tuple[torch.Tensor, torch.Tensor]],
    tmp_path: Path,
    alpha: float,
    strength: float,
    count: int,
) -> None:
    path = written(tmp_path / "a.safetensors", "kohya", halves, alpha)
    _, notes = with_loras(dit, [LoraUse(path=path, strength=strength)])
    assert notes == [f"a.safetensors at {strength:g}: {count} weights changed"]


def test_a_difference_of_what_is_no_layer_is_read(dit: DiT, tmp_path: Path) -> None:
    name, change = "blocks.1.modulation", torch.randn(1, 6, 64)
    save_file({f"diffusion_model.{name}.diff": change}, tmp_path / "a.safetensors")
    made, _ = with_loras(dit, [LoraUse(path=tmp_path / "a.safetensors", strength=0.5)])
    torch.testing.assert_close(made.state_dict()[name], dit.state_dict()[name] + 0.5 * change)


LAYERS = {
    "lora_unet_condition_embedder_time_embedder_linear_1": "time_embedding.0",
    "lora_unet_condition_embedder_text_embedder_linear_2": "text_embedding.2",
    "lora_unet_condition_embedder_time_proj": "time_projection.1",
    "lora_unet_proj_out": "head.head",
    "lora_unet_patch_embedding": "patch_embedding",
    "lora_unet_head_head": "head.head",
    f"pipe.dit.{Q}": Q,
    f"dit.{Q}": Q,
}
"""of a file -> ours"""


@pytest.mark.parametrize("theirs", LAYERS)
def test_the_layers_around_the_blocks_are_found(dit: DiT, tmp_path: Path, theirs: str) -> None:
    name = f"{LAYERS[theirs]}.weight"
    old = dit.state_dict()[name]
    up, down = torch.randn(len(old), 2), torch.randn(2, old[0].numel())
    save_file({f"{theirs}.lora_up.weight": up, f"{theirs}.lora_down.weight": down}, tmp_path / "a.safetensors")
    made, _ = with_loras(dit, [LoraUse(path=tmp_path / "a.safetensors")])
    torch.testing.assert_close(made.state_dict()[name], old + (up @ down).view_as(old))


REFUSED = {
    "another family": (
        {"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": torch.zeros(4, 64),
         "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": torch.zeros(64, 4)},
        r"another kind of model: 1 of its 1 layers are not in this transformer \(lora_unet_double_blocks_0",
    ),
    "another size": (
        {f"{Q}.lora_A.weight": torch.zeros(4, 128), f"{Q}.lora_B.weight": torch.zeros(128, 4)},
        r"model of another size: 1 of 1 weights differ \(blocks.1.self_attn.q.weight \[128, 128\] for \[64, 64\]\)",
    ),
    "half of it": ({f"{Q}.lora_A.weight": torch.zeros(4, 64)}, "lacks one half of blocks.1.self_attn.q"),
    "damaged": (
        {f"{Q}.lora_A.weight": torch.zeros(4, 64), f"{Q}.lora_B.weight": torch.zeros(64, 3)}, "do not multiply",
    ),
    "a half without a side": (
        {f"{Q}.lora_A.weight": torch.zeros(4, 64), f"{Q}.lora_B.weight": torch.zeros(64)}, "do not multiply",
    ),
    "a half that is one number": (
        {f"{Q}.lora_A.weight": torch.tensor(1.0), f"{Q}.lora_B.weight": torch.zeros(64, 4)}, "do not multiply",
    ),
    "nothing but alpha": ({f"{Q}.alpha": torch.tensor(4.0)}, "lacks one half of blocks.1.self_attn.q"),
    "alpha of two": (
        {f"{Q}.lora_A.weight": torch.zeros(4, 64), f"{Q}.lora_B.weight": torch.zeros(64, 4),
         f"{Q}.alpha": torch.ones(2)},
        "is damaged at blocks.1.self_attn.q: its alpha is no number",
    ),
    "alpha that is no number": (
        {f"{Q}.lora_A.weight": torch.zeros(4, 64), f"{Q}.lora_B.weight": torch.zeros(64, 4),
         f"{Q}.alpha": torch.tensor(float("nan"))},
        "is damaged at blocks.1.self_attn.q: its alpha is no number",
    ),
    "what is no number": (
        {f"{Q}.lora_A.weight": torch.full((4, 64), float("nan")), f"{Q}.lora_B.weight": torch.zeros(64, 4)},
        "is damaged at blocks.1.self_attn.q: it holds what is no number",
    ),
    "a difference that is no number": (
        {f"{Q}.diff_b": torch.full((64,), float("inf"))}, "is damaged at blocks.1.self_attn.q: it holds what is no",
    ),
    "another form": ({f"{Q}.hada_w1_a": torch.zeros(4, 64)}, r"in a form that is not read here \(hada_\)"),
    "DoRA": (
        {f"{Q}.lora_A.weight": torch.zeros(4, 64), f"{Q}.lora_magnitude_vector": torch.zeros(64)},
        r"in a form that is not read here \(lora_magnitude_vector\)",
    ),
    "a part more": (
        {f"{Q}.lora_A.weight": torch.zeros(4, 64), f"{Q}.lora_B.weight": torch.zeros(64, 4),
         f"{Q}.lora_B.bias": torch.zeros(64)},
        "is a LoRA in a form that is not read here: it has blocks.1.self_attn.q.lora_B.bias",
    ),
    "no LoRA": ({f"{Q}.weight": torch.zeros(64, 64)}, "is no LoRA: it has blocks.1.self_attn.q.weight"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_named(dit: DiT, tmp_path: Path, what: str) -> None:
    tensors, words = REFUSED[what]
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=words):
        with_loras(dit, [LoraUse(path=tmp_path / "x.safetensors")])


@pytest.mark.parametrize("strength", [float("nan"), 1e9])
def test_a_strength_without_sense_is_refused(strength: float) -> None:
    with pytest.raises(InputError, match="strength of a LoRA"):
        LoraUse(path=Path("x"), strength=strength)
