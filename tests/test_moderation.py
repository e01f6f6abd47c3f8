"""A moderation endpoint: asked only where the policy names it, bounded, and what follows where it fails."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from sora_nodes.cli import main
from sora_nodes.sora_core.errors import InputError, ResourceError
from sora_nodes.sora_core.safety import PolicyError, check_prompt, load_policy, review_prompt

FLAGGED = {"results": [{"flagged": True, "categories": {"violence": True, "sexual": False, "illicit": True},
                        "category_scores": {"violence": 0.9, "sexual": 0.1, "illicit": 1.0}}]}  # fmt: skip
Server = Callable[..., tuple[str, list[Any]]]


@pytest.fixture
def server() -> Iterator[Server]:
    """server(answer=bytes, status=200, headers={}, drip=seconds between bytes, at=path): (address, what came in)."""
    running: list[ThreadingHTTPServer] = []

    def start(
        answer: bytes = b"", status: int = 200, headers: dict[str, str] | None = None, drip: float = 0.0
    ) -> tuple[str, list[Any]]:
        seen: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.append((self.path, json.loads(body), self.headers.get("Authorization")))
                try:
                    self.send_response(status)
                    for name, value in (headers or {}).items():
                        self.send_header(name, value)
                    self.end_headers()
                    for byte in answer if drip else ():
                        self.wfile.write(bytes([byte]))
                        time.sleep(drip)
                    self.wfile.write(b"" if drip else answer)
                except OSError:
                    pass

            def log_message(self, *_: Any) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
        running.append(http)
        return f"http://127.0.0.1:{http.server_port}", seen

    yield start
    for http in running:
        http.shutdown()
        http.server_close()


def policy(folder: Path, **settings: Any) -> Path:
    path = folder / "policy.json"
    path.write_text(json.dumps({"extends": True, "moderation": settings}))
    return path


def test_what_the_endpoint_flags_is_a_finding(server: Server, tmp_path: Path) -> None:
    url, seen = server(json.dumps(FLAGGED).encode())
    (tmp_path / "key").write_text("secret\n")
    path = policy(tmp_path, url=url, model="m", key_file=str(tmp_path / "key"))
    with pytest.raises(PolicyError, match=r"violence.*moderation endpoint"):
        check_prompt("a quiet lake", load_policy(path))
    assert seen == [("/v1/moderations", {"input": "a quiet lake", "model": "m"}, "Bearer secret")]
    assert review_prompt("a quiet lake", load_policy(path)).findings[0].score == 0.9
    assert len(seen) == 1  # the same question is asked once
    review_prompt("blurry", load_policy(path), negative=True)
    assert len(seen) == 1


def test_categories_can_be_mapped_and_left_out(server: Server, tmp_path: Path) -> None:
    url, seen = server(json.dumps(FLAGGED).encode())
    path = policy(tmp_path, url=f"{url}/api/v1/", categories={"violence": "", "illicit": "hate"})
    assert [f.category for f in review_prompt("a lake", load_policy(path)).findings] == ["hate"]
    assert seen[0][0] == "/api/v1/moderations"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"answer": b"[]"}, "another form"),
        ({"answer": b'{"results": []}'}, "another form"),
        ({"answer": b'{"results": [{"categories": {"hate": true}, "category_scores": 3}]}'}, "another form"),
        ({"answer": b"\x00\xff{"}, "another form"),
        ({"answer": b"[" * 100_000}, "another form"),
        ({"answer": b" " * ((1 << 20) + 9)}, "more than"),
        ({"answer": b"{" * 100, "drip": 0.05}, "no answer within"),
        ({"answer": b"{}", "headers": {"Content-Length": "1000"}}, "another form"),
        ({"status": 500}, "status 500"),
        ({"status": 204}, "status 204"),
    ],
)
def test_a_broken_endless_or_huge_answer_is_a_sentence(
    server: Server, tmp_path: Path, answer: dict[str, Any], said: str
) -> None:
    url, _ = server(**answer)
    began, notes = time.monotonic(), list[str]()
    review = check_prompt("a lake", load_policy(policy(tmp_path, url=url, seconds=1)), warn=notes.append)
    assert review.action == "allow" and said in review.note and notes == [review.note]
    with pytest.raises(ResourceError, match="the policy stops"):
        check_prompt("a lake", load_policy(policy(tmp_path, url=url, seconds=1, failure="stop")))
    with pytest.raises(PolicyError):  # the local review goes on
        check_prompt("a gory massacre", load_policy(policy(tmp_path, url=url, seconds=1)))
    assert time.monotonic() - began < 20


def test_a_redirect_is_not_followed(server: Server, tmp_path: Path) -> None:
    other, seen = server(json.dumps(FLAGGED).encode())
    url, _ = server(status=307, headers={"Location": other + "/v1/moderations"})
    review = review_prompt("a lake", load_policy(policy(tmp_path, url=url)))
    assert "not followed" in review.note and not seen


def test_a_server_that_is_not_there_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = policy(tmp_path, url="http://127.0.0.1:9", seconds=2)
    assert main(["review", "--policy", str(path), "a lake"]) == 0
    assert "cannot be asked" in capsys.readouterr().err
    assert main(["review", "--policy", str(policy(tmp_path, url="http://127.0.0.1:9", failure="stop")), "a lake"]) != 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "ftp://x"}, "no address"),
        ({"url": "http://x:99999"}, "no address"),
        ({"url": "http://a b"}, "no address"),
        ({"url": "http://example.org", "key_file": "k"}, "https"),
        ({"url": "http://x", "seconds": 0}, "seconds"),
        ({"url": "http://x", "failure": "panic"}, "panic"),
        ({"url": "http://x", "categories": {"hate": "food"}}, "food"),
        ({"url": "http://x", "ulr": "y"}, "ulr"),
        ({}, "url"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"(?s)policy.json.*{said}"):
        load_policy(policy(tmp_path, **settings))
