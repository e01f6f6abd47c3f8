"""Frames flow: verbs read what they need of a clip, and finished clips are read, not held."""

import pytest
import torch
from editing_toys import FPS, H, W, clip, frames, sampled, tiny_codec
from sora_nodes.sora_core.editing import Clip, connect, extend, fill, restyle, stitch, stitched
from sora_nodes.sora_core.editing.frames import Joined, Placed, Resampled, Window, lengthened, read_image
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.media import TensorSource

CODEC = tiny_codec()
LONG = 400


class Watched(TensorSource):
    """A long clip that remembers which of its frames were read, and how many at most at once."""

    def __init__(self, length: int = LONG) -> None:
        super().__init__(frames(16).repeat(length // 16, 1, 1, 1), FPS)
        self.seen: set[int] = set()
        self.most = 0

    def read(self, start: int, stop: int) -> torch.Tensor:
        self.seen |= set(range(start, stop))
        self.most = max(self.most, stop - start)
        return super().read(start, stop)


def test_extending_reads_the_end_alone_and_the_rest_when_it_is_written() -> None:
    source = Watched()
    edit = extend(Clip(source=source, fps=FPS), CODEC, seconds=1.0)
    whole = stitched(edit, sampled(edit), CODEC)
    assert min(source.seen) > LONG - 60
    assert whole.length == edit.frames == LONG + 8
    assert torch.equal(whole.read(0, 8), source.frames[:8])
    assert torch.equal(read_image(whole), stitch(edit, sampled(edit), CODEC))


def test_beginning_earlier_reads_the_beginning_alone() -> None:
    source = Watched()
    edit = extend(Clip(source=source, fps=FPS), CODEC, seconds=1.0, direction="backward")
    assert stitched(edit, sampled(edit), CODEC).length == LONG + 8
    assert max(source.seen) < 60


def test_connecting_reads_both_sides_of_the_seam_alone() -> None:
    first, second = Watched(), Watched()
    edit = connect(Clip(source=first, fps=FPS), Clip(source=second, fps=FPS), CODEC, seconds=1.0)
    assert stitched(edit, sampled(edit), CODEC).length == 2 * LONG + 8
    assert min(first.seen) > LONG - 60
    assert max(second.seen) < 60


def test_filling_reads_what_is_near_alone() -> None:
    source, missing = Watched(), torch.zeros(LONG)
    missing[200:204] = 1
    edit = fill(Clip(source=source, fps=FPS), CODEC, missing=missing)
    whole = stitched(edit, sampled(edit), CODEC)
    assert source.seen <= set(range(150, 260))
    assert torch.equal(whole.read(0, 200), source.frames[:200])


def test_restyling_encodes_piece_by_piece() -> None:
    source = Watched()
    as_one = restyle(Clip(image=source.frames[:45], fps=FPS), CODEC)
    edit = restyle(Clip(source=Window(source, 0, 45), fps=FPS), CODEC)
    torch.testing.assert_close(edit.state.latent, as_one.state.latent)


def test_bytes_come_out_as_they_went_in() -> None:
    pictures = (frames(24) * 255).byte()
    edit = extend(Clip(source=TensorSource(pictures, FPS), fps=FPS), CODEC, seconds=1.0)
    whole = stitched(edit, sampled(edit), CODEC)
    assert torch.equal(whole.read(0, 24), pictures)
    same = extend(Clip(image=pictures.float() / 255, fps=FPS), CODEC, seconds=1.0)
    torch.testing.assert_close(read_image(whole), stitch(same, sampled(edit), CODEC))


def test_sources_in_a_row_parts_of_them_and_other_rates() -> None:
    image = frames(12)
    source = TensorSource(image, FPS)
    joined = Joined([Window(source, 4, 6), source])
    assert torch.equal(joined.read(1, 5), torch.cat([image[5:6], image[:3]]))
    placed = Placed(20, [(4, Window(source, 0, 3)), (10, source)])
    assert torch.equal(placed.read(3, 6), torch.cat([torch.zeros(1, H, W, 3), image[:2]]))
    assert torch.equal(placed.read(11, 13), image[1:3])
    half = Resampled(source, FPS / 2)
    assert torch.equal(half.read(0, half.length), image[1::2])
    assert torch.equal(lengthened(source, 14).read(11, 14), image[11:].expand(3, -1, -1, -1))
    with pytest.raises(InputError, match="12 to 13 do not lie in a clip of 12"):
        Window(source, 12, 13)
    with pytest.raises(InputError, match="one size"):
        Joined([source, TensorSource(torch.zeros(1, 4, 4, 3), FPS)])


def test_a_clip_without_anything_is_refused() -> None:
    assert clip(5).source.length == 5
    with pytest.raises(InputError, match="neither"):
        Clip(fps=FPS)
