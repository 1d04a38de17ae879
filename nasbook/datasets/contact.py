"""The contact sheet: how a set of images shows itself."""

import io
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

PER_CLASS = 8
MOST_CLASSES = 12
LONGEST_NAME = 24
TILE = 64
GAP = 4
TEXT = 20


def contact_sheet(images: torch.Tensor, labels: torch.Tensor, classes: tuple[str, ...]) -> bytes:
    """A PNG with the first images of each class in one row, its name before them, on white.

    ``images`` (N, 3, S, S) uint8, ``labels`` (N,) int64. Of more than 12 classes the first 12 are shown.
    """
    from matplotlib import get_data_path

    names = [n if len(n) <= LONGEST_NAME else n[: LONGEST_NAME - 1] + "…" for n in classes[:MOST_CLASSES]]
    hidden = [f"{len(names)} of {len(classes)} classes"] if len(names) < len(classes) else []
    # Matplotlib's own DejaVu Sans, so that the sheet looks alike everywhere
    font = ImageFont.truetype(str(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), TEXT)
    margin = 3 * GAP + max(round(font.getlength(text)) for text in names + hidden)
    size = images.shape[-1]
    # A whole multiple keeps every pixel of a small image equally large.
    tile = size * (TILE // size) if size <= TILE else TILE
    pitch = tile + GAP
    height = GAP + len(names) * pitch + len(hidden) * 2 * TEXT
    sheet = Image.new("RGB", (margin + PER_CLASS * pitch, height), "white")
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(names):
        top = GAP + row * pitch
        pen.text((margin - 2 * GAP, top + tile // 2), name, fill="black", font=font, anchor="rm")
        first = (labels == row).nonzero()[:PER_CLASS, 0]
        for column, picture in enumerate(images[first].permute(0, 2, 3, 1).cpu().numpy()):  # -> (n, S, S, 3)
            method = Image.Resampling.NEAREST if size <= TILE else Image.Resampling.LANCZOS
            sheet.paste(Image.fromarray(picture).resize((tile, tile), method), (margin + column * pitch, top))
    for text in hidden:
        pen.text((margin - 2 * GAP, height - TEXT), text, fill="black", font=font, anchor="rm")
    stream = io.BytesIO()
    # 256 colours look alike at this size and take a third of the room in a stored notebook.
    sheet.quantize(256, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()
