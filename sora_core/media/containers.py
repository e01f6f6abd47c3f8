"""Which files ffmpeg may open, and by which name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CONTAINERS", "address"]

FORMATS = [
    *["mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "ogg"],
    *["asf", "mxf", "nut", "h264", "hevc", "av1", "obu", "ivf", "gif", "apng", "yuv4mpegpipe", "dv", "wtv", "swf"],
]
"""containers that are read; among those left out are the scripts that name other files or addresses"""
CONTAINERS = {"format_whitelist": ",".join(FORMATS)}
"""options to open a file with"""


def address(path: str | Path) -> str:
    """The name of a file for ffmpeg, which would take one such as `a:b.mp4` for an address elsewhere."""
    return f"file:{path}"
