"""Words on a film: copied signs look like drawn text and stay inside the canvas."""

import numpy as np
import pytest

from ephemera.figures.style import figure
from ephemera.figures.ticker import Ticker


def ink(drawn):
    """Where the canvas is not white."""
    return (np.asarray(drawn.canvas.buffer_rgba())[:, :, :3] < 128).any(axis=2)


def blank():
    return figure(1, height=1.0)


@pytest.mark.parametrize("text", ["12.345 h", "60200.71370 d (BJD_TDB - 2400000.5)"])
def test_copied_signs_cover_what_drawn_text_covers(text):
    with blank() as drawn:
        drawn.set_dpi(180)
        right, bottom = 0.9 * drawn.bbox.width, 0.5 * drawn.bbox.height
        drawn.canvas.draw()
        Ticker(drawn, right, bottom).draw(text)
        copied = ink(drawn)
    with blank() as drawn:
        drawn.set_dpi(180)
        drawn.text(0.9, 0.5, text, ha="right", va="bottom")
        drawn.canvas.draw()
        plain = ink(drawn)
    assert copied.sum() == pytest.approx(plain.sum(), rel=0.15)
    for axis in (0, 1):
        one, other = (np.flatnonzero(picture.any(axis=axis)) for picture in (copied, plain))
        # Letters are kerned in drawn text, and signs begin at whole pixels here.
        assert np.abs(one[[0, -1]] - other[[0, -1]]).max() <= len(text) / 4 + 4


def test_words_of_equal_length_overwrite_each_other():
    with blank() as drawn:
        ticker = Ticker(drawn, drawn.bbox.width - 5, 20)
        drawn.canvas.draw()
        ticker.draw("  1.25 h")
        once = ink(drawn).copy()
        ticker.draw(" 99.99 h")
        assert (ink(drawn) != once).any()
        ticker.draw("  1.25 h")
        assert (ink(drawn) == once).all()


def test_what_does_not_fit_is_cut_off():
    with blank() as drawn:
        drawn.canvas.draw()
        Ticker(drawn, 10, drawn.bbox.height - 12).draw("a line that is longer than the canvas is wide" * 4)
        assert ink(drawn).any()
