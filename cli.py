"""The command `sora`."""

from __future__ import annotations


def main() -> int:
    """To come."""
    return 0
