"""Published files of every layout become our modules, and what does not fit is named in one sentence."""

import gc
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from sora_nodes.sora_core.dit.config import DiTConfig
from sora_nodes.sora_core.dit.model import DiT
from sora_nodes.sora_core.errors import CheckpointError, InputError, ResourceError
from sora_nodes.sora_core.layers.eight_bit import dequantized
from sora_nodes.sora_core.layers.kernels import cpu
from sora_nodes.sora_core.open_weights import files
from sora_nodes.sora_core.open_weights.keys import renamed
from sora_nodes.sora_core.open_weights.kinds import KINDS
from sora_nodes.sora_core.open_weights.load import check_fits, computed_in, load_codec, load_open, load_transformer
from sora_nodes.sora_core.text.pieces import TokenTable
from sora_nodes.sora_core.text.umt5 import UMT5, UMT5Config
from sora_nodes.sora_core.vae.wan21 import Wan21Codec, Wan21Config
from sora_nodes.sora_core.vae.wan22 import Wan22Codec, Wan22Config
from torch import Tensor, nn

Tensors = dict[str, Tensor]
MAPS = Path("/proc/self/maps")


def numbers(module: nn.Module) -> Tensors:
    torch.manual_seed(0)
    return {name: torch.randn(value.shape) * 0.1 for name, value in module.state_dict().items()}


def transformer(channels: int = 16) -> Tensors:
    return numbers(DiT(DiTConfig(width=128, depth=2, heads=1, mlp_width=64, channels=channels, text_width=32)))


def write(path: Path, tensors: Tensors) -> Path:
    save_file(tensors, path)
    return path


def same(module: nn.Module, tensors: Tensors) -> bool:
    state = module.state_dict()
    return state.keys() == tensors.keys() and all(torch.equal(state[name], tensors[name]) for name in tensors)


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model."])
def test_a_prefix_does_not_matter(tmp_path: Path, prefix: str) -> None:
    tensors = transformer()
    path = write(tmp_path / "wan.safetensors", {prefix + name: value for name, value in tensors.items()})
    assert same(load_transformer(path), tensors)


@pytest.mark.parametrize(
    ("channels", "per_position"),
    [(16, False), (48, True)],
    ids=["Wan 2.1 and A14B: one noise level", "TI2V-5B: one per position"],
)
def test_the_config_comes_from_the_shapes(tmp_path: Path, channels: int, per_position: bool) -> None:
    config = load_transformer(write(tmp_path / "wan.safetensors", transformer(channels))).config
    assert (config.width, config.depth, config.heads, config.mlp_width, config.channels) == (128, 2, 1, 64, channels)
    assert config.per_position_time is per_position


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("scale_shift_table", "head.modulation"),
        ("blocks.3.scale_shift_table", "blocks.3.modulation"),
        ("blocks.3.attn1.to_out.0.bias", "blocks.3.self_attn.o.bias"),
        ("blocks.3.attn2.norm_k.weight", "blocks.3.cross_attn.norm_k.weight"),
        ("blocks.3.norm2.weight", "blocks.3.norm3.weight"),
        ("blocks.3.ffn.net.0.proj.weight", "blocks.3.ffn.0.weight"),
        ("condition_embedder.time_embedder.linear_2.weight", "time_embedding.2.weight"),
        ("proj_out.weight", "head.head.weight"),
    ],
)
def test_the_other_layout_is_a_table(theirs: str, ours: str) -> None:
    assert renamed([theirs, "condition_embedder.time_proj.weight"])[theirs] == ours


@pytest.mark.parametrize("named_by", ["folder", "index", "shard"])
def test_a_set_of_shards_is_one_model(tmp_path: Path, named_by: str) -> None:
    tensors = transformer()
    index = shards(tmp_path, tensors)
    path = {"folder": tmp_path, "index": index, "shard": tmp_path / "m-00002-of-00002.safetensors"}[named_by]
    assert same(load_transformer(path), tensors)


