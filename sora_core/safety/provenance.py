"""Provenance: a C2PA manifest in the file that says what made it, signed, and the check of such manifests.

    sign(source, target, origin, credentials)        # the last thing done to a file
    verify(path)                                     # Verdict(status="trusted" | "unknown signer" | "changed" | "none")

Files of other makers keep their story: a signed input becomes an ingredient of what is made from it. Links in manifests
are not followed. mp4, mov, png, webp and jpg; the extra `provenance` (c2pa-python) does the work.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InputError, MediaError
from ..files import beside
from .certificates import Credentials, development_credentials, need_c2pa

__all__ = ["FORMATS", "Origin", "Verdict", "can_sign", "sign", "verify"]

FORMATS = {
    ".mp4": "video/mp4", ".mov": "video/quicktime", ".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}  # fmt: skip
MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
MIXED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
UNSAID = "http://cv.iptc.org/newscodes/digitalsourcetype/composite"
"""of what was put together here and may hold anything: C2PA takes no created file without a source type"""
SETTINGS_LABEL = "org.sora-nodes.settings"
PURPOSES = "1.3.6.1.5.5.7.3.4\n1.3.6.1.5.5.7.3.36\n1.3.6.1.4.1.311.76.59.1.9"
"""of certificates that may sign: email protection, document signing, claim signing"""
PARENT, COMPONENT = "parentOf", "componentOf"
REMOTE = "Remote: must fetch remote manifests from url"
"""how the library says that a manifest is not in the file"""
UNTRUSTED = "signingCredential.untrusted"
PRIVATE = ("prompt", "negative", "caption", "workflow")
"""settings that are written only where the user says so"""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a manifest says of a file."""

    title: str = ""
    """the file's name; empty takes it from the path"""
    model: str = "Sora Nodes"
    settings: Mapping[str, Any] = field(default_factory=dict)
    """seed, steps, size, ...; prompts among them are left out unless `with_prompt`"""
    with_prompt: bool = False
    parent: Path | None = None
    """the file that was edited: extended, restyled, filled"""
    parts: tuple[Path, ...] = ()
    """files that were joined into this one"""
    generated: bool = True
    """whether a trained model made it, or part of it"""

    @property
    def edited(self) -> bool:
        return self.parent is not None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a file's manifest is worth."""

    status: str
    """`trusted`, `unknown signer` (whole, but nobody vouches for who signed), `changed` or `none`"""
    reasons: tuple[str, ...] = ()
    """of a changed file: what differs, as C2PA names it; of one without a manifest: where it is said to be"""
    signer: str = ""
    made_by: str = ""
    """the software the manifest names"""
    actions: tuple[str, ...] = ()
    ingredients: tuple[str, ...] = ()
    generated: bool = False
    """whether it says that a trained model made it, or part of it"""

    def sentence(self) -> str:
        """For a person; one sentence."""
        if self.status == "none":
            return f"no provenance: {self.reasons[0] if self.reasons else 'the file has no C2PA manifest'}"
        if self.status == "changed":
            return f"changed: the manifest does not fit the file ({', '.join(self.reasons)})"
        who = f"signed by {self.signer or 'an unnamed signer'}"
        known = "trusted" if self.status == "trusted" else "valid, but the signer is not known here"
        made = f"; made by {self.made_by}" if self.made_by else ""
        return f"{known}: {who}{made}; {'generated' if self.generated else 'not said to be generated'}"


def can_sign() -> bool:
    """Whether the extra is installed."""
    return find_spec("c2pa") is not None


def format_of(path: Path) -> str:
    """The media type by the file's ending. Raises InputError."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path} cannot carry a manifest; files that can are {', '.join(FORMATS)}")
    return kind


def settings_of(anchors: Iterable[str] = ()) -> Any:
    """Library settings: no network, and trust in these certificates alone."""
    trust = {"trust_config": PURPOSES}
    if joined := "\n".join(anchors):
        trust["user_anchors"] = joined
    checks = {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}
    thumbnails = {"thumbnail": {"enabled": False}}
    return need_c2pa().Settings.from_dict({"verify": checks, "trust": trust, "builder": thumbnails})


def manifest(origin: Origin, title: str, others: Sequence[str] = ()) -> dict[str, Any]:
    """The manifest's definition. others: names of files that it was made from and that cannot be ingredients."""
    said = {k: v for k, v in origin.settings.items() if origin.with_prompt or k not in PRIVATE}
    said |= {"made_from": list(others)} if others else {}
    mixed = origin.edited or bool(origin.parts or others)
    kind = MIXED if mixed else MADE
    agent: dict[str, Any] = {"softwareAgent": {"name": "Sora Nodes"}}
    if origin.generated or not origin.edited:
        agent["digitalSourceType"] = kind if origin.generated else UNSAID
    actions = [{"action": "c2pa.edited", **agent}] if origin.edited else [{"action": "c2pa.created", **agent}]
    return {
        "claim_generator_info": [{"name": "Sora Nodes"}],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": actions}},
            {"label": SETTINGS_LABEL, "data": {"model": origin.model, "settings": json.loads(json.dumps(said))}},
        ],
    }


