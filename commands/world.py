"""`sora world`: the pictures of living and made things that the rendered world shows, fetched and packed."""

from __future__ import annotations

import argparse
import os
import subprocess
import tarfile
from pathlib import Path

from ..sora_core.errors import InputError, ResourceError
from .terminal import note

__all__ = ["add_arguments", "execute", "fetch"]

STILL_PACKAGE = "@lobehub/fluent-emoji-3d@1.1.0"
MOVING_PACKAGES = tuple(f"@lobehub/fluent-emoji-anim-{i}@1.0.0" for i in range(1, 5))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="where the pictures are, or go")
    parser.add_argument("--fetch", action="store_true", help="download them with npm first (750 MB)")
    parser.add_argument("--out", type=Path, help="the packed file; FOLDER/cutouts.safetensors if not given")


def execute(args: argparse.Namespace) -> int:
    from ..sora_core.world import cutouts

    if args.fetch:
        fetch(args.folder)
    if not os.path.isdir(args.folder):
        raise InputError(f"there is no folder {args.folder}: name another, or add --fetch.")
    path = cutouts.build(args.folder, args.out or args.folder / "cutouts.safetensors")
    note(f"{path}: {len(cutouts.load(path).nouns)} cut-outs.")
    return 0


def fetch(folder: Path) -> None:
    """Download the packages with npm into `folder` and unpack their pictures into still/ and moving/."""
    folder.mkdir(parents=True, exist_ok=True)
    for package in (STILL_PACKAGE, *MOVING_PACKAGES):
        note(f"fetching {package} ...")
        try:
            packed = subprocess.run(  # noqa: S603
                ["npm", "pack", "--silent", package],  # noqa: S607
                cwd=folder, check=True, capture_output=True, text=True,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise ResourceError("npm is not installed; install Node.js to fetch the cut-outs.") from error
        except subprocess.CalledProcessError as error:
            raise ResourceError(f"npm could not fetch {package}: {error.stderr.strip()[-200:]}") from error
        archive = folder / packed.stdout.split()[-1]
        _unpack(archive, folder / ("still" if package == STILL_PACKAGE else "moving"))
        archive.unlink()


def _unpack(archive: Path, folder: Path) -> None:
    """The pictures of a package, by the names of their files alone."""
    folder.mkdir(exist_ok=True)
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() and member.name.endswith(".webp") else None
            if content is not None:
                (folder / Path(member.name).name).write_bytes(content.read())