def shards(folder: Path, tensors: Tensors) -> Path:
    """Two shards and their index; returns the index."""
    names = list(tensors)
    halves = {"m-00001-of-00002.safetensors": names[::2], "m-00002-of-00002.safetensors": names[1::2]}
    for file, part in halves.items():
        write(folder / file, {name: tensors[name] for name in part})
    index = folder / "m.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: file for file, part in halves.items() for name in part}}))
    return index


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_the_type_of_the_file_is_kept(tmp_path: Path, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "products", lambda dtype: True)
    tensors = {name: value.to(dtype) for name, value in transformer().items()}
    model = load_open(write(tmp_path / "wan.safetensors", tensors))
    assert model.dtype == dtype
    assert {p.dtype for p in model.module.parameters()} == {dtype}
    assert not model.note


@pytest.mark.parametrize(
    ("file", "known", "computed"),
    [
        (torch.float16, {torch.bfloat16}, torch.bfloat16),
        (torch.float16, set(), torch.float32),
        (torch.bfloat16, set(), torch.float32),
    ],
)
def test_a_processor_without_products_of_a_type_takes_the_next_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: torch.dtype, known: set[torch.dtype], computed: torch.dtype
) -> None:
    monkeypatch.setattr(cpu, "products", lambda dtype: dtype in known)
    path = write(tmp_path / "wan.safetensors", {name: value.to(file) for name, value in transformer().items()})
    model = load_open(path)
    assert {p.dtype for p in model.module.parameters()} == {model.dtype} == {computed}
    name, other = (str(dtype).removeprefix("torch.") for dtype in (file, computed))
    assert model.note == f"{name} weights are computed in {other}: this processor has no products of {name}"
    assert load_open(path, dtype=file).dtype == file, "what is asked for is what is done"
    monkeypatch.setattr(files, "free_memory", lambda device: path.stat().st_size)
    if computed == torch.float32:
        with pytest.raises(ResourceError, match="of memory"):
            load_open(path)


@pytest.mark.parametrize(("capability", "computed"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16)])
def test_a_card_before_bfloat16_takes_float16(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], computed: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    network, text = (next(kind for kind in KINDS if kind.component == part) for part in ("transformer", "text"))
    assert computed_in(torch.bfloat16, "cuda", network) == computed
    assert computed_in(torch.float16, "cuda", network) == torch.float16
    assert (computed_in(torch.bfloat16, "cuda", text) == torch.float32) == (computed == torch.float16)


@pytest.mark.skipif(
    not (MAPS.exists() and cpu.onednn()), reason="needs a list of mapped files, and products of bfloat16"
)
def test_a_file_is_mapped_until_its_weights_are_prepacked(tmp_path: Path) -> None:
    path = write(tmp_path / "wan.safetensors", {name: value.bfloat16() for name, value in transformer().items()})
    model = load_transformer(path)
    assert str(path) in MAPS.read_text()
    model.prepacked()
    gc.collect()
    assert str(path) not in MAPS.read_text()


