"""Keys that sign: the user's own certificate, a key that never leaves its hardware, or one made here for development.

The development certificate is made on first use in the config folder (ES256, a chain of root and leaf, ten years). It
proves that a file was not changed since it was signed on this machine, and nothing about who signed it: whoever
verifies it elsewhere sees an unknown signer.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, ResourceError
from ..files import beside
from .policy import config_folder

__all__ = ["Credentials", "development_credentials", "load_credentials", "need_c2pa"]

EXTRA = "signing and verifying need c2pa-python; install it with `pip install 'sora-nodes[provenance]'`."
CHAIN, KEY = "development-chain.pem", "development-key.pem"
ALGORITHMS = ("es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519")
YEARS = 10


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A certificate chain (PEM, leaf first) and what signs with it: a key (PEM, PKCS8) or a callback."""

    chain: str
    key: str | None = None
    sign: Callable[[bytes], bytes] | None = None
    """signs bytes with the leaf's key, for keys in hardware; ECDSA signatures are raw r and s, not DER"""
    algorithm: str = "es256"

    def __post_init__(self) -> None:
        if (self.key is None) == (self.sign is None):
            raise InputError("credentials have either a key or a callback that signs")
        if self.algorithm not in ALGORITHMS:
            raise InputError(f"{self.algorithm!r} is no signature algorithm; there are {', '.join(ALGORITHMS)}")


def need_c2pa() -> Any:
    """The library, imported on first use. Raises InputError where the extra is missing."""
    try:
        import c2pa
    except ImportError as error:
        raise InputError(EXTRA) from error
    return c2pa


def load_credentials(chain: Path, key: Path, algorithm: str = "es256") -> Credentials:
    """The user's own, from PEM files, checked: they belong together and are valid now. Raises InputError."""
    need_c2pa()
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        chain_text, key_text = chain.read_text(), key.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the certificate {chain} and its key {key}: {error}") from error
    try:
        leaf = x509.load_pem_x509_certificates(chain_text.encode())[0]
        private = serialization.load_pem_private_key(key_text.encode(), None)
    except (ValueError, TypeError, IndexError) as error:
        raise InputError(f"{chain} and {key} are not a certificate chain and an open key in PEM: {error}") from error
    if private.public_key() != leaf.public_key():
        raise InputError(f"the key {key} is not that of the certificate {chain}; name the pair that belongs together")
    now = datetime.datetime.now(datetime.timezone.utc)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise InputError(
            f"the certificate {chain} is valid from {leaf.not_valid_before_utc:%Y-%m-%d} to"
            f" {leaf.not_valid_after_utc:%Y-%m-%d} and not today; renew it"
        )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Credentials(chain=chain_text, key=private.private_bytes(*form).decode(), algorithm=algorithm)


def development_credentials(folder: Path | None = None) -> Credentials:
    """The certificate of this machine, made on first use. Raises ResourceError where its folder cannot be written."""
    folder = folder or config_folder()
    chain, key = folder / CHAIN, folder / KEY
    if not (chain.is_file() and key.is_file()):
        made = make_chain()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_secret(key, made[1])
            with beside(chain) as part:
                part.write_text(made[0])
        except OSError as error:
            raise ResourceError(
                f"cannot keep a certificate in {folder}: {error.strerror}; make it writable."
            ) from error
    try:
        return Credentials(chain=chain.read_text(), key=key.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(
            f"cannot read the certificate in {folder}: {error}; delete it to have a new one."
        ) from error


def write_secret(path: Path, text: str) -> None:
    """A file that only its owner reads."""
    with beside(path) as part:
        os.chmod(part, 0o600)
        part.write_text(text)
    os.chmod(path, 0o600)


def make_chain() -> tuple[str, str]:
    """A root that signs one leaf, as C2PA asks for it; returns the chain and the leaf's key. The root's key is
    forgotten."""
    need_c2pa()
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(common: str) -> x509.Name:
        words = {NameOID.COMMON_NAME: common, NameOID.ORGANIZATION_NAME: "Sora Nodes, local development"}
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in words.items()])

    def usage(*, signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not signs, key_cert_sign=signs, crl_sign=signs, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip

    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    began = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=1)
    ends = began + datetime.timedelta(days=365 * YEARS)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    chain = ""
    for common, key, root in (("Sora Nodes development", leaf_key, False), ("Sora Nodes root", root_key, True)):
        draft = x509.CertificateBuilder().subject_name(name(common)).issuer_name(name("Sora Nodes root"))
        draft = draft.public_key(key.public_key()).serial_number(x509.random_serial_number())
        draft = draft.not_valid_before(began).not_valid_after(ends)
        draft = draft.add_extension(x509.BasicConstraints(ca=root, path_length=0 if root else None), critical=True)
        draft = draft.add_extension(usage(signs=root), critical=True)
        draft = draft.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        draft = draft.add_extension(issuer, critical=False)
        if not root:
            purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
            draft = draft.add_extension(purpose, critical=False)
        chain += draft.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return chain, leaf_key.private_bytes(pem, pkcs8, serialization.NoEncryption()).decode()
