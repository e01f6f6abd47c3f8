"""`--server`: the same workflow on a ComfyUI, here a small stand-in that speaks its routes."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from runtime_toys import number, registry, session, sum_workflow
from sora_nodes.runtime import server as server_module
from sora_nodes.runtime.command import Callbacks, RunRequest, run
from sora_nodes.runtime.graph import Graph
from sora_nodes.runtime.server import RemoteClient, Upload
from sora_nodes.runtime.validate import WorkflowError
from sora_nodes.sora_core.errors import InputError, ResourceError, SoraError


class Fake(BaseHTTPRequestHandler):
    """Enough of ComfyUI's routes; `state` is what the test sees and sets."""

    state: dict[str, Any]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.state["login"] = self.headers.get("Authorization")
        raw = next((data for route, data in self.state.get("raw", {}).items() if url.path.startswith(route)), None)
        if url.path in self.state.get("drips", ()):
            self.drip()
        elif "redirect" in self.state:
            self.send_response(302)
            self.send_header("Location", self.state["redirect"])
            self.end_headers()
        elif raw is not None:
            self.send(200, raw)
        elif url.path == "/object_info":
            self.answer(registry().object_info())
        elif url.path.startswith("/history/"):
            self.answer({"run": self.state["entry"]} if self.state["entry"] else {})
        elif url.path == "/queue":
            self.answer({"queue_running": [[0, "run"]] if self.state["running"] else [], "queue_pending": []})
        elif url.path == "/view":
            self.state["viewed"] = parse_qs(url.query)
            sent, stated = self.state.get("file", (b"whole file", 10))
            self.send(200, sent, stated)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/upload/image":
            self.state["uploaded"] = body
            self.answer({"name": "a (1).png", "subfolder": "sora"})
        elif self.path in self.state.get("raw", {}):
            self.send(200, self.state["raw"][self.path])
        elif self.path == "/prompt":
            self.state["prompt"] = json.loads(body)
            self.answer(self.state.get("refusal") or {"prompt_id": "run"}, 400 if "refusal" in self.state else 200)
        else:
            self.state.setdefault("posted", []).append((self.path, json.loads(body)))
            self.answer({})

    def answer(self, value: Any, code: int = 200) -> None:
        self.send(code, json.dumps(value).encode())

    def drip(self) -> None:
        """Without end, and each letter in time: the lines before the answer, or the answer."""
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX: " + (b"" if self.state.get("early") else b"\r\n\r\n"))
        with suppress(OSError):
            for _ in range(1200):
                self.wfile.write(b" ")
                time.sleep(0.05)

    def send(self, code: int, data: bytes, stated: int | None = -1) -> None:
        """stated: the length that the header claims; None is no header, -1 the true one."""
        self.send_response(code)
        if stated is not None:
            self.send_header("Content-Length", str(len(data) if stated == -1 else stated))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        return None


DONE = {
    "outputs": {"4": {"text": [{"filename": "sum_00042_.txt", "subfolder": "deep", "type": "output"}]}},
    "status": {"status_str": "success", "messages": []},
}


@pytest.fixture
def comfy() -> Iterator[tuple[RemoteClient, dict[str, Any]]]:
    state: dict[str, Any] = {"entry": DONE, "running": False}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Fake,), {"state": state}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield RemoteClient(f"http://127.0.0.1:{server.server_port}"), state
    server.shutdown()
    server.server_close()


def test_a_workflow_goes_up_and_its_files_come_back(comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path) -> None:
    server, state = comfy
    graph = Graph.from_api(sum_workflow(), saved={"nodes": [], "links": []})
    assert server(graph, session(tmp_path)) == ["deep/sum_00001_.txt"]
    assert (tmp_path / "output" / "deep" / "sum_00001_.txt").read_bytes() == b"whole file"
    assert state["viewed"]["filename"] == ["sum_00042_.txt"]
    assert state["prompt"]["prompt"]["3"]["inputs"] == {"a": ["1", 0], "b": ["2", 0]}
    assert state["prompt"]["extra_data"]["extra_pnginfo"]["workflow"] == graph.saved


