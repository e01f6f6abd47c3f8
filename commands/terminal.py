"""The one place where commands speak: results to stdout, everything else to stderr."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

__all__ = ["ProgressLine", "duration", "note", "say", "warn"]

PATIENCE = 2.0
"""seconds that pass without a word"""
TTY_EVERY, LOG_EVERY = 0.1, 5.0
"""seconds between updates in a terminal, and between lines elsewhere"""


def say(text: str) -> None:
    """A result, to stdout."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Word for the person, to stderr."""
    sys.stderr.write(f"sora: {text}\n")
    sys.stderr.flush()


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
    appears
    every few seconds. When `done` falls back to an earlier value a new stretch of work begins.
    """

    def __init__(self, what: str, *, stream: TextIO | None = None) -> None:
        self.what, self.stream = what, stream or sys.stderr
        self.tty = self.stream.isatty()
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
            self.stream.write("\r\x1b[K")
            self.stream.flush()

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
            self.stream.write(f"\r\x1b[K{self.what} [{bar:<24}] {done}/{total}{remaining}")
        else:
            self.stream.write(f"{self.what} {done}/{total}{remaining}\n")
        self.stream.flush()
        self.drawn = True
