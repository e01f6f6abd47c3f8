"""Our text encoder as ComfyUI's CLIP, and prompts encoded by any CLIP."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import comfy.model_management as memory
import comfy.ops
import comfy.sd
import comfy.supported_models_base
import torch
from comfy.model_patcher import ModelPatcher
from comfy.sd1_clip import escape_important, token_weights, unescape_important
from torch import Tensor

from ...sora_core.emphasis import plain
from ...sora_core.errors import InputError
from ...sora_core.pipeline import SoraModel
from ...sora_core.text.encoder import TextConfig, TextEncoder
from ...sora_core.text.tokenizer import PAD, UNKNOWN, WordTokenizer, split_words
from ...sora_core.world.expand import unknown_words as unknown_to
from ..saved_models import CONFIG
from .mistakes import plainly
from .model import DTYPE, HostLayers

__all__ = ["MARK", "encode", "is_sora_clip", "sora_clip", "unknown_words", "unread"]

MARK = "sora_text"
"""in a CONDITIONING: its features are those of our encoder"""


SEEN = ("audio", "image", "image_embeds", "images", "lyrics", "minimax_ref_items", "video")
"""what nodes for text encoders that see and hear give beside the words"""


class Tokens(dict[str, list[list[tuple[Any, ...]]]]):
    """What a prompt became, for our one text encoder; nodes made for models with others ask for theirs by name."""

    @plainly
    def __missing__(self, name: str) -> Any:
        raise InputError(
            f"the CLIP of Sora Load Model has one text encoder, and this node asks for another model's ({name!r}); take"
            " CLIP Text Encode or Sora Text Encode"
        )


class SoraTokenizer:
    """Words to ids, each with the weight that `(word:1.2)` gives it."""

    def __init__(self, words: WordTokenizer, configs: dict[str, Any]) -> None:
        self.words, self.configs = words, configs

    @plainly
    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **told: Any) -> Tokens:
        """Raises InputError for pictures or sound beside the text, which nodes for models that see give."""
        for name in SEEN:
            given = told.get(name)
            if given is not None and not (isinstance(given, list | str) and not given):
                raise InputError(
                    f"the CLIP of Sora Load Model reads words alone, and this node gives it {name} too; take CLIP Text"
                    " Encode or Sora Text Encode"
                )
        parts = token_weights(escape_important(text), 1.0)
        said = [(word, weight) for part, weight in parts for word in split_words(unescape_important(part))]
        ids = [(self.words.ids.get(word, UNKNOWN), weight) for word, weight in said[: self.words.length]]
        ids += [(PAD, 1.0)] * (self.words.length - len(ids))
        return Tokens(sora=[[(*pair, i + 1) if return_word_ids else pair for i, pair in enumerate(ids)]])

    def untokenize(self, pairs: Any) -> list[Any]:
        names = {number: word for word, number in self.words.ids.items()}
        return [(pair, names.get(pair[0], "")) for pair in pairs]

    def state_dict(self) -> dict[str, Tensor]:
        """What CheckpointSave writes beside the weights, so that the file can be loaded again."""
        return {CONFIG: torch.frombuffer(bytearray(json.dumps(self.configs).encode()), dtype=torch.uint8)}


class SoraText(TextEncoder):
    """Our text encoder with ComfyUI's way to call one."""

    device: torch.device
    """where it runs: ComfyUI sets it when it loads the CLIP, wherever the weights are"""

    def __init__(self, config: TextConfig, *, dtype: torch.dtype, device: Any, **_: Any) -> None:
        super().__init__(config, ops=HostLayers(comfy.ops.manual_cast, dtype, device))
        self.dtypes = {dtype}

    def encode_token_weights(self, tokens: dict[str, Any]) -> tuple[Tensor, None, dict[str, Any]]:
        """(features [B,S,D], no pooled output, our mark); a weight scales the features of its word, since no text is
        all zeros."""
        table = torch.tensor([[pair[:2] for pair in row] for row in tokens["sora"]], device=self.device)
        features = self(table[..., 0].long()) * table[..., 1:2]
        return features.to(memory.intermediate_device()), None, {MARK: True}

    @plainly
    def set_clip_options(self, options: dict[str, Any]) -> None:
        """There are none; raises InputError where another layer than the last is asked for."""
        if options.get("layer") not in (None, -1):
            raise InputError(
                "the CLIP of Sora Load Model gives its last layer alone; leave CLIP Set Last Layer"
                f" ({options['layer']}) out"
            )

    def reset_clip_options(self) -> None:
        """There are none."""

    @plainly
    def generate(self, *_: Any, **__: Any) -> Any:
        """Raises InputError: our text encoder reads and does not write."""
        raise InputError(
            "the CLIP of Sora Load Model reads prompts and writes none; for a longer caption take Sora Expand Prompt"
        )

    def load_sd(self, weights: dict[str, Tensor]) -> Any:
        return self.load_state_dict(weights, strict=False)


def sora_clip(model: SoraModel, *, disable_dynamic: bool = False) -> comfy.sd.CLIP:
    """The CLIP of a model of ours; `disable_dynamic` as for `sora_patcher`."""
    parts: dict[str, Any] = {"transformer": model.dit, "text": model.text, "codec": model.codec}
    words, sizes = model.tokenizer, {name: asdict(part.config) for name, part in parts.items()}

    def encoder(**where: Any) -> SoraText:
        return SoraText(parts["text"].config, **where).eval().requires_grad_(False)

    def tokenizer(**_: Any) -> SoraTokenizer:
        return SoraTokenizer(words, sizes)  # type: ignore[arg-type]

    target = comfy.supported_models_base.ClipTarget(tokenizer, encoder)  # type: ignore[arg-type]
    plain = {"disable_dynamic": True} if disable_dynamic else {}  # ComfyUI of before 0.16 has no such word
    clip = comfy.sd.CLIP(target, model_options={"dtype": DTYPE}, **plain)
    clip.load_sd(dict(model.text.state_dict()))
    clip.patcher.cached_patcher_init = (_clip_patcher, (model,))
    return clip


def _clip_patcher(model: SoraModel, *, disable_dynamic: bool = False) -> ModelPatcher:
    """What ComfyUI calls to have the patcher of our CLIP once more."""
    return sora_clip(model, disable_dynamic=disable_dynamic).patcher


def is_sora_clip(clip: Any) -> bool:
    """Whether a CLIP is ours."""
    return isinstance(getattr(clip, "cond_stage_model", None), SoraText)


def unknown_words(clip: Any, text: str) -> list[str]:
    """The words of a prompt that mean nothing to a CLIP of ours; any other reads all words."""
    return unknown_to(plain(text), clip.tokenizer.words.vocabulary) if is_sora_clip(clip) else []


def unread(clip: Any, text: str) -> str:
    """What is to be said of a prompt that is longer than what a CLIP of ours reads; any other says nothing of it."""
    return clip.tokenizer.words.unread(text) if is_sora_clip(clip) else ""


def encode(clip: Any, text: str) -> list[list[Any]]:
    """CONDITIONING of a prompt, by any CLIP."""
    if not isinstance(clip, comfy.sd.CLIP):
        raise InputError(
            f"clip must be a CLIP, not {type(clip).__name__}; the loader found no text encoder in its file"
        )
    return clip.encode_from_tokens_scheduled(clip.tokenize(text))
