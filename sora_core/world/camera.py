"""The camera: a view and the times give eye, axes and zoom per frame; nothing else knows how it moves."""

from typing import NamedTuple

import torch
from torch import Tensor

from .motion import poses
from .scene import Scene, View


class Camera(NamedTuple):
    """eye [F,3]; right, up, forward [F,3] unit axes; zoom [F] (half the picture's shorter side at distance 1)."""

    eye: Tensor
    right: Tensor
    up: Tensor
    forward: Tensor
    zoom: Tensor

    def project(self, points: Tensor, aspect: float) -> tuple[Tensor, Tensor]:
        """World points [F,N,3] to picture fractions [F,N,2] (x right, y down) and depth along the view [F,N]."""
        p = points - self.eye[:, None]
        depth = (p * self.forward[:, None]).sum(-1)
        scale = self.zoom[:, None] * depth.clamp(min=1e-3)
        x = 0.5 + 0.5 * (p * self.right[:, None]).sum(-1) / (scale * max(aspect, 1.0))
        y = 0.5 - 0.5 * (p * self.up[:, None]).sum(-1) / (scale * max(1 / aspect, 1.0))
        return torch.stack([x, y], -1), depth


def camera_at(scene: Scene, times: Tensor) -> Camera:
    """The camera at `times` [F]; after a cut it is the next view's."""
    first = _view_at(scene, scene.view, times)
    if scene.next_view is None:
        return first
    second = _view_at(scene, scene.next_view, times)
    after = times >= scene.change
    return Camera(*(torch.where(after.view(-1, *[1] * (a.ndim - 1)), b, a) for a, b in zip(first, second, strict=True)))


def _view_at(scene: Scene, view: View, t: Tensor) -> Camera:
    half = scene.seconds / 2
    progress = 2.2 * torch.tanh((t - half) / half / 2.2)
    zero = torch.zeros_like(t)
    angle, yaw, pitch, distance, zoom, slide = (
        zero + view.angle,
        zero,
        zero + view.pitch,
        zero + view.distance,
        zero + view.zoom,
        zero,
    )
    match view.camera:
        case "static":
            pass
        case "pan left":
            yaw = -0.24 * progress
        case "pan right":
            yaw = 0.24 * progress
        case "tilt up":
            pitch = pitch - 0.19 * progress
        case "tilt down":
            pitch = pitch + 0.19 * progress
        case "orbit":
            angle = angle + 0.5 * (t - half)
        case "dolly in":
            distance = distance * torch.exp(-0.24 * progress)
        case "dolly out":
            distance = distance * torch.exp(0.24 * progress)
        case "zoom in":
            zoom = zoom * torch.exp(-0.28 * progress)
        case "follow":
            slide = poses(scene, t).centers[:, 0, 0]
        case _:
            raise ValueError(f"unknown camera {view.camera!r}")
    eye = torch.stack([slide + distance * torch.sin(angle), zero + view.height, distance * torch.cos(angle)], -1)
    heading = angle - yaw
    flat = torch.cos(pitch)
    forward = torch.stack([-torch.sin(heading) * flat, -torch.sin(pitch), -torch.cos(heading) * flat], -1)
    right = torch.stack([torch.cos(heading), zero, -torch.sin(heading)], -1)
    return Camera(eye, right, torch.linalg.cross(right, forward), forward, zoom)


def pixel_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixel centres: x [W] to the right, y [H] upward; the shorter side is -1..1, so that no format cuts off what
    matters."""
    x = (torch.arange(width, device=device) + 0.5) / width * 2 - 1
    y = 1 - (torch.arange(height, device=device) + 0.5) / height * 2
    short = min(width, height)
    return x * (width / short), y * (height / short)
