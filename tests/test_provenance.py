"""Provenance: what is signed verifies, a changed byte is found, inputs become ingredients (with c2pa-python)."""

import json
from contextlib import suppress
from pathlib import Path

import av
import pytest
import torch
from PIL import Image
from sora_nodes.cli import main
from sora_nodes.sora_core.errors import InputError, MediaError, ResourceError, SoraError
from sora_nodes.sora_core.media import write_image, write_video
from sora_nodes.sora_core.safety import certificates
from sora_nodes.sora_core.safety.certificates import Credentials, development_credentials, load_credentials
from sora_nodes.sora_core.safety.provenance import (
    FORMATS,
    MADE,
    UNSAID,
    Origin,
    Verdict,
    can_sign,
    manifest,
    sign,
    verify,
)

needs_c2pa = pytest.mark.skipif(not can_sign(), reason="the extra `provenance` (c2pa-python) is not installed")
FRAMES = torch.randint(0, 255, (5, 48, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return development_credentials(tmp_path_factory.mktemp("config"))


def make(path: Path) -> Path:
    """A small file of any kind."""
    if path.suffix == ".mp4":
        write_video(path, FRAMES, 8.0)
    elif path.suffix == ".mov":
        with av.open(str(make(path.with_name("source.mp4")))) as given, av.open(str(path), "w", format="mov") as made:
            copy = made.add_stream_from_template(given.streams.video[0])
            for packet in given.demux():
                if packet.dts is not None:
                    packet.stream = copy
                    made.mux(packet)
    elif path.suffix in (".jpg", ".jpeg"):
        Image.fromarray(FRAMES[0].numpy()).save(path)
    else:
        write_image(path, FRAMES[:1])
    return path


def picture_byte(path: Path) -> int:
    """A place inside the picture's own data."""
    data = path.read_bytes()
    start = {
        ".mp4": b"mdat",
        ".mov": b"mdat",
        ".png": b"IDAT",
        ".webp": b"VP8",
        ".jpg": b"\xff\xda",
        ".jpeg": b"\xff\xda",
    }
    return data.rindex(start[path.suffix]) + 40


@needs_c2pa
@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_a_signed_file_verifies_and_a_changed_byte_is_found(
    tmp_path: Path, credentials: Credentials, ending: str
) -> None:
    source, signed = make(tmp_path / f"plain{ending}"), tmp_path / f"signed{ending}"
    sign(source, signed, Origin(settings={"seed": 7, "prompt": "secret words"}), credentials)
    assert verify(source) == Verdict(status="none")
    found = verify(signed)
    assert found.status == "unknown signer" and found.generated and found.made_by == "Sora Nodes"
    root = "-----BEGIN" + credentials.chain.split("-----BEGIN")[2]
    assert verify(signed, [root]).status == "trusted"
    assert b"secret words" not in signed.read_bytes()
    data = bytearray(signed.read_bytes())
    data[picture_byte(signed)] ^= 1
    signed.write_bytes(data)
    assert verify(signed).status == "changed" and verify(signed).reasons


@needs_c2pa
def test_inputs_become_ingredients(tmp_path: Path, credentials: Credentials) -> None:
    first, second = tmp_path / "first.mp4", tmp_path / "second.png"
    for path in (first, second):
        sign(make(tmp_path / f"plain{path.suffix}"), path, Origin(), credentials)
    edited, joined, again = (tmp_path / name for name in ("edited.mp4", "joined.mp4", "again.mp4"))
    plain = tmp_path / "plain.mp4"
    sign(plain, edited, Origin(parent=first), credentials)
    sign(plain, joined, Origin(parts=(first, second)), credentials)
    sign(first, again, Origin(), credentials)
    assert verify(edited).ingredients == ("first.mp4",) and "c2pa.edited" in verify(edited).actions
    assert verify(joined).ingredients == ("first.mp4", "second.png")
    assert verify(again).ingredients == ("first.mp4",), "a manifest that was there is kept"


@needs_c2pa
def test_the_prompt_is_written_where_the_user_says_so(tmp_path: Path, credentials: Credentials) -> None:
    plain, signed = make(tmp_path / "plain.png"), tmp_path / "signed.png"
    sign(plain, signed, Origin(settings={"prompt": "open words"}, with_prompt=True), credentials)
    assert b"open words" in signed.read_bytes()


@needs_c2pa
def test_a_key_in_hardware_signs_by_callback(tmp_path: Path, credentials: Credentials) -> None:
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    assert credentials.key is not None
    key = serialization.load_pem_private_key(credentials.key.encode(), None)

    def device(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    signed = tmp_path / "signed.png"
    sign(make(tmp_path / "plain.png"), signed, Origin(), Credentials(chain=credentials.chain, sign=device))
    assert verify(signed).status == "unknown signer"


@needs_c2pa
def test_wrong_keys_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.hazmat.primitives import serialization

    pairs = []
    for name in ("a", "b"):
        chain, key = certificates.make_chain()
        pairs.append((tmp_path / f"{name}.pem", tmp_path / f"{name}.key"))
        pairs[-1][0].write_text(chain)
        pairs[-1][1].write_text(key)
    plain = load_credentials(*pairs[0]).key
    assert plain
    key = serialization.load_pem_private_key(plain.encode(), None)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    pairs[0][1].write_bytes(key.private_bytes(*form))
    assert load_credentials(*pairs[0]).key == plain, "a key as openssl writes it by default"
    with pytest.raises(InputError, match="not that of the certificate"):
        load_credentials(pairs[0][0], pairs[1][1])
    with pytest.raises(InputError, match="cannot read"):
        load_credentials(tmp_path / "none.pem", pairs[0][1])
    with pytest.raises(InputError, match="PEM"):
        load_credentials(pairs[0][1], pairs[0][0])
    monkeypatch.setattr(certificates, "YEARS", 0)
    for path, text in zip(pairs[0], certificates.make_chain(), strict=True):
        path.write_text(text)
    with pytest.raises(InputError, match="renew"):
        load_credentials(*pairs[0])


@needs_c2pa
def test_bad_files_are_named(tmp_path: Path, credentials: Credentials) -> None:
    (tmp_path / "clip.mkv").write_bytes(b"a film")
    with pytest.raises(InputError, match=r"clip\.mkv.*\.mp4"):
        verify(tmp_path / "clip.mkv")
    with pytest.raises(MediaError, match="there is no file"):
        verify(tmp_path / "absent.mp4")
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(b"no video at all")
    with pytest.raises(MediaError, match="cannot be signed"):
        sign(torn, tmp_path / "out.mp4", Origin(), credentials)
    assert not (tmp_path / "out.mp4").exists()
    with pytest.raises(ResourceError):
        sign(make(tmp_path / "plain.png"), tmp_path / "no folder" / "out.png", Origin(), credentials)


@needs_c2pa
def test_mutated_files_are_never_trusted_and_never_crash(tmp_path: Path, credentials: Credentials) -> None:
    generator = torch.Generator().manual_seed(1)
    root = "-----BEGIN" + credentials.chain.split("-----BEGIN")[2]
    for ending in (".mp4", ".png", ".webp"):
        signed = tmp_path / f"signed{ending}"
        sign(make(tmp_path / f"plain{ending}"), signed, Origin(), credentials)
        whole = signed.read_bytes()
        for _ in range(15):
            data = bytearray(whole)
            for place in torch.randint(len(data), (3,), generator=generator).tolist():
                data[place] ^= 1 + int(torch.randint(255, (), generator=generator))
            signed.write_bytes(data)
            with suppress(SoraError):
                assert verify(signed, [root]).status in ("changed", "none", "unknown signer")


@needs_c2pa
def test_the_command(tmp_path: Path, credentials: Credentials, capsys: pytest.CaptureFixture[str]) -> None:
    signed = tmp_path / "signed.png"
    sign(make(tmp_path / "plain.png"), signed, Origin(), credentials)
    assert main(["verify", "--json", str(signed)]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "unknown signer"


def test_without_the_extra_a_sentence_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "c2pa", None)
    with pytest.raises(MediaError, match="there is no file"):
        verify(tmp_path / "any.mp4")
    (tmp_path / "any.mp4").touch()
    with pytest.raises(InputError, match=r"sora-nodes\[provenance\]"):
        verify(tmp_path / "any.mp4")


def test_a_created_file_names_a_source_type_though_no_model_made_it() -> None:
    """C2PA signs none without; a file from elsewhere that cannot be an ingredient (mkv) is one."""
    for origin, said in ((Origin(), MADE), (Origin(generated=False), UNSAID)):
        (action,) = manifest(origin, "clip.mp4")["assertions"][0]["data"]["actions"]
        assert action["action"] == "c2pa.created" and action["digitalSourceType"] == said
