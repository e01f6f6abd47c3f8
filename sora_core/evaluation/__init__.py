"""The instrument: suites that measure a model on held-out scenes, beside the ceiling that true clips reach.

report = run_suite("text", 200)      # {"suite", "n", "figures", "ceiling", "intervals"}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..perception.classifier import AttributeClassifier, load_classifier
from ..pipeline import load_bundled
from ..types import Progress
from ..world import load_cutouts
from . import (
    animate,
    connect,
    detector,
    drift,
    extend,
    fill,
    fuzz,
    loop,
    prompt_review,
    restyle,
    shots,
    text,
    watermark,
)
from .bundled import BundledGenerator
from .making import Generator, two_seconds

__all__ = ["SUITES", "BundledGenerator", "Generator", "run_suite", "two_seconds"]

SUITES: dict[str, Callable[..., dict[str, Any]]] = {
    "text": text.run,
    "animate": animate.run,
    "extend": extend.run,
    "loop": loop.run,
    "connect": connect.run,
    "fill": fill.run,
    "restyle": restyle.run,
    "shots": shots.run,
    "drift": drift.run,
}
"""What can be measured: name -> suite(n, generator=, classifier=, seed=, progress=, **options)."""
SAFETY: dict[str, Callable[..., dict[str, Any]]] = {
    "safety": prompt_review.run,
    "watermark": watermark.run,
    "detector": detector.run,
    "fuzz": fuzz.run,
}
"""Suites that ask nothing of a model: name -> suite(n, seed=, progress=, **options)."""
USUAL = 100
"""clips of a suite unless told otherwise (`text`: twice as many)"""
MOST = 1_000_000
"""clips of a suite: of more, the scenes alone would fill the memory"""


def run_suite(
    name: str,
    n: int | None = None,
    *,
    model: Generator | None = None,
    classifier: AttributeClassifier | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    cutouts: Path | None = None,
    weights: Path | None = None,
    fast: bool = False,
    sampling: Mapping[str, float] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measure a model (None: the weights in the folder `weights`, or the bundled ones): {"suite", "n", "figures",
    "ceiling", "intervals"}.

    Shares and medians over n held-out scenes; `ceiling` has the same figures for true clips sent through the codec,
    `intervals` the 95% interval of each figure. `cutouts` is a file of `sora world`: the weights are then asked for
    nouns too, with `fast` they are those of few steps, and `sampling` are settings to change (steps, cfg). options: see
    the suite's `run`. Raises InputError for an unknown suite, an option that it does not take, or an n below 1.
    """
    if name not in SUITES | SAFETY:
        raise InputError(f"there is no suite {name!r}; the suites are {', '.join([*SUITES, *SAFETY])}")
    n = n if n is not None else USUAL * (2 if name == "text" else 1)
    if not 1 <= n <= MOST:
        raise InputError(f"a suite needs at least one clip and at most {MOST:,}, not {n}")
    takes = signature((SUITES | SAFETY)[name]).parameters
    if unheard := [option for option in options if option not in takes]:
        raise InputError(f"the suite {name!r} takes no {' and no '.join(unheard)}: leave it out.")
    if (model is not None or name in SAFETY) and (fast or sampling or weights):
        raise InputError("weights, steps, cfg and few steps are for suites of a model: leave them out here.")
    if name in SAFETY:
        return SAFETY[name](n, seed=seed, progress=progress, **options)
    if model is not None and cutouts is not None:
        raise InputError("a model that is given brings its own cut-outs: leave cutouts out.")
    if model is None:
        bundled = load_bundled(weights, fast=fast).with_settings(**sampling or {})
        model = BundledGenerator(model=bundled, cutouts=load_cutouts(cutouts) if cutouts else None)
    return SUITES[name](
        n, generator=model, classifier=classifier or load_classifier(), seed=seed, progress=progress, **options
    )
