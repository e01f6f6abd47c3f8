"""The classifier of prompts: a linear layer over hashed words, pairs of words and pieces of words.

It is trained on the prompts written for this project and gives a probability per category. Four fifths of `prompts.txt`
and all of `prompts_trained.txt` train; the held-out fifth is measured (`sora eval --suite safety`).
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from .. import checkpoints
from ..errors import CheckpointError
from .normalise import disguise, normalise
from .policy import LEARNED

__all__ = [
    "DISGUISES",
    "ClassifierConfig",
    "Prompt",
    "PromptClassifier",
    "everyday_words",
    "prompts",
    "train_classifier",
]

DISGUISES = ("leet", "spacing", "look-alikes")
HELD_OUT = 5
"""every fifth prompt of a label is held out"""
EVIDENCE = 9.0
"""Length of the counts from which a prompt is brought to length 1; a shorter one is divided by this. Were all brought
to length 1, `nothing` alone would weigh twice what it weighs in a sentence, though it says less. A word of five letters
adds 14 to the square of the length, so that six words reach it."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt with its label (a category, or `harmless`) and language."""

    text: str
    label: str
    language: str
    held_out: bool


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Sizes and training of the classifier."""

    buckets: int = 1 << 15
    """features by hash"""
    steps: int = 150
    learning_rate: float = 0.1
    decay: float = 3e-5
    """weight of the squared weights in the loss"""


@cache
def prompts() -> tuple[Prompt, ...]:
    """All prompts to learn from; every fifth of each label of `prompts.txt`, by its hash, is held out."""
    parts, out = parts_of("prompts.txt"), []
    for label in (*LEARNED, "harmless"):
        chosen = sorted((p for p in parts if p[0] == label), key=lambda p: sha256(p[2].encode()).digest())
        out += [
            Prompt(text=text, label=label, language=language, held_out=i % HELD_OUT == 0)
            for i, (_, language, text) in enumerate(chosen)
        ]
    out += [
        Prompt(text=text, label=label, language=language, held_out=False)
        for label, language, text in parts_of("prompts_trained.txt")
    ]
    return tuple(out)


def parts_of(file: str) -> list[list[str]]:
    """Label, language and prompt of every line of a file."""
    lines = (files(__package__) / file).read_text(encoding="utf-8").splitlines()
    return [[part.strip() for part in line.split("|")] for line in lines if line and not line.startswith("#")]


@cache
def everyday_words() -> frozenset[str]:
    """The words of all harmless prompts to learn from."""
    lines = (*parts_of("prompts.txt"), *parts_of("prompts_trained.txt"))
    return frozenset(word for label, _, text in lines if label == "harmless" for word in normalise(text))


def features(text: str, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Hashed features of a prompt: their numbers and weights, of length 1 together, less where there is little text."""
    words = normalise(text)
    names = Counter([f"w {word}" for word in words] + [f"p {a} {b}" for a, b in pairwise(words)])
    for word, times in Counter(words).items():
        edged = f"<{word[:40]}>"
        for piece in [f"c {edged[i : i + n]}" for n in (3, 4, 5) for i in range(len(edged) - n + 1)]:
            names[piece] += times
    counts: Counter[int] = Counter()
    for name, times in names.items():
        counts[zlib.crc32(name.encode()) % buckets] += times
    numbers = np.array(sorted(counts) or [0])
    weights = np.sqrt(np.array([counts[number] for number in numbers] if counts else [1])).astype(np.float32)
    return numbers, weights / max(float(np.linalg.norm(weights)), EVIDENCE)


class PromptClassifier:
    """Probabilities of the categories for a prompt."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight, self.bias = weight.float(), bias.float()

    @classmethod
    def load(cls, path: Path | None = None) -> PromptClassifier:
        """The bundled classifier, or another of its kind. Raises CheckpointError."""
        path = path or checkpoints.BUNDLED / "prompts.safetensors"
        tensors = checkpoints.load(path).tensors
        if "weight" not in tensors or "bias" not in tensors or tensors["weight"].shape[1:] != (len(LEARNED),):
            raise CheckpointError(f"{path} has no weight [buckets,{len(LEARNED)}] and bias of a prompt classifier")
        return cls(tensors["weight"], tensors["bias"])

    def save(self, path: Path, config: ClassifierConfig) -> None:
        """Half precision: 0.4 MB."""
        tensors, said = {"weight": self.weight.half(), "bias": self.bias}, {"licence": checkpoints.LICENCE}
        checkpoints.save(path, tensors, config=asdict(config), metadata=said)

    def logits(self, texts: Sequence[str]) -> Tensor:
        """[N, categories]."""
        rows = [features(text, len(self.weight)) for text in texts]
        return torch.stack([torch.from_numpy(w) @ self.weight[torch.from_numpy(n)] for n, w in rows]) + self.bias

    def __call__(self, text: str) -> dict[str, float]:
        """The probability of every category."""
        return dict(zip(LEARNED, self.logits([text]).sigmoid()[0].tolist(), strict=True))


@cache
def bundled_classifier() -> PromptClassifier:
    """The classifier of this project, loaded once."""
    return PromptClassifier.load()


def thinned(text: str) -> list[str]:
    """A prompt without every third word, three ways, so that no word alone decides; none of a short one."""
    words = text.split()
    return [" ".join(words[i] for i in range(len(words)) if i % 3 != k) for k in range(3)] if len(words) > 4 else []


def train_classifier(config: ClassifierConfig) -> PromptClassifier:
    """Train on all but the held-out prompts, plain, in every disguise, and with words left out. The same config gives
    the same weights."""
    texts, labels = [], []
    for prompt in prompts():
        if not prompt.held_out:
            forms = [prompt.text, *(disguise(prompt.text, how) for how in DISGUISES), *thinned(prompt.text)]
            texts += forms
            labels += [prompt.label] * len(forms)
    target = torch.tensor([[float(label == category) for category in LEARNED] for label in labels])
    rows = [features(text, config.buckets) for text in texts]
    numbers = torch.from_numpy(np.concatenate([n for n, _ in rows]))
    weights = torch.from_numpy(np.concatenate([w for _, w in rows]))
    offsets = torch.tensor([0, *np.cumsum([len(n) for n, _ in rows])[:-1].tolist()])
    weight = torch.zeros(config.buckets, len(LEARNED), requires_grad=True)
    bias = torch.full((len(LEARNED),), -2.0, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], lr=config.learning_rate)
    positive = (len(target) / target.sum(0).clamp(min=1)).clamp(max=4).sqrt()
    for step in range(config.steps):
        optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - step / config.steps)
        logits = F.embedding_bag(numbers, weight, offsets, mode="sum", per_sample_weights=weights) + bias
        loss = F.binary_cross_entropy_with_logits(logits, target, pos_weight=positive)
        loss = loss + config.decay * weight.square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return PromptClassifier(weight.detach(), bias.detach())
