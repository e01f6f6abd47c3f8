"""The same workflow on a running ComfyUI: input files go up, outputs come back. Only the server that the user names
is spoken to."""

from __future__ import annotations

import ipaddress
import json
import re
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from threading import Thread
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from ..sora_core.errors import Cancelled, InputError, ResourceError, SoraError
from ..sora_core.files import beside
from .drawing import NOT_DRAWN, redrawn
from .given import typed
from .graph import Graph, Link
from .naming import filled
from .saved import Info
from .session import NAME_INPUT, Session, check_own
from .whole import check_whole

__all__ = ["RemoteClient"]

_WAIT = 0.5
"""seconds between questions whether a run is over"""
_PATIENCE = 60.0
"""seconds that a server may be out of reach before a run is given up"""
_MAX_ANSWER = 64 * 2**20
"""bytes of an answer in JSON at most"""
_MAX_FILE = 64 * 2**30
"""bytes of one file at most"""
_SLOWEST = 1024
"""bytes a second below which a transfer is given up, after `_PATIENCE`"""
_BLOCK = 1 << 20


class RemoteClient:
    """A ComfyUI by its address. Calling it runs a graph there, as `Executor.run` does here."""

    def __init__(self, url: str, *, timeout: float = 30.0) -> None:
        shown = re.sub(r"^((?:\w+://)?).*@", r"\1", url)
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            fits = False
        if not fits:
            raise InputError(f"{shown!r} is no server address; give one such as http://127.0.0.1:8188")
        login, _, host = parts.netloc.rpartition("@")
        self.url = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        """without the user and password, since messages name it"""
        self._login = {"Authorization": f"Basic {b64encode(unquote(login).encode()).decode()}"} if login else {}
        self.timeout = timeout
        self._opener = _opener(parts.hostname or "")
        self._info: Info | None = None

    def object_info(self) -> Info:
        """What nodes the server has."""
        if self._info is None:
            self._info = self._json("/object_info")
        return self._info

    def __call__(self, graph: Graph, session: Session) -> list[str]:
        """Runs a graph. Returns the files it gave, now below the session's output folder."""
        with self.understood():
            graph = typed(graph, self.object_info())
            ready = self._uploaded(filled(graph), session)
            _check_names(ready)
            drawing = redrawn(graph, ready, self.object_info())
            if graph.saved and drawing is None:
                session.warn(NOT_DRAWN)
            run = self._queue(replace(ready, saved=drawing))
            try:
                entry = self._finished(run, session)
            except (KeyboardInterrupt, Cancelled):
                self._cancel(run)
                raise
            return [self._fetch(item, session) for item in _files(entry)]

    @contextmanager
    def understood(self) -> Iterator[None]:
        """Turns an answer of another form than ComfyUI's into one SoraError."""
        try:
            yield
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise SoraError(
                f"{self.url} answered in another form than ComfyUI does ({type(error).__name__}: {str(error)[:80]});"
                " is the address right?"
            ) from error

    def _queue(self, graph: Graph) -> str:
        body: dict[str, Any] = {"prompt": graph.to_api(), "client_id": uuid.uuid4().hex}
        if graph.saved:
            body["extra_data"] = {"extra_pnginfo": {"workflow": graph.saved}}
        answer = self._json("/prompt", body)
        if answer.get("node_errors"):
            self._cancel(str(answer.get("prompt_id", "")))
            raise InputError(_refusal(answer))
        return str(answer["prompt_id"])

    def _finished(self, run: str, session: Session) -> dict[str, Any]:
        """The run's entry in the server's history, once it is there."""
        seen = time.monotonic()
        while True:
            try:
                queued = any(item[1] == run for items in self._json("/queue").values() for item in items)
                history = self._json(f"/history/{quote(run)}")  # asked last: a run goes there from the queue
                seen = time.monotonic()
            except ResourceError:
                if time.monotonic() - seen > _PATIENCE:
                    raise
                time.sleep(_WAIT)
                continue
            if entry := history.get(run):
                _check_success(entry)
                return entry
            if not queued:
                raise SoraError(
                    f"{self.url} no longer knows the run {run}; it was deleted from the queue or the server was"
                    " restarted"
                )
            session.report("", 0, 0)
            time.sleep(_WAIT)

    def _cancel(self, run: str) -> None:
        for path, body in (("/queue", {"delete": [run]}), ("/interrupt", {"prompt_id": run})):
            self._open(path, json.dumps(body).encode(), {"Content-Type": "application/json"}).close()

    def _fetch(self, item: dict[str, str], session: Session) -> str:
        """Brings one file back under the next free number, whatever its number is there. A file that arrived cut or
        is of another kind than its name says gets no name here."""
        wanted = {"filename": item["filename"], "subfolder": item.get("subfolder", ""), "type": "output"}
        there = Path(_local(item["filename"]))
        stem = there.stem.rstrip("_").rstrip("0123456789").rstrip("_") or "file"
        folders = [_local(part) for part in re.split(r"[/\\]", wanted["subfolder"]) if part]
        path, name = session.output_path("/".join([*folders, stem]), there.suffix)
        with self._open(f"/view?{urlencode(wanted)}") as answer, beside(path) as part:
            with part.open("wb") as file:
                self._receive(answer, file, item["filename"])
            check_whole(part, there.suffix, f"{self.url} sent {item['filename'][:80]!r}")
        return name

    def _blocks(self, answer: HTTPResponse | HTTPError, name: str, most: int) -> Iterator[bytes]:
        """The body of an answer as it arrives. Raises ResourceError where it has no end or crawls."""
        taken, began = 0, time.monotonic()
        while block := answer.read1(_BLOCK):
            yield block
            taken += len(block)
            passed = time.monotonic() - began
            if taken > most or (passed > _PATIENCE and taken < _SLOWEST * passed):
                raise ResourceError(f"{self.url} sends {name[:80]!r} without end: {taken:,} bytes in {passed:.0f} s")

    def _receive(self, answer: HTTPResponse, file: IO[bytes], name: str) -> None:
        """Copies the body of an answer. Raises ResourceError where it ends early, has no end or crawls."""
        stated = answer.headers.get("Content-Length")
        length = int(stated) if stated and stated.isdigit() else None
        taken = 0
        try:
            for block in self._blocks(answer, name, _MAX_FILE):
                file.write(block)
                taken += len(block)
        except (HTTPException, TimeoutError, ConnectionError) as error:
            raise ResourceError(
                f"{self.url} broke off while sending {name[:80]!r}, after {taken:,} bytes; run again to fetch it"
            ) from error
        if length is not None and taken != length:
            raise ResourceError(
                f"{self.url} sent {taken:,} of {length:,} bytes of {name[:80]!r}; run again to fetch it"
            )

    def _uploaded(self, graph: Graph, session: Session) -> Graph:
        """Sends the input files that are here, and names them as the server does. What is not here is the server's to
        find."""
        for node in list(graph.nodes.values()):
            inputs = self.object_info().get(node.kind, {}).get("input", {})
            for name, spec in {**inputs.get("required", {}), **inputs.get("optional", {})}.items():
                flags = spec[1] if len(spec) > 1 and isinstance(spec[1], dict) else {}
                value = node.inputs.get(name)
                if (
                    any(str(flag).endswith("_upload") for flag in flags)
                    and value is not None
                    and not isinstance(value, Link)
                ):
                    try:
                        path = session.input_path(str(value))
                    except InputError:
                        continue
                    graph = graph.set(f"{node.id}.{name}", self._upload(path))
        return graph

    def _upload(self, path: Path) -> str:
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="{{}}"{{}}\r\n\r\n'
        begin = head.format("subfolder", "") + "sora\r\n" + head.format("image", f'; filename="{quote(path.name)}"')
        body = Upload(begin.encode(), path, f"\r\n--{edge}--\r\n".encode())
        with self._open(
            "/upload/image",
            body,
            {"Content-Type": f"multipart/form-data; boundary={edge}", "Content-Length": str(body.length)},
        ) as answer:
            kept = json.loads(b"".join(self._blocks(answer, "/upload/image", _MAX_ANSWER)))
        return f"{kept['subfolder']}/{kept['name']}" if kept.get("subfolder") else str(kept["name"])

    def _json(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        with self._open(path, data, {"Content-Type": "application/json"}) as answer:
            try:
                found = json.loads(b"".join(self._blocks(answer, path, _MAX_ANSWER)))
            except (ValueError, RecursionError, HTTPException, OSError) as error:
                raise SoraError(f"{self.url}{path} did not answer as a ComfyUI does; is the address right?") from error
        if not isinstance(found, dict):
            raise SoraError(f"{self.url}{path} did not answer as a ComfyUI does; is the address right?")
        return found

    def _open(self, path: str, data: bytes | Upload | None = None, headers: dict[str, str] | None = None) -> Any:
        request = Request(self.url + path, data=data, headers={**self._login, **(headers or {})})  # noqa: S310 - http and https alone get here
        limit = 2 * self.timeout + (0 if data is None else len(data) / _SLOWEST)
        try:
            return in_time(partial(self._opener.open, request, timeout=self.timeout), limit)
        except HTTPError as error:
            with error:
                said = self._refused(error, path)
            raise InputError(said or f"{self.url}{path} answered {error.code} {error.reason}"[:400]) from error
        except (URLError, HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise ResourceError(
                f"{self.url} cannot be reached: {reason}; start ComfyUI there or name another --server"
            ) from error

    def _refused(self, error: HTTPError, path: str) -> str:
        """What an answer that is an error says of the workflow, or nothing."""
        try:
            return _refusal(_decoded(b"".join(self._blocks(error, path, _MAX_ANSWER))))
        except (AttributeError, TypeError, HTTPException, OSError):  # no answer of ComfyUI's
            return ""


class Upload:
    """The body of a request that holds a file, read while it is sent."""

    def __init__(self, begin: bytes, path: Path, end: bytes) -> None:
        self.begin, self.path, self.end = begin, path, end
        self.length = len(begin) + path.stat().st_size + len(end)

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[bytes]:
        yield self.begin
        with self.path.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block
        yield self.end


def in_time(call: Callable[[], HTTPResponse], limit: float) -> HTTPResponse:
    """What a call returns or raises within `limit` seconds. Raises TimeoutError where it takes longer: a server may
    send the lines before its answer one letter at a time, each of them in time."""
    found: Future[HTTPResponse] = Future()

    def ask() -> None:
        try:
            found.set_result(call())
        except BaseException as error:
            found.set_exception(error)

    Thread(target=ask, daemon=True).start()
    if not wait([found], limit).done:
        raise TimeoutError(f"no answer within {limit:.0f} s")
    return found.result()


class _NoRedirect(HTTPRedirectHandler):
    """A server that sends its client elsewhere is not followed: only the address that the user named is spoken to."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        raise URLError(f"it redirects to {newurl[:120]!r}; name that address if it is the right one")


def _opener(host: str) -> OpenerDirector:
    """An opener without redirects; no proxy stands between this machine and itself."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost" or host.endswith(".localhost")
    return build_opener(_NoRedirect, *([ProxyHandler({})] if loopback else []))


def _check_names(graph: Graph) -> None:
    """Raises InputError for a name of results that come back into a folder that is cleared here."""
    for node in graph.nodes.values():
        prefix = node.inputs.get(NAME_INPUT)
        try:
            check_own(prefix if isinstance(prefix, str) else "")
        except InputError as error:
            raise InputError(f"{node}, input {NAME_INPUT}: given {prefix!r}; {error}") from error


def _local(name: str) -> str:
    """A file or folder name of the server's as one that every file system takes. Raises InputError for one that
    leads out of its folder."""
    if name in (".", "..") or "/" in name or "\\" in name:
        raise InputError(f"the server names a file {name[:80]!r}, which would leave its folder")
    plain = re.sub(r'[\x00-\x1f\x7f-\x9f<>:"|?*]', "-", name).strip(" .")
    return plain or "file"


def _decoded(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(answer: dict[str, Any]) -> str:
    """What a server says of a workflow that it does not take, one line per mistake."""
    lines = []
    for node, found in (answer.get("node_errors") or {}).items():
        for mistake in found.get("errors", []):
            where = mistake.get("extra_info", {}).get("input_name", "")
            lines.append(
                f"node {node} ({found.get('class_type')}), input {where}: {mistake.get('message')}"
                f" ({mistake.get('details')})"
            )
    error = answer.get("error")
    if not lines and isinstance(error, dict):
        lines.append(" ".join(str(error.get(name)) for name in ("message", "details") if error.get(name)))
    return "\n".join(lines)


def _check_success(entry: dict[str, Any]) -> None:
    status = entry.get("status") or {}
    for kind, message in status.get("messages", []):
        if kind == "execution_error":
            raise SoraError(
                f"node {message.get('node_id')} ({message.get('node_type')}):"
                f" {str(message.get('exception_message', '')).strip()}"
            )
        if kind == "execution_interrupted":
            raise SoraError(
                f"the run was stopped on the server at node {message.get('node_id')} ({message.get('node_type')})"
            )
    if status.get("status_str") == "error":
        raise SoraError("the run failed on the server, which did not say why; its log does")


def _files(entry: dict[str, Any]) -> list[dict[str, str]]:
    """The output files of a run, each once."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for shown in (entry.get("outputs") or {}).values():
        for items in shown.values():
            for item in items if isinstance(items, list) else []:
                if isinstance(item, dict) and item.get("type") == "output" and item.get("filename"):
                    found[item.get("subfolder", ""), item["filename"]] = item
    return list(found.values())