def test_eight_bits_are_widened_exactly() -> None:
    numbers = torch.arange(256).to(torch.uint8).view(torch.float8_e4m3fn)
    numbers = numbers[~numbers.float().isnan()]
    for scale in (1.0, 0.013, 300.0):
        factor = torch.tensor(scale).bfloat16()
        assert torch.equal(dequantized(numbers, factor), numbers.to(torch.bfloat16) * factor)
        assert torch.equal(dequantized(numbers, factor.float()), numbers.float() * factor.float())


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("scaled", ["", "whole", "by row"])
def test_eight_bits_stay_eight_bits_and_are_widened_in_use(
    tmp_path: Path, scaled: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "products", lambda dtype: True)
    tensors = transformer()
    packed, scales = {}, {}
    for name, value in tensors.items():
        linear = value.ndim == 2
        scale = torch.ones(())
        if linear and scaled:
            scale = (value.abs().max() if scaled == "whole" else value.abs().amax(1, keepdim=True)) / 448
        packed[name] = (value / scale).to(dtype) if linear else value.bfloat16()
        if linear and scaled:
            scales[name.removesuffix("weight") + "scale_weight"] = scale
    if scaled:
        packed["scaled_fp8"] = torch.zeros(2, dtype=dtype)
    model = load_open(write(tmp_path / "wan.safetensors", {**packed, **scales}))
    assert model.dtype == torch.bfloat16
    linear = model.module.get_submodule("blocks.0.ffn.0")
    assert linear.weight.dtype == dtype
    x, weight = torch.randn(5, 128).bfloat16(), tensors["blocks.0.ffn.0.weight"]
    expected = x.float() @ weight.t() + tensors["blocks.0.ffn.0.bias"]
    assert (linear(x).float() - expected).norm() / expected.norm() < (0.05 if dtype == torch.float8_e4m3fn else 0.1)


def test_scales_that_are_neither_one_nor_one_a_row_are_named(tmp_path: Path) -> None:
    packed = {n: v.to(torch.float8_e4m3fn) if v.ndim == 2 else v.bfloat16() for n, v in transformer().items()}
    packed["blocks.0.ffn.0.scale_weight"] = torch.ones(2, 2)
    with pytest.raises(CheckpointError, match=r"scales \[2, 2\] for the fp8 weight .* blocks.0.ffn.0.scale_weight"):
        load_open(write(tmp_path / "wan.safetensors", packed))


SCALE = "blocks.0.ffn.0.scale_weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda packed: packed.pop(SCALE), r"lacks the scales of 1 of its 26 fp8 layers \(blocks\.0\.ffn\.0\)"),
        (
            lambda packed: packed.update({"blocks.9.ffn.0.scale_weight": torch.ones(())}),
            r"blocks\.9\.ffn\.0\.scale_weight",
        ),
    ],
    ids=["one is missing", "one is of no weight"],
)
def test_scales_and_weights_belong_together(tmp_path: Path, change: Callable[[Tensors], object], message: str) -> None:
    packed = {n: v.to(torch.float8_e4m3fn) if v.ndim == 2 else v.bfloat16() for n, v in transformer().items()}
    packed |= {n.removesuffix("weight") + "scale_weight": torch.ones(()) for n, v in packed.items() if v.ndim == 2}
    load_transformer(write(tmp_path / "whole.safetensors", packed))
    change(packed)
    with pytest.raises(CheckpointError, match=message):
        load_transformer(write(tmp_path / "wan.safetensors", packed))


def test_a_tensor_that_is_there_under_two_names_is_named(tmp_path: Path) -> None:
    tensors = {f"model.diffusion_model.{name}": value for name, value in transformer().items()}
    tensors["patch_embedding.bias"] = torch.zeros(128)
    with pytest.raises(CheckpointError, match=r"has patch_embedding\.bias twice \(.*\): take a file of one model"):
        load_transformer(write(tmp_path / "wan.safetensors", tensors))


@pytest.mark.parametrize(
    "codec", [Wan21Codec(Wan21Config(width=8)), Wan22Codec(Wan22Config(width=8, decoder_width=16))], ids=["2.1", "2.2"]
)
def test_codecs_are_told_apart(tmp_path: Path, codec: Wan21Codec) -> None:
    tensors = numbers(codec)
    loaded = load_codec(write(tmp_path / "vae.safetensors", tensors))
    assert type(loaded) is type(codec) and loaded.config == codec.config and same(loaded, tensors)
    assert torch.equal(loaded.latent_mean, codec.latent_mean)


