"""Training of codec, text encoder and transformer."""

from .run import run

__all__ = ["run"]
