"""A line of text that changes in every frame of a film.

Drawing text costs as much as all lines of a frame, and the signs repeat: each is drawn once and then copied.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

#: Room above and below the base line, in font sizes.
_ASCENT, _DESCENT = 1.1, 0.4


class Ticker:
    """Text on the white ground of `figure` that ends at a point: pixels from the left and from the bottom."""

    def __init__(self, figure: Figure, right: float, bottom: float) -> None:
        self._figure = figure
        self._right, self._bottom = round(right), round(figure.bbox.height - bottom)
        self._tiles: dict[str, npt.NDArray[np.uint8]] = {}

    def draw(self, text: str) -> None:
        """Copy the signs of `text` onto the canvas; what does not fit on it is cut off."""
        tiles = [self._tile(sign) for sign in text]
        canvas: Any = self._figure.canvas
        pixels = np.asarray(canvas.buffer_rgba())
        left = max(0, self._right - sum(tile.shape[1] for tile in tiles))
        for tile in tiles:
            top = max(0, self._bottom - len(tile))
            part = pixels[top : self._bottom, left : left + tile.shape[1]]
            part[:] = tile[len(tile) - len(part) :, : part.shape[1]]
            left += tile.shape[1]

    def _tile(self, sign: str) -> npt.NDArray[np.uint8]:
        if sign not in self._tiles:
            self._tiles[sign] = _picture(sign, self._figure.dpi)
        return self._tiles[sign]


def _picture(sign: str, dpi: float) -> npt.NDArray[np.uint8]:
    """One sign on white, as wide as it advances a line of text."""
    from matplotlib.font_manager import FontProperties

    font = FontProperties()
    em = math.ceil(font.get_size_in_points() * dpi / 72)
    ascent, descent = math.ceil(_ASCENT * em), math.ceil(_DESCENT * em)
    # The canvas may be a pixel less than asked for.
    sheet = Figure((4 * em / dpi, (ascent + descent + 1) / dpi), dpi)
    canvas: Any = FigureCanvasAgg(sheet)
    renderer = canvas.get_renderer()
    # Between two bars, so that a space has its width too.
    width, bars = (
        renderer.get_text_width_height_descent(text, font, ismath=False)[0] for text in (f"|{sign}|", "||")
    )
    sheet.text(1 / 4, descent / sheet.bbox.height, sign, va="baseline", fontproperties=font)
    canvas.draw()
    picture = np.array(canvas.buffer_rgba())
    return picture[-(ascent + descent) :, em : em + max(1, round(width - bars))]
