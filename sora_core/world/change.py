"""How one scene turns into another: a front that runs over the picture within a second."""

import torch
from torch import Tensor

from .camera import camera_at, pixel_grid
from .motion import poses
from .scene import ClipShape, Scene

SECONDS = 1.0
SOFT = 0.3


def share_of_next(scene: Scene, times: Tensor, shape: ClipShape, device: torch.device) -> Tensor:
    """Share [F,H,W] of the next setting: a circle that opens around the first thing, or a front that comes from one
    side."""
    progress = ((times - scene.change) / SECONDS + 0.5).clamp(0, 1).float().to(device).view(-1, 1, 1)
    x, y = pixel_grid(shape.height, shape.width, device)
    aspect = shape.width / shape.height
    wide, tall = max(aspect, 1.0), max(1 / aspect, 1.0)
    if scene.wipe == "circle":
        middle = camera_at(scene, times).project(poses(scene, times).centers[:, :1], aspect)[0][:, 0].float().to(device)
        mx, my = ((2 * middle[:, 0] - 1) * wide).view(-1, 1, 1), ((1 - 2 * middle[:, 1]) * tall).view(-1, 1, 1)
        way = torch.sqrt((x.view(1, 1, -1) - mx) ** 2 + (y.view(1, -1, 1) - my) ** 2)
        longest = 1.6 * wide + tall
    else:
        sign = 1 if scene.wipe == "right" else -1
        way = (sign * x.view(1, 1, -1) + wide + 0.12 * torch.sin(4 * y).view(1, -1, 1) + 0.12).expand(
            len(times), -1, -1
        )
        longest = 2 * wide + 0.24
    return ((progress * (longest + SOFT) - way) / SOFT).clamp(0, 1)
