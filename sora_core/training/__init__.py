"""Training of codec, classifier, text encoder and transformer."""

from . import compiled, plan
from .run import run

__all__ = ["compiled", "plan", "run"]
