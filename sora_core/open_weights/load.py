"""Published weights from disk to a module that is ready to run.

Weights stay memory-mapped where they keep their type: loading 2.8 GB takes no second copy. What is not as it should be
is found from the headers, before anything is allocated, so no half-loaded model is left behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoints import load_into
from ..dit.model import DiT
from ..errors import CheckpointError, InputError
from ..layers import eight_bit
from ..layers.kernels import cpu
from ..text.pieces import TokenTable
from ..text.umt5 import UMT5
from ..vae.wan21 import Wan21Codec
from .files import BYTES, Entry, Source, check_memory, open_source
from .keys import SCALES, SPARE, renamed
from .kinds import Kind, detect
from .lora import check_lora

__all__ = [
    "OpenModel",
    "check_fits",
    "check_part",
    "load_codec",
    "load_open",
    "load_part",
    "load_text_encoder",
    "load_transformer",
]

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
EIGHT = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}
BFLOAT16_FROM = (8, 0)
"""compute capability of a card that multiplies bfloat16"""
TOKENIZER = "spiece_model"
LEAST_PIECES = 0.9
"""of the rows of a text encoder: the last ones are spare"""
WANTED = {"transformer": "a transformer", "codec": "a codec (VAE)", "text": "a text encoder"}
EXACT = ("modulation",)
"""endings of what the network reads in float32 whatever its own type"""


@dataclass(frozen=True, kw_only=True)
class OpenModel:
    """A published model in one of our modules."""

    kind: Kind
    module: nn.Module
    dtype: torch.dtype
    """of the computation; fp8 weights are dequantized to it where they are used"""
    tokens: TokenTable | None = None
    """of a text encoder"""
    note: str = ""
    """what the user should know of the type"""


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What a file is, by its header alone."""

    source: Source
    names: dict[str, str]
    """of its tensors -> ours"""
    kind: Kind
    module: nn.Module
    """empty, of the file's sizes"""
    own: torch.dtype
    """of the computation, by the file"""


class Prepared(Mapping[str, Tensor]):
    """The tensors under our names and in the type they are wanted in, one at a time."""

    def __init__(self, source: Source, names: dict[str, str], module: nn.Module, dtype: torch.dtype) -> None:
        self.source, self.module, self.dtype = source, module, dtype
        self.where = {
            ours: theirs for theirs, ours in names.items() if not SPARE.search(ours) and not ours.endswith(SCALES)
        }
        scales = {ours: theirs for theirs, ours in names.items() if ours.endswith(SCALES)}
        self.scales = {ours.rsplit(".", 1)[0]: theirs for ours, theirs in scales.items()}
        self.eight = {name for name, value in module.state_dict().items() if name.endswith(".scale")}

    def __getitem__(self, name: str) -> Tensor:
        if name in self.eight:
            theirs = self.scales.get(name.removesuffix(".scale"))
            shape = self.module.get_parameter(name).shape
            return torch.ones(shape) if theirs is None else self.source[theirs].float().reshape(shape)
        tensor = self.source[self.where[name]]
        if name.removesuffix(".weight") + ".scale" in self.eight and name.endswith(".weight"):
            return tensor
        if tensor.dtype in EIGHT.values():
            scale = self.scales.get(name.rsplit(".", 1)[0])
            return (tensor.float() * by_row(self.source[scale], tensor) if scale else tensor).to(self.dtype)
        exact = name.endswith(EXACT) and tensor.dtype == torch.float32
        return tensor if exact else tensor.to(self.dtype)

    def __iter__(self) -> Iterator[str]:
        yield from self.where
        yield from self.eight

    def __len__(self) -> int:
        return len(self.where) + len(self.eight)


def by_row(scale: Tensor, weight: Tensor) -> Tensor:
    """A scale as it multiplies a weight [O,...]: one number, or one for each row."""
    if scale.numel() not in (1, len(weight)):
        raise CheckpointError(f"an fp8 weight {list(weight.shape)} has scales {list(scale.shape)}: take another file.")
    return scale.float().reshape(-1, *[1] * (weight.ndim - 1))


