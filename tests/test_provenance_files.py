"""Files in the wild: bytes that were flipped, manifests that lie elsewhere, other readers, odd videos."""

import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from sora_nodes.cli import main
from sora_nodes.sora_core.errors import MediaError, ResourceError, SoraError
from sora_nodes.sora_core.media import iter_frames, publish
from sora_nodes.sora_core.safety.certificates import Credentials
from sora_nodes.sora_core.safety.detect import detect
from sora_nodes.sora_core.safety.doors import Protection, guards_for
from sora_nodes.sora_core.safety.provenance import FORMATS, Origin, manifest, settings_of, sign, signer_of, verify
from test_provenance import FRAMES, credentials, make, needs_c2pa

__all__ = ["credentials"]


def picture_data(path: Path) -> range:
    """Where a file's picture data is."""
    data = path.read_bytes()
    if path.suffix in (".mp4", ".mov"):
        begin = data.index(b"mdat")
        return range(begin + 4, begin - 4 + int.from_bytes(data[begin - 4 : begin], "big"))
    if path.suffix == ".png":
        begin = data.index(b"IDAT")
        return range(begin + 4, begin + 4 + int.from_bytes(data[begin - 4 : begin], "big"))
    if path.suffix == ".webp":
        begin = data.index(b"VP8", 12 if data[12:16] != b"VP8X" else 30)
        return range(begin + 8, begin + 8 + int.from_bytes(data[begin + 4 : begin + 8], "little"))
    return range(data.rindex(b"\xff\xda") + 2, data.rindex(b"\xff\xd9"))


@needs_c2pa
@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_a_flipped_byte_anywhere_in_the_picture_data_is_found(
    tmp_path: Path, credentials: Credentials, ending: str
) -> None:
    signed = tmp_path / f"signed{ending}"
    sign(make(tmp_path / f"plain{ending}"), signed, Origin(), credentials)
    whole, places = signed.read_bytes(), picture_data(signed)
    assert len(places) > 300
    drawn = torch.randint(len(places), (40,), generator=torch.Generator().manual_seed(0)).tolist()
    for place in {places[0], places[-1], *(places[i] for i in drawn)}:
        signed.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :])
        assert verify(signed).status == "changed", place


@needs_c2pa
@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_another_reader_finds_every_kind_of_file_valid(tmp_path: Path, credentials: Credentials, ending: str) -> None:
    import c2pa

    signed = tmp_path / f"signed{ending}"
    sign(make(tmp_path / f"plain{ending}"), signed, Origin(), credentials)
    with c2pa.Reader(str(signed)) as reader:  # as anyone calls it, with the library's own settings
        assert reader.get_validation_state() in ("Valid", "Trusted")
        assert '"Sora Nodes"' in reader.json()


@needs_c2pa
def test_a_link_to_a_manifest_is_not_followed(tmp_path: Path, credentials: Credentials) -> None:
    import c2pa

    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    builder = c2pa.Builder(manifest(Origin(), "linked"), c2pa.Context(settings_of()))
    builder.set_no_embed()
    builder.set_remote_url(f"http://127.0.0.1:{server.server_port}/manifest.c2pa")
    linked = tmp_path / "linked.jpg"
    with make(tmp_path / "plain.jpg").open("rb") as given, linked.open("w+b") as out:
        builder.sign(signer_of(credentials), "image/jpeg", given, out)
    assert b"manifest.c2pa" in linked.read_bytes()
    found = verify(linked)
    assert found.status == "none" and "not followed" in found.sentence() and not asked
    sign(linked, tmp_path / "again.jpg", Origin(), credentials)
    server.shutdown()
    server.server_close()
    assert not asked


def test_a_video_without_frames_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty, silent = tmp_path / "empty.mp4", tmp_path / "silent.mp4"
    empty.write_bytes(b"")
    with av.open(str(silent), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    for path in (empty, silent):
        with pytest.raises(SoraError):
            detect(iter_frames(path, 16))
        assert main(["detect", str(path)]) not in (0, 1) and capsys.readouterr().err
        with pytest.raises(MediaError):
            publish(tmp_path / "out.mp4", path, guards=guards_for(Protection(), fps=8.0))
        assert not (tmp_path / "out.mp4").exists()
    with pytest.raises(MediaError, match="no frames"):
        publish(tmp_path / "out.mp4", iter([]), fps=8.0)
    with pytest.raises(MediaError):
        publish(tmp_path / "out.mp4", io.BytesIO(b"nothing"), guards=guards_for(Protection(), fps=8.0))


def test_a_folder_that_cannot_be_written_is_a_sentence() -> None:
    with pytest.raises(ResourceError):
        publish("/proc/out.mp4", FRAMES, fps=8.0, guards=guards_for(Protection(review=False), fps=8.0))
