"""Processes that render clips while training goes on, on the processor's cores and for the first while on the card too.

A clip of 256x144 is thousands of small operations, so one process a core is what makes many of them. A process that
fails says why and ends; `Renderers.collect` then raises.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import queue
import random
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import torch

from ..errors import ResourceError
from ..grid import Geometry
from ..text.tokenizer import WordTokenizer
from ..world import load_cutouts
from .clips import Clip, ClipKind, make_clip

__all__ = ["Renderers", "Work"]

WAITING = 200
"""clips of each process that wait to be collected, at most"""
NOTE, FAULT = "note", "fault"
"""what comes in the place of a clip's kind: something to tell, or why a process has ended"""
NICE = 10
"""how far a process stands back behind the one that trains"""
LULL = 0.02
"""seconds in which a queue of many clips may show none: its writers take turns"""
ON_CARD, ON_CPU = 1 << 23, 1 << 17
"""pixels rendered at once"""
SEEDS = 10_000_019
"""seeds of each process"""
ARRAYS = [field.name for field in fields(Clip) if field.name != "kind"]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every process is told."""

    kinds: tuple[ClipKind, ...]
    vocabulary: tuple[str, ...]
    text_tokens: int
    channels: int
    seed: int
    cutouts: Path | None = None
    """pictures of the world's nouns, as `sora world` packs them; None for a world of solids"""
    card_seconds: float = 0.0
    """for how long processes that may use the card do so"""


class Renderers:
    """`workers` processes that render clips of the kinds, by their weights; to be started, and closed."""

    def __init__(self, work: Work, workers: int, *, on_card: int = 0) -> None:
        context = mp.get_context("spawn")
        start_tracker()
        self.notes: list[str] = []
        self.made: Any = context.Queue(maxsize=WAITING * workers)
        self.processes = [
            context.Process(target=render_on, args=(work, rank, rank < on_card, self.made), daemon=True)
            for rank in range(workers)
        ]

    def start(self) -> None:
        """Start the processes."""
        for process in self.processes:
            process.start()

    def collect(self, limit: float, *, wait: float = 0.0) -> Iterator[Clip]:
        """Clips that are ready, for at most `limit` seconds; waits `wait` seconds for the next one."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                name, *arrays = self.made.get(timeout=max(wait, LULL))
            except queue.Empty:
                self.check()
                return
            if name == NOTE:
                self.notes.append(arrays[0])
                continue
            if name == FAULT:
                raise ResourceError(f"a process that renders clips has failed: {arrays[0]}")
            yield Clip(kind=name, **{k: torch.from_numpy(v) for k, v in zip(ARRAYS, arrays, strict=True)})

    def check(self) -> None:
        """Raises ResourceError where a process has ended."""
        dead = sum(not process.is_alive() for process in self.processes)
        if dead:
            raise ResourceError(
                f"{dead} of {len(self.processes)} processes that render clips have ended without a word"
            )

    def close(self) -> None:
        """End the processes."""
        for process in self.processes:
            if process.pid is not None:
                process.terminate()


def start_tracker() -> None:
    """Start the process that minds the queue's semaphores so that a closing terminal, which tells all processes to end,
    leaves it alone: it ends with this one, and would be started anew, with tracebacks, were it gone before."""
    if hasattr(signal, "pthread_sigmask"):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this process when the one that trains has ended, however it did: a queue that is full would wait for ever."""
    parent = mp.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def render_on(work: Work, rank: int, may_use_card: bool, made: Any) -> None:
    """What a process does until it is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the one that trains ends the others
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    os.nice(NICE)
    try:
        tokenizer = WordTokenizer(work.vocabulary, work.text_tokens)
        draws = random.Random(f"kinds/{work.seed}/{rank}")  # noqa: S311
        weights = [kind.weight for kind in work.kinds]
        make = partial(make_clip, tokenizer=tokenizer, geometry=Geometry(channels=work.channels))
        device, cutouts, began = "", None, time.monotonic()
        for serial in range(SEEDS):
            on_card = may_use_card and time.monotonic() - began < work.card_seconds
            kind = draws.choices(work.kinds, weights)[0]
            try:
                if device != (device := "cuda" if on_card else "cpu"):
                    cutouts = load_cutouts(work.cutouts, device=device) if work.cutouts else None
                    if may_use_card and not on_card:
                        torch.cuda.empty_cache()
                seed, part = work.seed + rank * SEEDS + serial, ON_CARD if on_card else ON_CPU
                clip = make(kind, seed, cutouts=cutouts, device=device, part=part)
            except (AssertionError, RuntimeError) as error:  # the former where torch has no CUDA at all
                if not on_card:
                    raise
                may_use_card = False
                made.put((NOTE, f"a process renders on the CPU alone, since on the card: {error}"[:300]))
                continue
            made.put((clip.kind, *(getattr(clip, name).numpy() for name in ARRAYS)))
    except Exception as error:
        made.put((FAULT, f"{type(error).__name__}: {error}"[:500]))