def fit_scales(module: nn.Module, source: Source, names: dict[str, str]) -> None:
    """Give each eight-bit layer as many scales as the file has for it. Raises CheckpointError for any other number, for
    a scale of nothing, and for an fp8 layer without its scale where others have theirs: its numbers would be hundreds
    of times too large."""
    layers = {n: layer for n, layer in module.named_modules() if isinstance(layer, eight_bit.Linear)}
    kinds = {ours: source.entries[theirs].dtype for theirs, ours in names.items()}
    eight = {name.rsplit(".", 1)[0] for name, kind in kinds.items() if kind in EIGHT}
    scaled = set()
    for theirs, ours in names.items():
        if not ours.endswith(SCALES):
            continue
        shape, owner = source.entries[theirs].shape, ours.rsplit(".", 1)[0]
        if owner not in eight and owner not in layers:
            raise CheckpointError(f"{source.path} has a scale for what is no fp8 weight ({ours}); fetch it again.")
        if owner in layers and not layers[owner].take_scales(torch.Size(shape).numel()):
            raise CheckpointError(
                f"{source.path} has scales {list(shape)} for the fp8 weight {list(layers[owner].weight.shape)} of"
                f" {ours}: one scale, or one for each output, can be read; take another file."
            )
        scaled.add(owner)
    bare = [name for name in layers if name in eight and name not in scaled]
    if bare and scaled & layers.keys():
        raise CheckpointError(
            f"{source.path} lacks the scales of {len(bare)} of its {len(eight & layers.keys())} fp8 layers"
            f" ({', '.join(bare[:3])}); fetch it again, or take another file."
        )


def recognised(path: str | Path, component: str | None = None) -> Recognised:
    """What lies at `path`. Raises CheckpointError for what cannot be read, and for another component than that."""
    source = open_source(path)
    names = renamed([name for name in source if not SPARE.search(name)])
    check_once(source, names)
    shapes = {
        ours: source.entries[theirs].shape
        for theirs, ours in names.items()
        if not SPARE.search(ours) and not ours.endswith(SCALES)
    }
    eight = any(source.entries[name].dtype in EIGHT for name in names)
    kind, module = detect(shapes, str(path), ops(eight))
    if component not in (None, kind.component):
        raise CheckpointError(f"{path} is a {kind.name}, and {WANTED[component]} is wanted here.")
    own = own_dtype(source, names, kind)
    fit_scales(module, source, names)
    return Recognised(source=source, names=names, kind=kind, module=module, own=own)


def check_once(source: Source, names: dict[str, str]) -> None:
    """Raise CheckpointError where two tensors of a file are the same one of ours: which is meant, nobody knows."""
    known: dict[str, str] = {}
    for theirs, ours in names.items():
        if ours in known:
            raise CheckpointError(
                f"{source.path} has {ours[:80]} twice ({known[ours][:80]}, {theirs[:80]}): take a file of one model."
            )
        known[ours] = theirs


def load_open(
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    component: str | None = None,
) -> OpenModel:
    """Whatever published model lies at `path`: a file, a folder, an index of shards or one of the shards.

    dtype: of the computation; None is the file's own (bfloat16 for fp8 files and for a float16 text encoder, which
    would overflow), or the next best where a processor has no products of that (`computed_in`). component: transformer,
    codec or text, where it must be one. Raises CheckpointError, InputError (another dtype) or ResourceError in one
    sentence; then nothing has been allocated.
    """
    check_dtype(dtype)
    found = recognised(path, component)
    source, kind, module, own = found.source, found.kind, found.module, found.own
    note = ""
    if dtype is None:
        dtype = computed_in(own, device, kind)
        if dtype != own:
            note = (
                f"{named(own)} weights are computed in {named(dtype)}: this processor has no products of {named(own)}"
            )
    tensors = Prepared(source, found.names, module, dtype)
    check_memory(f"{path} as a {kind.name}", sum(held(entry, dtype) for entry in source.entries.values()), device)
    load_into(module, tensors)
    module.requires_grad_(False).eval()
    tokens = tokenizer(source, module) if isinstance(module, UMT5) else None
    return OpenModel(kind=kind, module=module.to(device), dtype=dtype, tokens=tokens, note=note)


def check_dtype(dtype: torch.dtype | None) -> None:
    """Raise InputError for a type in which nothing is computed."""
    if dtype is not None and dtype not in DTYPES.values():
        raise InputError(f"weights are computed in {', '.join(map(str, DTYPES.values()))}, not {dtype!r}")


def check_part(path: Path, component: str) -> None:
    """Raise CheckpointError where a file is no model of this component (or, of "lora", no LoRA), by its header alone,
    or a text encoder without its tokenizer."""
    try:
        stat = path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    check_state(path, component, stat.st_mtime_ns, stat.st_size)


@lru_cache
def check_state(path: Path, component: str, changed: int, size: int) -> None:
    """`check_part` once for each state of a file: a batch asks for every job."""
    if component == "lora":
        check_lora(path)
        return
    found = recognised(path, component)
    if isinstance(found.module, UMT5):
        tokenizer(found.source, found.module)


