"""Word pieces for umT5: a sentencepiece model, or a tokenizer.json, as published files carry them.

ComfyUI keeps the sentencepiece model as a tensor of bytes inside the text encoder's own file; other layouts have it
beside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import CheckpointError, InputError, ResourceError

__all__ = ["END", "TokenTable"]

END = 1
"""the token that ends every prompt"""
FILES = ("spiece.model", "tokenizer.model", "tokenizer.json")
FOLDERS = (".", "tokenizer", "../tokenizer", "google/umt5-xxl")
"""where a tokenizer lies, seen from the folder of the text encoder"""


class TokenTable:
    """`tokens = table(prompt)`: text to token numbers, ended by END."""

    def __init__(self, encode: Callable[[str], list[int]], *, limit: int = 512, pieces: int | None = None) -> None:
        self.encode = encode
        self.limit = limit
        """tokens a prompt may have; the published models read no further"""
        self.pieces = pieces
        """how many word pieces there are, where that is known"""

    def __call__(self, prompt: str) -> list[int]:
        tokens = [t for t in self.encode(prompt) if t != END] + [END]
        self.check(len(tokens))
        return tokens

    def check(self, tokens: int) -> None:
        """Raises InputError for a prompt of more tokens than the models read."""
        if tokens > self.limit:
            raise InputError(f"the prompt has {tokens} tokens and this model reads {self.limit}: shorten it.")

    @staticmethod
    def from_bytes(model: bytes) -> TokenTable:
        """From a sentencepiece model. Raises ResourceError without `sentencepiece`, CheckpointError for other bytes."""
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            raise ResourceError(
                "this text encoder's tokenizer needs the package sentencepiece: pip install sentencepiece."
            ) from error
        try:
            pieces = SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise CheckpointError("the tokenizer of this text encoder is damaged: fetch the file again.") from error
        return TokenTable(lambda text: list(pieces.encode(text)), pieces=pieces.get_piece_size())

    @staticmethod
    def from_file(path: str | Path) -> TokenTable:
        """From `spiece.model` or `tokenizer.json`."""
        path = Path(path)
        if path.suffix != ".json":
            return TokenTable.from_bytes(path.read_bytes())
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ResourceError(f"{path} needs the package tokenizers: pip install tokenizers.") from error
        try:
            table = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises the bare class
            raise CheckpointError(f"{path} is not a tokenizer: fetch it again.") from error
        table.no_padding()
        table.no_truncation()
        return TokenTable(lambda text: table.encode(text).ids, pieces=table.get_vocab_size())

    @staticmethod
    def near(folder: str | Path) -> TokenTable:
        """The tokenizer that lies beside a text encoder in `folder`. Raises CheckpointError where there is none."""
        for place in (Path(folder) / sub / name for name in FILES for sub in FOLDERS):
            if place.is_file():
                return TokenTable.from_file(place)
        raise CheckpointError(f"there is no tokenizer in or beside {folder}: put spiece.model or tokenizer.json there.")