def test_every_node_that_the_server_lacks_is_named_before_anything_is_queued(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path
) -> None:
    server, state = comfy
    saved = [
        {"id": 7, "type": "ToyAd", "inputs": [], "outputs": []},
        {"id": 8, "type": "Other", "inputs": [], "outputs": [], "properties": {"cnr_id": "its-pack"}},
    ]
    (tmp_path / "flow.json").write_text(json.dumps({"nodes": saved, "links": []}))
    request = RunRequest(workflow=tmp_path / "flow.json", output=tmp_path / "out", server=server.url, nodes=registry)
    with pytest.raises(WorkflowError) as failed:
        run(request, Callbacks())
    first, second = str(failed.value).splitlines()
    assert "node 7 (ToyAd)" in first and "did you mean ToyAdd?" in first
    assert "node 8 (Other)" in second and "the pack its-pack" in second
    assert "prompt" not in state


def test_input_files_that_are_here_go_up_first(comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path) -> None:
    server, state = comfy
    where = session(tmp_path)
    (where.input / "a.png").write_bytes(b"pixels")
    prompt = {name: {"class_type": "ToyImage", "inputs": {"image": name}} for name in ("a.png", "theirs.png")}
    server(Graph.from_api(prompt), where)
    assert b"pixels" in state["uploaded"]
    sent = state["prompt"]["prompt"]
    assert (
        sent["a.png"]["inputs"]["image"] == "sora/a (1).png" and sent["theirs.png"]["inputs"]["image"] == "theirs.png"
    )


def test_what_is_set_goes_up_in_the_type_of_its_input(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path
) -> None:
    server, state = comfy
    prompt = {**sum_workflow(), "1": number(1.0, theirs=True, rate=2, words="x")}
    graph = Graph.from_api(prompt).set("1.note", "3").set("1.words", "true").set("4.filename_prefix", "7")
    for name, text in {"value": "3", "seed": "5", "negate": "False", "theirs": "false", "rate": "2.5"}.items():
        graph = graph.set(f"1.{name}", text)
    server(graph, session(tmp_path))
    sent = state["prompt"]["prompt"]
    assert sent["1"]["inputs"] == {
        "value": 3.0, "seed": 5, "kind": "plain", "negate": False, "theirs": False, "rate": 2.5, "words": "true",
        "note": "3",
    }  # fmt: skip
    assert sent["4"]["inputs"]["filename_prefix"] == "7"
    with pytest.raises(
        WorkflowError, match=r"node 1 \(ToyNumber\), input negate: given 'maybe'; expected true or false"
    ):
        server(graph.set("1.negate", "maybe"), session(tmp_path))


def test_a_name_that_leads_into_a_folder_that_is_cleared_is_refused_before_the_run(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path
) -> None:
    server, state = comfy
    with pytest.raises(InputError, match=r"node 4 \(ToySave\), input filename_prefix: .* is cleared after a run"):
        server(Graph.from_api(sum_workflow()).set("4.filename_prefix", ".sora-batch/x"), session(tmp_path))
    assert "prompt" not in state


def test_what_the_server_refuses_is_told_per_node(comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path) -> None:
    server, state = comfy
    mistake = {"message": "Value not in list", "details": "kind: 'x'", "extra_info": {"input_name": "kind"}}
    state["refusal"] = {
        "error": {"message": "failed"},
        "node_errors": {"1": {"class_type": "ToyNumber", "errors": [mistake]}},
    }
    with pytest.raises(InputError, match=r"node 1 \(ToyNumber\), input kind: Value not in list"):
        server(Graph.from_api(sum_workflow()), session(tmp_path))