def check_fits(
    paths: Sequence[str | Path], device: torch.device | str = "cpu", *, dtype: torch.dtype | None = None
) -> None:
    """Raise ResourceError where these models together, in the type that each is computed in, are more than the free
    memory; nothing of them has been read then. dtype: as in `load_open`."""
    check_dtype(dtype)
    needed, names = 0, []
    for found in map(recognised, paths):
        computed = dtype or computed_in(found.own, device, found.kind)
        needed += sum(held(entry, computed) for entry in found.source.entries.values())
        names.append(found.source.path.name)
    check_memory(" with ".join(names), needed, device)


def ops(eight: bool) -> Any:
    return eight_bit.EightBitOps if eight else nn


def own_dtype(source: Source, names: dict[str, str], kind: Kind) -> torch.dtype:
    """The type that most of the file's numbers have."""
    sizes: dict[str, int] = {}
    for name in names:
        entry = source.entries[name]
        sizes[entry.dtype] = sizes.get(entry.dtype, 0) + entry.bytes
    strange = sorted(sizes.keys() - DTYPES.keys() - EIGHT.keys())
    if strange:
        raise CheckpointError(
            f"{source.path} holds weights of type {', '.join(strange)}: take a float32, bfloat16, float16 or fp8"
            " (e4m3, e5m2) file."
        )
    most = max(sizes, key=lambda d: sizes[d])
    if most in EIGHT or (kind.component == "text" and most == "F16"):
        return torch.bfloat16
    return DTYPES[most]


def computed_in(dtype: torch.dtype, device: torch.device | str, kind: Kind) -> torch.dtype:
    """The type itself, or on a processor that has no products of it the next best: bfloat16 for float16, float32 for
    that. A card before bfloat16 takes float16, and for a text encoder, which would overflow, float32."""
    where = torch.device(device)
    if where.type == "cuda" and dtype == torch.bfloat16 and torch.cuda.get_device_capability(where) < BFLOAT16_FROM:
        return torch.float32 if kind.component == "text" else torch.float16
    if where.type != "cpu":
        return dtype
    return next((d for d in (dtype, torch.bfloat16) if cpu.products(d)), torch.float32)


def named(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def held(entry: Entry, dtype: torch.dtype) -> int:
    """Bytes that a tensor of a file takes when it is computed in this type; eight bits stay eight bits."""
    kept = entry.dtype in (*EIGHT, "U8", "I8")
    return entry.bytes if kept else entry.bytes * dtype.itemsize // BYTES.get(entry.dtype, 8)


def tokenizer(source: Source, encoder: UMT5) -> TokenTable:
    """The tokenizer in or beside a text encoder. Raises CheckpointError where there is none, or where it has so many
    word pieces more or less than the encoder that it is another's."""
    inside = next((name for name in source if name.endswith(TOKENIZER)), None)
    if inside:
        table = TokenTable.from_bytes(source[inside].numpy().tobytes())
    else:
        table = TokenTable.near(source.path if source.path.is_dir() else source.path.parent)
    rows = encoder.config.vocabulary
    if table.pieces is not None and not LEAST_PIECES * rows <= table.pieces <= rows:
        raise CheckpointError(
            f"the tokenizer of {source.path} is of another text encoder: it has {table.pieces:,} word pieces and this"
            f" one {rows:,}; put spiece.model or tokenizer.json of this encoder beside it."
        )
    return table


def load_transformer(path: str | Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu") -> DiT:
    """A Wan transformer; raises CheckpointError where the file is another kind of model."""
    return load_part(path, "transformer", dtype=dtype, device=device).module  # type: ignore[return-value]


def load_codec(path: str | Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu") -> Wan21Codec:
    """A Wan 2.1 or 2.2 codec."""
    return load_part(path, "codec", dtype=dtype, device=device).module  # type: ignore[return-value]


def load_text_encoder(
    path: str | Path, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> tuple[UMT5, TokenTable]:
    """A umT5 encoder and its tokenizer."""
    model = load_part(path, "text", dtype=dtype, device=device)
    return model.module, model.tokens  # type: ignore[return-value]


def load_part(
    path: str | Path, component: str, *, dtype: torch.dtype | None = None, device: torch.device | str = "cpu"
) -> OpenModel:
    """`load_open` for a model of one component ("transformer", "codec", "text"), ready for use; raises CheckpointError
    for another."""
    model = load_open(path, dtype=dtype, device=device, component=component)
    if component == "text" and model.tokens is None:
        raise InputError(f"{path} has no tokenizer.")
    if isinstance(model.module, Wan21Codec):
        model.module.prepacked()
    return model
