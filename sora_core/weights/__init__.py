"""The bundled weights."""

from pathlib import Path

from ..checkpoints import read_header


def vocabulary() -> tuple[str, ...]:
    """The words that the bundled text encoder knows; none where its file is missing."""
    path = Path(__file__).parent / "text.safetensors"
    return tuple(read_header(path).config["vocabulary"]) if path.exists() else ()
