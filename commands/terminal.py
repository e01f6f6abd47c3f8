"""The one place where commands speak: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import re
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TextIO

__all__ = ["OutputError", "ProgressLine", "duration", "note", "printable", "quiet_output", "say", "warn"]

PATIENCE = 2.0
"""seconds that pass without a word"""
TTY_EVERY, LOG_EVERY = 0.1, 5.0
"""seconds between updates in a terminal, and between lines elsewhere"""


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str, stream: TextIO | None) -> str:
    """Text as a terminal can take it: no control characters of files or servers, no letters its encoding lacks."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return _CONTROL.sub("\ufffd", text).encode(encoding, "replace").decode(encoding)


class OutputError(Exception):
    """Standard output takes nothing more; `reason` is empty where its reader has simply gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def say(text: str) -> None:
    """A result, to stdout. Raises OutputError where it cannot be written."""
    if sys.stdout is None:  # started with a closed output
        raise OutputError("it is closed")
    try:
        sys.stdout.write(printable(text, sys.stdout) + "\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise OutputError("") from error
    except (OSError, ValueError) as error:
        raise OutputError(getattr(error, "strerror", None) or str(error)) from error


def quiet_output() -> None:
    """Throws away what is still to be written to a standard output that takes nothing, so that Python's own end is
    quiet."""
    if sys.stdout is not None:
        with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())


def note(text: str) -> None:
    """Word for the person, to stderr; lost where there is none to read it."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(printable(f"sora: {text}\n", sys.stderr))
            sys.stderr.flush()


def note_kernels(device: str) -> None:
    """On a card, which kernels ran: what was measured and chosen is said, never silent."""
    if device.startswith("cuda"):
        from ..sora_core.layers import kernels

        for line in kernels.for_device(device).notes():
            note(line)


def warn(text: str) -> None:
    """A warning, to stderr."""
    note(f"warning: {text}")


def duration(seconds: float) -> str:
    """`0:07`, `12:34`, `1:02:03`."""
    minutes, second = divmod(round(seconds), 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour}:{minute:02}:{second:02}" if hour else f"{minute}:{second:02}"


class ProgressLine:
    """A bar with the time left, called as `progress(done, total)`.

    It shows itself where the work will take over two seconds. In a terminal one line is redrawn; elsewhere a line
    appears every few seconds. When `done` falls back to an earlier value a new stretch of work begins. A stream that
    is closed or takes nothing gets no bar; the work goes on.
    """

    def __init__(self, what: str, *, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.what = printable(what, self.stream)
        self.tty = self.stream is not None and self.stream.isatty()
        self.drawn = False
        self.start(0)

    def start(self, done: int) -> None:
        """Begin to measure at `done`."""
        self.first, self.done = done, done
        self.began = self.shown = time.monotonic()

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.drawn and self.tty:
            self.write("\r\x1b[K")

    def __call__(self, done: int, total: int) -> None:
        if done < self.done:
            self.start(done)
        self.done = done
        now = time.monotonic()
        elapsed, steps = now - self.began, done - self.first
        left = elapsed / steps * (total - done) if steps > 0 else None
        if (left is None or elapsed + left < PATIENCE) and elapsed < PATIENCE:
            return
        if now - self.shown >= (TTY_EVERY if self.tty else LOG_EVERY) or (self.tty and done == total):
            self.draw(done, total, left)
            self.shown = now

    def draw(self, done: int, total: int, left: float | None) -> None:
        share = done / total if total else 1.0
        remaining = "" if left is None else f", {duration(left)} left"
        if self.tty:
            bar = "#" * round(24 * share)
            self.write(f"\r\x1b[K{self.what} [{bar:<24}] {done}/{total}{remaining}")
        else:
            self.write(f"{self.what} {done}/{total}{remaining}\n")
        self.drawn = True

    def write(self, text: str) -> None:
        """Text to the stream; lost where it takes none."""
        if self.stream is not None:
            with suppress(OSError, ValueError):
                self.stream.write(text)
                self.stream.flush()
