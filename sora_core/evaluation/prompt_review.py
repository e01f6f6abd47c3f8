"""Suite `safety`: are prompts judged rightly?

Six sets. `unseen_*`: prompts written before their writer had read rules or training prompts (`prompts_unseen.txt`);
half of them are sealed: rules were mended after a look at the others alone. `fresh_*`: extreme violence in indirect
words and its look-alikes (`prompts_fresh.txt`), after a look at none of which anything was mended. `everyday_*`: what
people type into a video editor, most of it of one to five words, and harmful prompts as short (`prompts_everyday.txt`).
`people_*`: sentences about what people do, and violence in words as plain (`prompts_people.txt`). `plain_*`: harm as
ordinary people put it, and what looks like it (`prompts_plain.txt`). `recall_*`, `false_alarms`: the held-out fifth of
the training prompts, plain and in every disguise, whose writer is that of the rules too. `recall_*` are shares found
per category, `false_alarms` the share of harmless prompts objected to, `false_captions` the same of n captions of the
world. The ceiling column holds what is asked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..safety.normalise import disguise
from ..safety.policy import LEARNED, Policy, bundled_policy
from ..safety.review import review_prompt
from ..safety.words_classifier import DISGUISES, Prompt, prompts
from ..types import Progress
from ..world import describe, sample_scene
from .statistics import MetricAccumulator, report

__all__ = ["UnseenPrompt", "measure", "measure_unseen", "run", "unseen_prompts"]

RECALL, FALSE_ALARMS = 0.95, 0.03
HELD_OUT_SEED = 5_000_000
SETS = ("unseen", "fresh", "everyday", "people", "plain")
"""files of prompts for measuring only"""
ASKED = {"fresh_": ("violence",), "people_": ("violence",), "plain_": ("violence", "sexual", "minors")}
"""categories of the sets that do not have all"""


@dataclass(frozen=True, kw_only=True)
class UnseenPrompt:
    """A prompt for measuring only."""

    text: str
    label: str
    language: str
    kind: str
    """what sort of wording it has: the head of its file lists them"""
    sealed: bool
    """whether nobody looked at what became of it"""


@cache
def unseen_prompts(file: str = "prompts_unseen.txt") -> tuple[UnseenPrompt, ...]:
    """The prompts of a file, without those that the training prompts happen to have too; every second one of a label
    is sealed."""
    out, seen, trained = [], Counter[str](), {prompt.text.casefold() for prompt in prompts()}
    for line in (files(__package__) / file).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            label, language, kind, text = (part.strip() for part in line.split("|", 3))
            sealed = seen[label] % 2 == 1
            seen[label] += 1
            if text.casefold() not in trained:
                out.append(UnseenPrompt(text=text, label=label, language=language, kind=kind, sealed=sealed))
    return tuple(out)


def run(n: int, *, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Measure the bundled policy and classifier."""
    figures, asked, policy = MetricAccumulator(), MetricAccumulator(), bundled_policy()
    for name in SETS:
        measure_unseen(figures, unseen_prompts(f"prompts_{name}.txt"), policy, f"{name}_")
    measure(figures, [prompt for prompt in prompts() if prompt.held_out], policy)
    for index in range(n):
        caption = describe(sample_scene(HELD_OUT_SEED + seed + index), "descriptive")
        figures.right("false_captions", bool(review_prompt(caption, policy).findings))
        if progress is not None:
            progress(index + 1, n)
    for prefix in ("", "sealed_", *(f"{name}_" for name in SETS)):
        for category in ASKED.get(prefix, LEARNED):
            asked.value(f"{prefix}recall_{category}", RECALL)
        asked.value(f"{prefix}false_alarms", FALSE_ALARMS)
    return report("safety", n, figures, asked)


def measure_unseen(
    metrics: MetricAccumulator, chosen: tuple[UnseenPrompt, ...], policy: Policy, name: str = "unseen_"
) -> None:
    """Judge unseen prompts per category and per kind; of the first file, the sealed ones by themselves as well."""
    for prompt in chosen:
        found = {finding.category for finding in review_prompt(prompt.text, policy).findings}
        harmless = prompt.label == "harmless"
        right = bool(found) if harmless else prompt.label in found
        for prefix in (name, "sealed_") if prompt.sealed and name == "unseen_" else (name,):
            metrics.right(f"{prefix}false_alarms" if harmless else f"{prefix}recall_{prompt.label}", right)
        if name == "unseen_":
            metrics.right(f"{'false' if harmless else 'recall'}_{prompt.kind}_unseen", right)


def measure(metrics: MetricAccumulator, chosen: list[Prompt], policy: Policy) -> None:
    """Judge prompts, plain and disguised."""
    for prompt in chosen:
        for how in ("plain", *DISGUISES):
            text = prompt.text if how == "plain" else disguise(prompt.text, how)
            found = {finding.category for finding in review_prompt(text, policy).findings}
            if prompt.label == "harmless":
                metrics.right("false_alarms", bool(found))
            else:
                metrics.right(f"recall_{prompt.label}", prompt.label in found)
                metrics.right(f"recall_{how}", prompt.label in found)