def sign(
    source: Path,
    target: Path,
    origin: Origin,
    credentials: Credentials | None = None,
    *,
    name: str = "",
) -> None:
    """Write `target`, the file `source` with a signed manifest, whole or not at all; `source` may be `target`.

    A manifest that `source` itself has becomes an ingredient; a file of the origin that cannot be one (mkv, damaged) is
    named in the settings. credentials: None takes the development certificate. name: the file's own, where `target` is
    a passing one. Raises InputError without the extra, MediaError for a file that cannot be signed.
    """
    c2pa = need_c2pa()
    name = name or target.name
    kind = format_of(Path(name))
    credentials = credentials or development_credentials()
    origin, others = carrying(origin)
    if has_manifest(source) and source not in [path for path, _ in ingredients(origin)]:
        origin = (
            replace(origin, parts=(*origin.parts, source)) if ingredients(origin) else replace(origin, parent=source)
        )
    try:
        builder = c2pa.Builder(manifest(origin, origin.title or name, others), c2pa.Context(settings_of()))
        if origin.edited:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        for path, relation in ingredients(origin):
            add_ingredient(builder, path, relation)
        with source.open("rb") as given, beside(target) as part, part.open("w+b") as made:
            builder.sign(signer_of(credentials), kind, given, made)
    except c2pa.C2paError as error:
        raise MediaError(f"{name} cannot be signed: {error}") from error
    except OSError as error:
        raise MediaError(f"{name} cannot be read: {error.strerror}") from error


def carrying(origin: Origin) -> tuple[Origin, list[str]]:
    """An origin with those of its files alone that can be read as ingredients, and the names of the others."""
    given = ingredients(origin)
    fit = [(path, relation) for path, relation in given if readable(path)]
    others = [path.name for path, _ in given if path not in [kept for kept, _ in fit]]
    parent = next((path for path, relation in fit if relation == PARENT), None)
    return replace(origin, parent=parent, parts=tuple(p for p, relation in fit if relation != PARENT)), others


def readable(path: Path) -> bool:
    """Whether a file can be an ingredient: of a kind that carries manifests, and whole enough to look for one."""
    c2pa = need_c2pa()
    if path.suffix.lower() not in FORMATS:
        return False
    try:
        add_ingredient(c2pa.Builder(manifest(Origin(), path.name), c2pa.Context(settings_of())), path, COMPONENT)
        return True
    except (OSError, c2pa.C2paError):
        return False


def has_manifest(path: Path) -> bool:
    """Whether a file already carries a manifest, of whatever worth."""
    if path.suffix.lower() not in FORMATS:
        return False
    found = verify(path)
    return found.status != "none" or bool(found.reasons)


def ingredients(origin: Origin) -> list[tuple[Path, str]]:
    """Files and their relation to what was made."""
    parent = [(origin.parent, PARENT)] if origin.parent is not None else []
    return parent + [(path, COMPONENT) for path in origin.parts]


def add_ingredient(builder: Any, path: Path, relation: str) -> None:
    """A file, with its own manifest where it has one."""
    said = {"title": path.name, "relationship": relation}
    with path.open("rb") as file:
        builder.add_ingredient(json.dumps(said), format_of(path), file)


def signer_of(credentials: Credentials) -> Any:
    """The library's signer."""
    c2pa = need_c2pa()
    if credentials.sign is not None:
        algorithm = c2pa.C2paSigningAlg[credentials.algorithm.upper()]
        return c2pa.Signer.from_callback(credentials.sign, algorithm, credentials.chain)
    chain, key = credentials.chain.encode(), (credentials.key or "").encode()
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(credentials.algorithm.encode(), chain, key, None))


def verify(path: str | Path, anchors: Iterable[str] = ()) -> Verdict:
    """Check a file's manifest, streamed. anchors: root certificates (PEM) of signers that are trusted.

    Raises InputError without the extra or for a kind of file that cannot carry a manifest, MediaError for one that
    cannot be read.
    """
    path = Path(path)
    if not os.path.isfile(path):  # which is False, too, for what the system cannot name
        raise MediaError(f"there is no file {path}.")
    kind = format_of(path)
    c2pa = need_c2pa()
    if not path.stat().st_size:
        raise MediaError(f"{path} is empty.")
    context = c2pa.Context(settings_of(anchors))
    try:
        with path.open("rb") as file:
            reader = c2pa.Reader.try_create(kind, file, None, context)
            if reader is None:
                return Verdict(status="none")
            with reader:
                return verdict(json.loads(reader.json()), reader.get_validation_state() or "Invalid")
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}") from error
    except (c2pa.C2paError, ValueError) as error:
        if str(error).startswith(REMOTE):
            link = str(error).removeprefix(REMOTE)[:200].strip()
            return Verdict(status="none", reasons=(f"its manifest lies elsewhere and links are not followed ({link})",))
        return Verdict(status="changed", reasons=(f"the manifest cannot be read: {str(error)[:200]}",))


def verdict(store: dict[str, Any], state: str) -> Verdict:
    """The verdict of a manifest store that the library read."""
    active = store.get("manifests", {}).get(store.get("active_manifest"), {})
    failures = store.get("validation_results", {}).get("activeManifest", {}).get("failure", [])
    codes = tuple(dict.fromkeys(str(f.get("code")) for f in failures or store.get("validation_status", [])))
    status = {"Trusted": "trusted", "Valid": "unknown signer"}.get(state, "changed")
    if status == "changed" and codes and set(codes) <= {UNTRUSTED}:
        status = "unknown signer"
    actions, kinds = actions_of(active)
    generator = (active.get("claim_generator_info") or [{}])[0]
    return Verdict(
        status=status,
        reasons=tuple(code for code in codes if code != UNTRUSTED) if status == "changed" else (),
        signer=str((active.get("signature_info") or {}).get("common_name") or ""),
        made_by=str(generator.get("name") or ""),
        actions=actions,
        ingredients=tuple(str(i.get("title") or "untitled") for i in active.get("ingredients", [])),
        generated=any("lgorithmicMedia" in kind for kind in kinds),
    )


def actions_of(active: dict[str, Any]) -> tuple[tuple[str, ...], list[str]]:
    """Names of the actions, and their digital source types."""
    found = [
        action
        for assertion in active.get("assertions", [])
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
    ]
    return tuple(str(a.get("action")) for a in found), [str(a.get("digitalSourceType", "")) for a in found]
