"""A moderation endpoint in OpenAI's form, as a second opinion on prompts, where the user's policy names its address.

    {"moderation": {"url": "http://127.0.0.1:8000", "failure": "stop"}}

Without that setting nothing leaves the machine. With it, prompts go to that address by POST /v1/moderations and nowhere
else: redirects are not followed and no proxy is used. Time and size of an answer are bounded.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..errors import InputError, ResourceError

__all__ = ["Moderation", "moderated"]

MAPPED = {
    "sexual": "sexual", "sexual/minors": "minors", "hate": "hate", "hate/threatening": "hate",
    "harassment/threatening": "hate", "violence": "violence", "violence/graphic": "violence",
    "self-harm": "violence", "self-harm/intent": "violence", "self-harm/instructions": "violence",
}  # fmt: skip
"""the endpoint's categories -> ours; those that are not here are not heeded"""
LARGEST_ANSWER, LARGEST_KEY = 1 << 20, 4096
"""bytes"""
LONGEST = 20_000
"""characters of a prompt that are sent, as many as the local review reads"""


@dataclass(frozen=True, kw_only=True)
class Moderation:
    """Where to ask, how long to wait, and what follows where no answer comes."""

    url: str
    """`http://127.0.0.1:8000`, `https://host/v1` or the whole address"""
    model: str = ""
    """named in the request; empty leaves it to the server"""
    key_file: str = ""
    """a file with the key that the server wants, if any"""
    seconds: float = 10.0
    """for the whole answer"""
    failure: str = "local"
    """`local` goes on with the review on this machine and says so, `stop` refuses to go on"""
    categories: Mapping[str, str] = field(default_factory=lambda: dict(MAPPED))
    """the endpoint's categories -> ours"""

    def __post_init__(self) -> None:
        texts = (self.url, self.model, self.key_file, self.failure)
        if not all(isinstance(text, str) for text in texts) or not isinstance(self.seconds, int | float):
            raise InputError("moderation: url, model, key_file and failure are texts, seconds is a number")
        parts = address(self.url)
        if self.failure not in ("local", "stop"):
            raise InputError(f"moderation: failure is local or stop, not {self.failure!r}")
        if not 0 < self.seconds <= 300:
            raise InputError(f"moderation: seconds are above 0 and at most 300, not {self.seconds}")
        if self.key_file and parts.scheme == "http" and not loopback(parts.hostname or ""):
            raise InputError(f"moderation: a key goes to another machine by https alone, not to {self.url!r}")

    def __hash__(self) -> int:
        return hash((self.url, self.model, self.key_file, self.seconds, tuple(sorted(self.categories.items()))))


def address(url: str) -> SplitResult:
    """The address that is asked. Raises InputError for what is none."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if not fits or any(ord(c) < 33 or ord(c) > 126 for c in url):
        raise InputError(f"moderation: {url!r} is no address; give one such as 'http://127.0.0.1:8000'")
    path = parts.path.rstrip("/")
    if not path.endswith("/moderations"):
        path += "/moderations" if path.endswith("/v1") else "/v1/moderations"
    return parts._replace(path=path)


def loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@lru_cache(256)
def moderated(settings: Moderation, text: str) -> tuple[tuple[str, str, float], ...]:
    """What the endpoint objects to: (our category, the endpoint's, score). Raises ResourceError where no answer comes,
    or none in the endpoint's form."""
    body: dict[str, Any] = {"input": text[:LONGEST]}
    if settings.model:
        body["model"] = settings.model
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if settings.key_file:
        headers["Authorization"] = f"Bearer {key_of(Path(settings.key_file))}"
    return findings_of(settings, answer_of(settings, json.dumps(body).encode(), headers))


def key_of(path: Path) -> str:
    """The key in a file. Raises InputError where there is none."""
    try:
        with path.expanduser().open("rb") as file:
            key = file.read(LARGEST_KEY + 1).decode("ascii").strip()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:  # the second for `~` of a user without a home
        raise InputError(f"moderation: the key in {path} cannot be read: {error}") from error
    if not key or len(key) > LARGEST_KEY or not key.isprintable():
        raise InputError(f"moderation: {path} is not one line with a key")
    return key


def answer_of(settings: Moderation, body: bytes, headers: dict[str, str]) -> bytes:
    """The body of the answer, within time and size; the socket is closed on one that takes longer."""
    parts = address(settings.url)
    kind: type[HTTPConnection] = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=settings.seconds)
    got: list[tuple[int, bytes]] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            connection.request("POST", parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            got.append((answer.status, answer.read(LARGEST_ANSWER + 1)))
        except (HTTPException, OSError, ssl.SSLError, ValueError) as error:
            failed.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(settings.seconds)
    late = asking.is_alive()
    if connection.sock is not None:
        with suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
    if late:
        raise ResourceError(f"the moderation endpoint {settings.url} gave no answer within {settings.seconds:g} s")
    connection.close()
    if failed:
        raise ResourceError(f"the moderation endpoint {settings.url} cannot be asked: {failed[0]}") from failed[0]
    status, data = got[0]
    if 300 <= status < 400:
        raise ResourceError(f"the moderation endpoint {settings.url} sends elsewhere, which is not followed")
    if status != 200:
        raise ResourceError(f"the moderation endpoint {settings.url} answered with status {status}")
    if len(data) > LARGEST_ANSWER:
        raise ResourceError(f"the moderation endpoint {settings.url} answered with more than {LARGEST_ANSWER} bytes")
    return data


def findings_of(settings: Moderation, data: bytes) -> tuple[tuple[str, str, float], ...]:
    """The categories that an answer flags, strongest first."""
    try:
        results = json.loads(data)["results"]
        flags, scores = results[0]["categories"], results[0].get("category_scores") or {}
        named = {str(name): settings.categories.get(str(name), "") for name, flag in flags.items() if flag is True}
        found = [(ours, name, min(1.0, max(0.0, float(scores.get(name, 1.0))))) for name, ours in named.items() if ours]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise ResourceError(
            f"the moderation endpoint {settings.url} answered in another form than /v1/moderations does"
        ) from error
    return tuple(sorted(found, key=lambda f: -f[2]))
