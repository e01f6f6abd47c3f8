"""A disk without room: refused before a frame is asked for where the need is known, else one sentence that names the
file the person asked for; nothing is left, and nothing that was made before is lost."""

import shutil
from collections import namedtuple
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from sora_nodes.nodes.layouts.latents import KEY, LatentInfo
from sora_nodes.nodes.long import SoraLongVideo
from sora_nodes.nodes.refining import SoraRefineVideo
from sora_nodes.nodes.video import SoraDecodeVideo, SoraSaveVideo
from sora_nodes.runtime.batch import run_jobs
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.jobs import Job
from sora_nodes.runtime.session import Session
from sora_nodes.runtime.video import VideoComponents, VideoFromComponents, VideoFromFile
from sora_nodes.sora_core import pipeline
from sora_nodes.sora_core.encoding import Encoding
from sora_nodes.sora_core.errors import ResourceError
from sora_nodes.sora_core.grid import VideoSize
from sora_nodes.sora_core.media import (
    FileSource,
    Guards,
    Piece,
    Segmented,
    Splice,
    TensorSource,
    encode,
    publish,
    read_video,
    segments,
    write,
    write_video,
)

resource = pytest.importorskip("resource", reason="this system has no limit on the size of files")
SIZE = VideoSize(frames=32, height=64, width=96, fps=8.0)
LONG = VideoSize(frames=5000, height=64, width=96, fps=8.0)
LIMIT = 30_000
"""bytes that a file may have"""


def noise(start: int = 0) -> Iterator[torch.Tensor]:
    """Frames that take about six bits a pixel."""
    for i in range(start, SIZE.frames):
        random = torch.Generator().manual_seed(i)
        yield torch.randint(0, 255, (1, SIZE.height, SIZE.width, 3), generator=random, dtype=torch.uint8)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A small file that is there already."""
    path = tmp_path / "given.mp4"
    write_video(path, torch.zeros(16, SIZE.height, SIZE.width, 3, dtype=torch.uint8), SIZE.fps)
    return path


@pytest.fixture
def full(clip: Path) -> Iterator[None]:
    """Files may not become larger than LIMIT."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def little_room(monkeypatch: pytest.MonkeyPatch, free: int = 16 << 20) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(1 << 40, 0, free))


def segmented(folder: Path) -> Segmented:
    return Segmented(folder=folder / "kept.segments", size=SIZE, frames=noise)


def spliced(file: Path) -> Splice:
    made = TensorSource(torch.cat([*noise()]), SIZE.fps)
    return Splice.of([Piece(source=FileSource(file), kept=True), Piece(source=made)], SIZE.fps)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("ending", [".mp4", ".webm", ".gif", ".webp", ".png"])
def test_frames_that_fill_the_disk_end_in_a_sentence_on_the_file_asked_for(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out{ending}"
    frames: Any = torch.cat([*noise()])
    if ending == ".png":
        frames = frames.reshape(1, -1, SIZE.width, 3)
    chosen = None if ending in (".mp4", ".png") else Encoding(format=ending[1:])
    with pytest.raises(ResourceError, match=f"cannot write {out}: the file is larger"):
        publish(out, frames, fps=SIZE.fps, encoding=chosen)
    assert [path.name for path in tmp_path.iterdir()] == ["given.mp4"]


@pytest.mark.usefixtures("full")
def test_a_splice_and_a_signature_that_fill_the_disk_name_the_file_asked_for(tmp_path: Path, clip: Path) -> None:
    def sign(written: Path, signed: Path, name: str) -> None:
        write_video(written, torch.cat([*noise()]), SIZE.fps)

    out = tmp_path / "out.mp4"
    with pytest.raises(ResourceError, match=f"cannot write {out}: the file is larger"):
        publish(out, spliced(clip))
    with pytest.raises(ResourceError, match=f"cannot write {out}: the file is larger"):
        publish(out, clip, guards=Guards(sign=sign))
    assert [path.name for path in tmp_path.iterdir()] == ["given.mp4"]


def test_a_disk_that_fills_up_in_a_segment_names_the_file_and_keeps_the_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "PIXELS", 0)
    out, real = tmp_path / "out.mp4", segments.write_video

    def fills(path: Path, *rest: Any) -> int:
        if path.name == "000002.mp4":
            raise ResourceError(f"cannot write {path}: the disk is full.")
        return real(path, *rest)

    monkeypatch.setattr(segments, "write_video", fills)
    with pytest.raises(ResourceError, match=f"cannot write {out}: the disk is full"):
        publish(out, segmented(tmp_path))
    assert len([*(tmp_path / "kept.segments").glob("*.mp4")]) == 2
    monkeypatch.setattr(segments, "write_video", real)
    assert publish(out, segmented(tmp_path)) == SIZE.frames == len(read_video(out).frames)


