"""Our transformer and codecs against ComfyUI's implementation of Wan on the same random weights, where COMFYUI_PATH
names a checkout.

Each runs in a process of its own, since ComfyUI reads the command line when it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMFY = os.environ.get("COMFYUI_PATH", "")
BOUND = 1e-4
"""relative error in float32"""
BEGIN = """
import sys
sys.path.insert(0, sys.argv[1])
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import comfy.ops, torch
from sora_nodes.sora_core.bench import peers
torch.set_grad_enabled(False)
torch.manual_seed(0)
def say(made, expected):
    print("ERROR", float((made - expected).norm() / expected.norm()))
"""
TRANSFORMER = """
from comfy.ldm.wan.model import WanModel
from sora_nodes.sora_core.dit import ClipGrid, DiTConfig
told = {per_position}
config = DiTConfig(width=256, depth=2, heads=2, mlp_width=320, text_width=64, channels=48 if told else 16,
per_position_time=told)
ours = peers.transformer(config, torch.float32)
theirs = WanModel(dim=256, ffn_dim=320, text_dim=64, in_dim=config.channels, out_dim=config.channels, num_heads=2,
num_layers=2,
                  dtype=torch.float32, operations=comfy.ops.disable_weight_init)
theirs.load_state_dict(ours.state_dict())
x, text = torch.randn(1, config.channels, 3, 8, 12), torch.zeros(1, 512, 64)
text[:, :100] = torch.randn(1, 100, 64)
mask = torch.ones(1, 1, 3, 8, 12)
mask[:, :, 0] = 0
grid = ClipGrid(shape=(1, 3, 8, 12), positions=torch.zeros(1, 3), spans=torch.ones(1, 3),
seconds_per_frame=torch.ones(1),
                mask=mask if told else None)
made = ours([x], torch.tensor([0.7]), ours.plan([grid]), ours.text(text[:, :100]))[0]
timestep = mask[:, 0, :, 0, 0] * 700 if told else torch.tensor([700.0])
say(made, theirs(x, timestep, text))
"""
CODEC = """
if {second}:
    from comfy.ldm.wan.vae2_2 import WanVAE
    from sora_nodes.sora_core.vae.wan22 import Wan22Config
    config = Wan22Config(width=16, decoder_width=16)
    theirs = WanVAE(dim=16, dec_dim=16, z_dim=48, temperal_downsample=list(config.time_strides))
else:
    from comfy.ldm.wan.vae import WanVAE
    from sora_nodes.sora_core.vae.wan21 import Wan21Config
    config = Wan21Config(width=16)
    theirs = WanVAE(dim=16, z_dim=16, temperal_downsample=list(config.time_strides))
ours = peers.codec(config, torch.float32)
theirs.load_state_dict(ours.state_dict())
side = config.geometry.space_factor
clip = torch.rand(1, 3, 9, 2 * side, 3 * side) * 2 - 1
latent = theirs.encode(clip)
say(ours._denormalise(ours.encode(clip)), latent)
say(ours.decode(ours._normalise(latent)), theirs.decode(latent))
"""


def errors(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", BEGIN + code, COMFY], capture_output=True, text=True, check=False)
    found = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("ERROR")]
    assert done.returncode == 0, done.stderr
    return found


@pytest.mark.skipif(not COMFY, reason="COMFYUI_PATH names no ComfyUI checkout")
@pytest.mark.parametrize("per_position", [False, True], ids=["Wan 2.1", "TI2V-5B"])
def test_transformer(per_position: bool) -> None:
    found = errors(TRANSFORMER.format(per_position=per_position))
    sys.stdout.write(f"\n  relative error {found}")
    assert max(found) <= BOUND


@pytest.mark.skipif(not COMFY, reason="COMFYUI_PATH names no ComfyUI checkout")
@pytest.mark.parametrize("second", [False, True], ids=["2.1", "2.2"])
def test_codec(second: bool) -> None:
    found = errors(CODEC.format(second=second))
    sys.stdout.write(f"\n  relative error of encode and decode {found}")
    assert len(found) == 2 and max(found) <= BOUND