def test_a_run_that_fails_there_says_where(comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path) -> None:
    server, state = comfy
    told = {"node_id": "3", "node_type": "ToyAdd", "exception_message": "out of memory\n"}
    state["entry"] = {"outputs": {}, "status": {"status_str": "error", "messages": [["execution_error", told]]}}
    with pytest.raises(SoraError, match=r"node 3 \(ToyAdd\): out of memory"):
        server(Graph.from_api(sum_workflow()), session(tmp_path))


def test_a_run_that_the_server_forgot_is_not_waited_for(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path
) -> None:
    server, state = comfy
    state["entry"] = None
    with pytest.raises(SoraError, match="no longer knows"):
        server(Graph.from_api(sum_workflow()), session(tmp_path))


def test_stopping_here_stops_there(comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path) -> None:
    server, state = comfy
    state.update(entry=None, running=True)

    def stop(node: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server(Graph.from_api(sum_workflow()), session(tmp_path, report=stop))
    assert ("/interrupt", {"prompt_id": "run"}) in state["posted"]


def test_a_name_from_the_server_does_not_lead_out_of_the_output_folder(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path
) -> None:
    server, state = comfy
    evil = {"filename": "x.txt", "subfolder": "../..", "type": "output"}
    state["entry"] = {"outputs": {"4": {"images": [evil]}}, "status": {"status_str": "success"}}
    with pytest.raises(InputError, match="leave its folder"):
        server(Graph.from_api(sum_workflow()), session(tmp_path))


def test_an_address_without_a_server_is_one_sentence() -> None:
    with pytest.raises(ResourceError, match="cannot be reached"):
        RemoteClient("http://127.0.0.1:9").object_info()
    with pytest.raises(InputError, match="no server address"):
        RemoteClient("file:///etc/passwd")


PNG = b"\x89PNG\r\n\x1a\n" + bytes(40) + b"IEND\xaeB`\x82"
MP4 = b"\0\0\0\x10ftypisom" + bytes(4) + b"\0\0\0\x10moov" + bytes(8)


@pytest.mark.parametrize(
    ("name", "sent", "stated", "said"),
    [
        ("a.png", PNG[:-9], len(PNG), r"sent \d+ of \d+ bytes|broke off"),
        ("a.png", PNG[:-9], None, "cut short"),
        ("a.mp4", MP4[:-3], None, "cut short"),
        ("a.mp4", MP4[:16], None, "cut short"),
        ("a.mp4", b"<html>not found</html>", None, "no mp4"),
        ("a.png", b"", None, "empty"),
        ("a.webp", b"RIFF\x20\0\0\0WEBP", None, "cut short"),
    ],
)
def test_a_download_that_is_cut_or_of_another_kind_gets_no_name(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path, name: str, sent: bytes, stated: int | None, said: str
) -> None:
    server, state = comfy
    state["entry"] = {"outputs": {"4": {"images": [{"filename": name, "subfolder": "", "type": "output"}]}}}
    state["file"] = (sent, stated)
    where = session(tmp_path)
    with pytest.raises(ResourceError, match=said):
        server(Graph.from_api(sum_workflow()), where)
    where.release()
    assert not [path for path in (tmp_path / "output").rglob("*") if path.is_file()]


def test_whole_files_are_kept(comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path) -> None:
    server, state = comfy
    for name, sent in (("what: is this?_00007_.png", PNG), ("b\x1b[31m.mp4", MP4)):
        state["entry"] = {"outputs": {"4": {"images": [{"filename": name, "subfolder": "", "type": "output"}]}}}
        state["file"] = (sent, len(sent))
        (made,) = server(Graph.from_api(sum_workflow()), session(tmp_path))
        assert (tmp_path / "output" / made).read_bytes() == sent
        assert state["viewed"]["filename"] == [name], "the server is asked for its own name"
        assert not set(made) & set('\x1b:?*<>|"')


@pytest.mark.parametrize(
    "answer", [b"[]", b"{", b'"x"', b"[" * 100_000, b'{"prompt_id": {"a": 1}}', b"\xff\xfe", b"{}"]
)
def test_an_answer_of_another_form_is_one_sentence(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path, answer: bytes
) -> None:
    server, state = comfy
    for route in ("/prompt", "/queue", "/history"):
        state["raw"] = {route: answer}
        try:
            made = server(Graph.from_api(sum_workflow()), session(tmp_path))
        except SoraError:
            continue
        assert (route, answer, made) == ("/queue", b"{}", ["deep/sum_00001_.txt"]), "an empty queue is no mistake"


@pytest.mark.parametrize("early", [True, False], ids=["before the answer", "in the answer"])
@pytest.mark.parametrize("route", ["/object_info", "/view"])
def test_an_answer_that_crawls_is_given_up(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, route: str, early: bool
) -> None:
    server, state = comfy
    server.timeout, state["drips"], state["early"] = 0.3, [route], early
    monkeypatch.setattr(server_module, "_PATIENCE", 0.5)
    state["entry"], began = DONE, time.monotonic()
    with pytest.raises(SoraError, match=r"without end|no answer within|did not answer"):
        server(Graph.from_api(sum_workflow()), session(tmp_path)) if route == "/view" else server.object_info()
    assert time.monotonic() - began < 20, "a crawl of a minute"


@pytest.mark.parametrize("info", [{"ToyAdd": 5}, {"ToyAdd": {"input": []}}, {"ToyAdd": {"input": {"required": [7]}}}])
def test_nodes_of_another_form_are_one_sentence(
    comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path, info: dict[str, Any]
) -> None:
    server, state = comfy
    state["raw"] = {"/object_info": json.dumps(info).encode()}
    saved = {"nodes": [{"id": 1, "type": "ToyAdd", "widgets_values": [1, 2], "inputs": [], "outputs": []}], "links": []}
    (tmp_path / "w.json").write_text(json.dumps(saved))
    request = RunRequest(workflow=tmp_path / "w.json", server=server.url, output=tmp_path / "o", nodes=registry)
    with pytest.raises(SoraError):
        run(request, Callbacks())


def test_a_large_file_goes_up_in_parts(comfy: tuple[RemoteClient, dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(bytes(range(256)) * 8192)
    comfy[0]._upload(path)
    assert path.read_bytes() in comfy[1]["uploaded"]
    body = Upload(b"ab", path, b"c")
    assert len(body) == sum(map(len, body)) and max(map(len, body)) < path.stat().st_size


def test_a_redirect_is_not_followed(comfy: tuple[RemoteClient, dict[str, Any]]) -> None:
    server, state = comfy
    state["redirect"] = "http://127.0.0.1:9/object_info"
    with pytest.raises(ResourceError, match=r"redirects to 'http://127\.0\.0\.1:9"):
        server.object_info()


def test_no_proxy_stands_before_this_machine(
    comfy: tuple[RemoteClient, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    assert RemoteClient(comfy[0].url).object_info()


@pytest.mark.parametrize("address", ["", "http://", "http://a:99999", "ftp://a", "http://:80", "http://[::1"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="no server address"):
        RemoteClient(address)


def test_a_password_in_the_address_is_sent_and_never_shown(comfy: tuple[RemoteClient, dict[str, Any]]) -> None:
    server, state = comfy
    RemoteClient(server.url.replace("//", "//me:se%40cret@")).object_info()
    assert state["login"] == f"Basic {b64encode(b'me:se@cret').decode()}"
    with pytest.raises(ResourceError, match=r"http://127\.0\.0\.1:9 cannot be reached: (?!.*secret)"):
        RemoteClient("http://me:secret@127.0.0.1:9").object_info()
    for address in ("me:secret@a:99999", "http://me:se/cret@a"):
        with pytest.raises(InputError, match=r"^(?!.*cret).*no server address"):
            RemoteClient(address)