@pytest.mark.parametrize("kind", ["copy", "splice", "segments", "sized"])
def test_a_file_that_does_not_fit_is_refused_before_a_frame_is_asked_for(
    tmp_path: Path, clip: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unasked(start: int = 0) -> Iterator[torch.Tensor]:
        pytest.fail("a frame was asked for")
        yield from noise(start)

    contents: dict[str, Any] = {
        "copy": clip,
        "splice": spliced(clip),
        "segments": Segmented(folder=tmp_path / "kept.segments", size=LONG, frames=unasked),
        "sized": unasked(),
    }
    little_room(monkeypatch)
    out, size = tmp_path / "out.mp4", LONG if kind == "sized" else None
    with pytest.raises(ResourceError, match=rf"cannot write {out}: that needs about .* of free space"):
        publish(out, contents[kind], fps=SIZE.fps, size=size)
    assert not out.exists() and not (tmp_path / "kept.segments").exists()


def test_segments_that_are_there_need_no_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "PIXELS", 0)
    whole = segmented(tmp_path)
    before = whole.estimated_bytes
    publish(tmp_path / "out.mp4", whole)
    assert whole.estimated_bytes == before // 2


def test_nodes_refuse_what_the_disk_has_no_room_for_before_their_work(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latent = {"samples": torch.zeros(1, 4, 3, 2, 2), KEY: LatentInfo(size=LONG)}
    enlarged = {"samples": torch.zeros(1, 4, 1400, 8, 8), KEY: LatentInfo(size=SIZE, grid=(3, 2, 2))}
    vae: Any = pipeline.load_bundled()
    little_room(monkeypatch)
    with Session(input=tmp_path, output=tmp_path / "out", temp=tmp_path / "temp").active():
        for work in (
            lambda: SoraDecodeVideo.execute(latent, vae, 0.0),
            lambda: SoraDecodeVideo.execute(enlarged, vae, 0.0),
            lambda: SoraDecodeVideo.execute({**latent, KEY: LatentInfo(size=SIZE)}, vae, 0.0, width=4096),
            lambda: SoraRefineVideo.execute(video=VideoFromFile(str(clip)), height=2048),
        ):
            with pytest.raises(ResourceError, match=r"that needs about .* of free space, and 16.8 MB are free"):
                work()


@pytest.mark.parametrize("held", ["file", "memory"])
def test_a_video_that_is_to_be_encoded_is_refused_before_it_is(
    tmp_path: Path, clip: Path, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    video: Any = VideoFromFile(str(clip))
    if held == "memory":
        video = VideoFromComponents(VideoComponents(images=torch.zeros(4, 64, 96, 3), frame_rate=Fraction(8)))
    for module in (encode, write):
        monkeypatch.setattr(module, "VideoWriter" if module is write else "EncodedWriter", None)
    little_room(monkeypatch)
    with Session(input=tmp_path, output=tmp_path / "out", temp=tmp_path / "temp").active():
        node = SoraSaveVideo.PREPARE_CLASS_CLONE({})
        with pytest.raises(ResourceError, match=r"clip_00001_.mp4: that needs about .* and 16.8 MB are free"):
            node.execute(video, "clip", codec="auto" if held == "memory" else "h265")


def test_a_long_video_is_refused_before_its_first_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from editing_toys import tiny_model

    model = tiny_model()
    latent = {"samples": torch.zeros(1, model.geometry.channels, 3, 2, 2), KEY: LatentInfo(size=LONG)}
    little_room(monkeypatch)
    said = {"model": model, "clip": model, "vae": model, "latent": latent, "seed": 0, "overlap": 8}
    with (
        Session(input=tmp_path, output=tmp_path / "out", temp=tmp_path / "temp").active(),
        pytest.raises(ResourceError, match="of free space"),
    ):
        SoraLongVideo.execute(**said, segments="600: a red ball", sampler_name="euler")


def test_a_job_of_a_batch_names_its_file_by_the_name_it_will_have(tmp_path: Path) -> None:
    def fails(graph: Graph, session: Session) -> list[str]:
        path, _ = session.output_path("clip", ".mp4")
        raise ResourceError(f"cannot write {path}: the disk is full.")

    session = Session(input=tmp_path, output=tmp_path / "out", temp=tmp_path / "temp")
    job = Job(number=1, row={}, key="k-1", graph=Graph.from_api({"1": {"class_type": "Toy", "inputs": {}}}))
    (outcome,) = run_jobs([job], fails, session)
    assert outcome.error == f"cannot write {tmp_path / 'out' / 'clip_00001_.mp4'}: the disk is full."