def test_a_text_encoder_needs_its_tokenizer(tmp_path: Path) -> None:
    tensors = numbers(UMT5(UMT5Config(vocabulary=20, width=16, depth=1, heads=2, head_dim=8, mlp_width=16)))
    with pytest.raises(CheckpointError, match=r"no tokenizer.*spiece\.model"):
        load_open(write(tmp_path / "text.safetensors", tensors))


@pytest.mark.parametrize(("pieces", "fits"), [(None, True), (20, True), (19, True), (12, False), (21, False)])
def test_a_tokenizer_of_another_size_is_of_another_encoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pieces: int | None, fits: bool
) -> None:
    table = TokenTable(lambda text: [2], pieces=pieces)
    monkeypatch.setattr(TokenTable, "near", staticmethod(lambda folder: table))
    tensors = numbers(UMT5(UMT5Config(vocabulary=20, width=16, depth=1, heads=2, head_dim=8, mlp_width=16)))
    path = write(tmp_path / "text.safetensors", tensors)
    if fits:
        assert load_open(path).tokens is table
        return
    with pytest.raises(CheckpointError, match=rf"of another text encoder: it has {pieces} word pieces and this one 20"):
        load_open(path)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int8, torch.float8_e4m3fn, "bfloat16"])
def test_a_type_that_nothing_is_computed_in_is_named(tmp_path: Path, dtype: torch.dtype) -> None:
    path = write(tmp_path / "wan.safetensors", transformer())
    for call in (lambda: load_transformer(path, dtype=dtype), lambda: check_fits([path], dtype=dtype)):
        with pytest.raises(InputError, match=r"weights are computed in torch\.float32, .*, not"):
            call()


def bad_inputs() -> dict[str, tuple[Tensors, str]]:
    good = transformer()
    i2v = {**good, "patch_embedding.weight": torch.zeros(128, 36, 1, 2, 2)}
    return {
        "a LoRA": ({"blocks.0.self_attn.q.lora_A.weight": torch.zeros(4, 4)}, "is a LoRA"),
        "image to video": ({**good, "img_emb.proj.0.bias": torch.zeros(4)}, "image-to-video model.*TI2V-5B"),
        "image to video, Wan 2.2": (i2v, "takes 36 channels and makes 16"),
        "a missing name": (
            {n: v for n, v in good.items() if n != "blocks.1.ffn.2.bias"},
            r"almost a Wan transformer.*1 missing \(blocks.1.ffn.2.bias",
        ),
        "an unknown name": ({**good, "blocks.0.extra.weight": torch.zeros(1)}, r"1 unknown \(blocks.0.extra"),
        "another shape": (
            {**good, "blocks.1.ffn.0.bias": torch.zeros(3)},
            r"of another shape \(blocks.1.ffn.0.bias \[3\] for \[64\]",
        ),
        "another family": (
            {"double_blocks.0.img_attn.qkv.weight": torch.zeros(2)},
            "is no Wan transformer, codec or text encoder",
        ),
        "part of a transformer": ({"patch_embedding.weight": torch.zeros(2)}, "the nearest is a Wan transformer"),
        "several models in one": (
            {
                **{f"model.diffusion_model.{n}": v for n, v in good.items()},
                "first_stage_model.conv1.weight": torch.zeros(2),
            },
            "is a checkpoint of several models in one: take transformer, codec",
        ),
        "four bits": (
            {
                **{n: v.to(torch.uint8) for n, v in good.items()},
                "blocks.0.ffn.0.weight_scale_2": torch.zeros(()),
            },
            "is quantised to integers or to four bits",
        ),
        "integers": ({n: v.to(torch.int8) for n, v in good.items()}, "weights of type I8"),
        "nothing": ({}, "is no Wan transformer"),
    }


@pytest.mark.parametrize("case", bad_inputs())
def test_what_does_not_fit_is_named(tmp_path: Path, case: str) -> None:
    tensors, message = bad_inputs()[case]
    with pytest.raises(CheckpointError, match=message) as caught:
        load_transformer(write(tmp_path / "wan.safetensors", tensors))
    assert "\n" not in str(caught.value)


