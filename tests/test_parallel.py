"""Two processes give what one gives: tokens, halves of guidance and windows of the latent shared out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import parallel_toys
import pytest
import torch
import torch.distributed as dist
from sora_nodes.sora_core.errors import InputError
from sora_nodes.sora_core.layers.packing import Group, Layout
from sora_nodes.sora_core.layers.team import Team, shares

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="this torch has no torch.distributed")


def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    command = [sys.executable, parallel_toys.__file__, str(tmp_path / "meet")]
    both = [subprocess.Popen([*command, str(i), "2"], stderr=subprocess.PIPE, text=True) for i in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors


def test_what_cannot_be_shared_is_named() -> None:
    from sora_nodes.sora_core.dit.parallel import shared_out

    assert shares(7, 3) == [3, 2, 2]
    layout = Layout.of([Group(1, 2, 1, 2, 0, 0)], [None])
    with pytest.raises(InputError, match="frames of 2 tokens cannot be shared by 3 processes"):
        shared_out(layout, 3)
    parts = shared_out(layout, 2)
    assert [part.tolist() for part in parts] == [[0, 2], [1, 3]]
    with pytest.raises(InputError, match="5 processes cannot be shared by 2 teams"):
        Team(rank=0, size=5).split(2)
    assert torch.cat(parts).unique().numel() == 4
