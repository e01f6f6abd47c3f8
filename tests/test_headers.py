"""Weights behind headers that lie: a sentence in under a second, whatever they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sora_nodes.sora_core import checkpoints
from sora_nodes.sora_core.errors import CheckpointError
from sora_nodes.sora_core.open_weights import load_open
from timing_toys import least_seconds

Entry = dict[str, Any]


def file(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def refused(read: Callable[[Path], object], path: Path) -> None:
    with pytest.raises(CheckpointError):
        read(path)


def entry(shape: Any = (2, 2), dtype: Any = "F32", at: Any = (0, 16)) -> Entry:
    return {"dtype": dtype, "shape": shape, "data_offsets": at}


LIES: dict[str, tuple[Any, int]] = {
    "overlap": ({"a": entry(), "b": entry(at=[8, 24])}, 24),
    "the same bytes twice": ({"a": entry(), "b": entry()}, 16),
    "a hole": ({"a": entry(), "b": entry(at=[20, 36])}, 36),
    "bytes left over": ({"a": entry()}, 24),
    "bytes missing": ({"a": entry()}, 8),
    "a narrower type": ({"a": entry(dtype="F16")}, 16),
    "a wider type": ({"a": entry(dtype="F64")}, 16),
    "no type": ({"a": entry(dtype="F33")}, 16),
    "a type that is a list": ({"a": entry(dtype=[])}, 16),
    "a negative side": ({"a": entry(shape=[-2, -2])}, 16),
    "a fraction": ({"a": entry(shape=[1.0, 4])}, 16),
    "true": ({"a": entry(shape=[True, 4])}, 16),
    "infinite": (b'{"a":{"dtype":"F32","shape":[1e999],"data_offsets":[0,16]}}', 16),
    "a side of many digits": (b'{"a":{"dtype":"F32","shape":[' + b"9" * 10_000 + b'],"data_offsets":[0,16]}}', 16),
    "huge and nothing": ({"a": entry(shape=[1 << 62, 0], at=[0, 0])}, 0),
    "a hundred sides": ({"a": entry(shape=[1] * 100, at=[0, 4])}, 4),
    "backwards": ({"a": entry(at=[16, 0])}, 16),
    "three offsets": ({"a": entry(at=[0, 8, 16])}, 16),
    "no object": ({"a": 3}, 0),
    "a list": (b"[1, 2]", 0),
    "deep": (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", 0),
    "deep objects": (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, 0),
    "a deep config": ({"__metadata__": {"config": "[" * 200_000}}, 0),
    "a config that is a list": ({"__metadata__": {"config": "[]"}}, 0),
    "metadata that is a list": ({"__metadata__": ["config"]}, 0),
    "metadata of numbers": ({"__metadata__": {"config": 5}}, 0),
    "a million tensors": (b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i
                                           for i in range(300_000)) + b"}", 0),
    "a million blocks": ({"__metadata__": {"config": json.dumps({"depth": 10**6})}, "a": entry()}, 16),
    "many blocks of a codec": ({"__metadata__": {"config": json.dumps({"encoder_blocks": [10**5]})}, "a": entry()}, 16),
    "a side in the config": ({"__metadata__": {"config": json.dumps({"width": 10**15})}, "a": entry()}, 16),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_named_at_once(tmp_path: Path, lie: str) -> None:
    header, size = LIES[lie]
    path = file(tmp_path / "x.safetensors", header, bytes(size))
    for read in (checkpoints.load, load_open) if "config" not in str(header)[:200] else (checkpoints.load,):
        assert least_seconds(lambda read=read: refused(read, path)) < 1


def test_a_header_longer_than_any_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes((1 << 60).to_bytes(8, "little") + b"{" + bytes(100))
    with pytest.raises(CheckpointError, match="header of 1,152,921,504,606,846,976 bytes"):
        checkpoints.load(tmp_path / "x.safetensors")


def wan(change: Callable[[dict[str, list[int]]], object]) -> tuple[dict[str, Entry], int]:
    """The header of a Wan transformer with its marks alone, changed; and the bytes of its numbers."""
    shapes = {
        "patch_embedding.weight": [128, 16, 1, 2, 2], "head.head.weight": [64, 128],
        "blocks.0.ffn.0.weight": [256, 128], "text_embedding.0.weight": [128, 32], "time_embedding.0.weight": [128, 64],
    }  # fmt: skip
    change(shapes)
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        header[name] = entry(shape, "F16", [at, at + size])
        at += size
    return header, at


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update({"blocks.999999.ffn.0.weight": [1]}),
        lambda s: s.update({f"blocks.{i}.ffn.0.weight": [0] for i in range(20_000)}),
        lambda s: s.update({"patch_embedding.weight": [128]}),
        lambda s: s.update({"patch_embedding.weight": [128, 16, 0, 2, 2]}),
        lambda s: s.update({"patch_embedding.weight": []}),
        lambda s: s.update({"head.head.weight": [0, 128]}),
        lambda s: s.update({"time_embedding.0.weight": [128]}),
        lambda s: s.update({"blocks.0.ffn.0.weight": [1 << 40, 0]}),
    ],
)
def test_published_names_with_odd_shapes_are_named_at_once(tmp_path: Path, change: Callable[..., object]) -> None:
    header, size = wan(change)
    path = file(tmp_path / "x.safetensors", header, bytes(size))
    assert least_seconds(lambda: refused(load_open, path)) < 1