def test_another_room_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is a Wan transformer, and a codec \(VAE\) is wanted"):
        load_codec(write(tmp_path / "wan.safetensors", transformer()))


def test_a_missing_and_a_truncated_shard_are_named(tmp_path: Path) -> None:
    index = shards(tmp_path, transformer())
    second = tmp_path / "m-00002-of-00002.safetensors"
    second.write_bytes(second.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"m-00002-of-00002.safetensors is truncated"):
        load_transformer(index)
    second.unlink()
    for named in (index, tmp_path, tmp_path / "m-00001-of-00002.safetensors"):
        with pytest.raises(CheckpointError, match=r"1 of 2 shards are missing .*m-00002-of-00002"):
            load_transformer(named)


@pytest.mark.parametrize(
    "text", ["null", "{}", '{"weight_map": [1]}', '{"weight_map": {"a": 1, "b": "c"}}', "[" * 200_000]
)
def test_an_index_of_another_form_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match="is not an index of shards"):
        load_transformer(tmp_path)


def test_the_kind_is_told_before_what_the_kind_lacks(tmp_path: Path) -> None:
    tensors = numbers(UMT5(UMT5Config(vocabulary=20, width=16, depth=1, heads=2, head_dim=8, mlp_width=16)))
    with pytest.raises(CheckpointError, match="is a umT5 text encoder, and a transformer is wanted here"):
        load_transformer(write(tmp_path / "text.safetensors", tensors))


def test_memory_is_asked_for_all_files_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = write(tmp_path / "high.safetensors", transformer()), write(tmp_path / "low.safetensors", transformer())
    monkeypatch.setattr(files, "free_memory", lambda device: int(1.5 * one.stat().st_size))
    check_fits([one])
    with pytest.raises(ResourceError, match=r"high.safetensors with low.safetensors needs"):
        check_fits([one, two])


def test_memory_is_asked_for_in_the_type_of_the_computation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Float32 takes twice what the file of bfloat16 does, whether it is asked for or all that a processor has."""
    path = write(tmp_path / "wan.safetensors", {name: value.bfloat16() for name, value in transformer().items()})
    monkeypatch.setattr(files, "free_memory", lambda device: int(1.5 * path.stat().st_size))
    monkeypatch.setattr(cpu, "products", lambda dtype: True)
    check_fits([path])
    with pytest.raises(ResourceError, match="of memory"):
        check_fits([path], dtype=torch.float32)
    monkeypatch.setattr(cpu, "products", lambda dtype: False)
    with pytest.raises(ResourceError, match="of memory"):
        check_fits([path])


def test_memory_is_asked_for_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "free_memory", lambda device: 1000)
    monkeypatch.setattr(files.Source, "__getitem__", lambda *_: pytest.fail("a tensor was read"))
    with pytest.raises(ResourceError, match=r"needs .* of memory and 1\.0 kB are free"):
        load_transformer(write(tmp_path / "wan.safetensors", transformer()))


def test_a_folder_of_several_models_or_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds no \.safetensors file: name the file itself"):
        load_transformer(tmp_path)
    (tmp_path / "transformer").mkdir()
    shards(tmp_path / "transformer", transformer())
    with pytest.raises(CheckpointError, match=r"name one of its folders \(transformer\)"):
        load_transformer(tmp_path)
    for file in (tmp_path / "transformer").glob("m-*"):
        file.with_name(file.name.replace("m-", "m.fp16-")).write_bytes(file.read_bytes())
    assert load_transformer(tmp_path / "transformer"), "the one that has an index"
    (tmp_path / "transformer" / "m.safetensors.index.json").unlink()
    with pytest.raises(CheckpointError, match=r"holds 2 models \(m-.*, m\.fp16-.*\): name the file itself"):
        load_transformer(tmp_path / "transformer")
