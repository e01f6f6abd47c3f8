"""Contact sheets: many clips on one picture."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..errors import MediaError
from .convert import as_frames
from .images import pictures

__all__ = ["contact_sheet"]

GAP = 4
"""pixels between pictures"""
BACKGROUND, INK = (24, 24, 27), (228, 228, 231)


def contact_sheet(clips: Sequence[Tensor], columns: int = 8, *, captions: Sequence[str] = ()) -> Image.Image:
    """Each clip as a row of `columns` frames spread evenly over it, or stills set side by side, `columns` to a row.

    clips: uint8 [F,H,W,3] or video [B,3,F,H,W] each, sizes may differ; captions: one under each row (or still).
    """
    if not clips or columns < 1:
        raise MediaError(f"a contact sheet needs a clip and a column, not {len(clips)} clips in {columns} columns.")
    if captions and len(captions) != len(clips):
        raise MediaError(f"{len(clips)} clips need as many captions, not {len(captions)}.")
    tiles = [spread(as_frames(clip), columns) for clip in clips]
    if all(len(row) == 1 for row in tiles):
        rows = [[tile for row in tiles[i : i + columns] for tile in row] for i in range(0, len(tiles), columns)]
        texts = [list(captions[i : i + columns]) for i in range(0, len(tiles), columns)]
    else:
        rows, texts = tiles, [[text] for text in captions] or [[] for _ in tiles]
    return draw(rows, texts)


def spread(frames_FHWC: Tensor, count: int) -> list[Image.Image]:
    """At most `count` frames, evenly over the clip, its first and last among them."""
    last = len(frames_FHWC) - 1
    count = min(count, last + 1)
    return pictures(frames_FHWC[[round(i * last / max(1, count - 1)) for i in range(count)]])


def draw(rows: list[list[Image.Image]], texts: list[list[str]]) -> Image.Image:
    """Rows of pictures with their texts below; a text has the width up to the next one."""
    font = ImageFont.load_default(size=13)
    line = 18 if any(texts) else 0
    heights = [max(tile.height for tile in row) + line + GAP for row in rows]
    width = max(sum(tile.width + GAP for tile in row) for row in rows) + GAP
    sheet = Image.new("RGB", (width, sum(heights) + GAP), BACKGROUND)
    pen = ImageDraw.Draw(sheet)
    y = GAP
    for row, words, height in zip(rows, texts, heights, strict=True):
        x = GAP
        for i, tile in enumerate(row):
            sheet.paste(tile, (x, y))
            if i < len(words):
                room = tile.width if len(words) > 1 else width - x - GAP
                pen.text((x, y + height - line - GAP + 1), fitted(words[i], font, room), fill=INK, font=font)
            x += tile.width + GAP
        y += height
    return sheet


def fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, cut with dots where it is wider than `width` pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
