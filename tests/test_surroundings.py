"""What a program around the library has set in torch changes none of its results."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from editing_toys import tiny_model
from sora_nodes.sora_core import Clip, VideoSize, edit_video, extend, generate, read_video, sample_video
from sora_nodes.sora_core.layers.surroundings import unaffected
from sora_nodes.sora_core.safety.doors import Protection
from torch import Tensor

MODEL = tiny_model()
FEW = MODEL.settings.with_(steps=2)
SIZE = VideoSize(frames=5, height=32, width=32, fps=8)


@contextmanager
def default(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "float16": lambda: default(torch.float16),
    "bfloat16": lambda: default(torch.bfloat16),
    "float64": lambda: default(torch.float64),
    "another device": lambda: torch.device("meta"),  # which holds no numbers: any tensor made there is found out
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


def results(folder: Path) -> list[Tensor]:
    folder.mkdir()
    size = (64, 64)
    made = generate(
        "a red ball", out=folder / "a.mp4", seconds=1.0, size=size, fps=8, expand=False, settings=FEW, model=MODEL,
        protection=Protection(watermark=True, sign=False, review=False),
    )  # fmt: skip
    frames = read_video(made.path).frames
    edit = extend(Clip(image=frames[:, :32, :32].to(torch.float32) / 255, fps=8), MODEL.codec, seconds=0.5)
    return [sample_video(MODEL, "a red ball", SIZE, settings=FEW), frames, edit_video(MODEL, edit, "a red ball", FEW)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> list[Tensor]:
    return results(tmp_path_factory.mktemp("alone") / "results")


@pytest.mark.parametrize("around", SURROUNDINGS)
def test_results_are_the_same_bits_whatever_is_set(around: str, alone: list[Tensor], tmp_path: Path) -> None:
    with SURROUNDINGS[around]():
        made = results(tmp_path / "results")
    assert [x.dtype for x in made] == [x.dtype for x in alone]
    assert all(map(torch.equal, made, alone))


def test_what_was_set_is_there_again_between_the_yields_and_after_an_error() -> None:
    @unaffected
    def numbers() -> Iterator[Tensor]:
        yield torch.ones(1)
        raise ValueError

    with default(torch.float64):
        stream = numbers()
        assert next(stream).dtype == torch.float32 and torch.ones(1).dtype == torch.float64
        with pytest.raises(ValueError, match=r"^$"):
            next(stream)
        assert torch.ones(1).dtype == torch.float64
