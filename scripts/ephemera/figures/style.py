"""The look of all figures: colours with roles, fonts, sizes, and files that repeat to the byte.

A step that draws imports this room; matplotlib takes half a second to import, so no other step does.
Figures are made without pyplot: nothing is registered globally, and none can stay open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ephemera.files import atomic_path

#: Colours that people with any common colour vision tell apart (Okabe and Ito 2008).
OKABE_ITO: Mapping[str, str] = MappingProxyType(
    {
        "black": "#000000",
        "orange": "#E69F00",
        "sky blue": "#56B4E9",
        "bluish green": "#009E73",
        "yellow": "#F0E442",
        "blue": "#0072B2",
        "vermillion": "#D55E00",
        "reddish purple": "#CC79A7",
    }
)

#: What each colour stands for in every figure. Peaks, eclipses and both look as in the region files.
COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "data": OKABE_ITO["black"],
        "expectation": OKABE_ITO["vermillion"],
        "threshold": OKABE_ITO["vermillion"],
        "band": OKABE_ITO["orange"],
        "peak": OKABE_ITO["sky blue"],
        "eclipse": OKABE_ITO["bluish green"],
        "both": OKABE_ITO["blue"],
        "bad time": OKABE_ITO["reddish purple"],
        "masked": "#8C8C8C",
        "source mask": OKABE_ITO["vermillion"],
    }
)
#: Order of colours for curves that have no role.
SERIES: tuple[str, ...] = tuple(
    OKABE_ITO[name]
    for name in ("black", "blue", "vermillion", "bluish green", "reddish purple", "orange", "sky blue")
)
#: Dashes of peaks, eclipses and both, so that colour is never the only sign.
LINES: Mapping[str, Literal["-", "--", "-."]] = MappingProxyType({"peak": "-", "eclipse": "--", "both": "-."})

#: Widths of figures over one or two columns of a journal page, inch (88 and 180 mm).
WIDTHS: Mapping[int, float] = MappingProxyType({1: 3.46, 2: 7.09})
#: Colour map of images in which more is brighter, and of differences around zero.
SEQUENTIAL, DIVERGING = "cividis", "RdBu_r"

_TEXT = 8.0
_SMALL = 7.0
_LINE = 0.8
SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": "DejaVu Sans",
        "font.size": _TEXT,
        "axes.titlesize": _TEXT,
        "axes.titlelocation": "left",
        "axes.labelsize": _TEXT,
        "axes.linewidth": 0.6,
        "axes.axisbelow": False,
        "xtick.labelsize": _SMALL,
        "ytick.labelsize": _SMALL,
        "xtick.direction": "in",
        "ytick.direction": "in",
        "xtick.minor.visible": True,
        "ytick.minor.visible": True,
        "ytick.right": True,
        "legend.fontsize": _SMALL,
        "legend.frameon": False,
        "legend.handlelength": 2.2,
        "legend.columnspacing": 1.4,
        "legend.borderaxespad": 0.1,
        "lines.linewidth": _LINE,
        "lines.markersize": 3.0,
        "patch.linewidth": _LINE,
        "hatch.linewidth": 0.4,
        "image.origin": "lower",
        "image.interpolation": "none",
        "savefig.dpi": 200,
        # Names of elements are numbered from this instead of from chance.
        "svg.hashsalt": "ephemera",
        "svg.fonttype": "none",
    }
)

#: What writers would note by themselves, such as the date and their version, by format.
_METADATA: Mapping[str, Mapping[str, None]] = MappingProxyType(
    {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
)


@contextmanager
def figure(columns: Literal[1, 2] = 2, *, height: float) -> Iterator[Figure]:
    """An empty figure over one or two columns, `height` in inch, in the style of the project.

    Draw and save inside the context: settings of the user do not enter, and the figure is empty after it.
    Raises ValueError for another number of columns or a height that is not positive.
    """
    if columns not in WIDTHS or not height > 0:
        msg = f"figure: columns must be 1 or 2 and height a positive number of inch, got {columns}, {height}"
        raise ValueError(msg)
    with matplotlib.style.context(["default", dict(SETTINGS)]):
        drawn = Figure(figsize=(WIDTHS[columns], height))
        FigureCanvasAgg(drawn)
        try:
            yield drawn
        finally:
            drawn.clear()


def margins(drawn: Figure, left: float, right: float, bottom: float, top: float) -> dict[str, float]:
    """Space around all panels, in inch, as the keywords of a grid of panels.

    Fixed margins keep axes of a series of figures in line, and cost nothing; a layout that measures all
    texts takes as long as drawing itself.
    """
    width, height = drawn.get_size_inches()
    return {
        "left": left / width,
        "right": 1 - right / width,
        "bottom": bottom / height,
        "top": 1 - top / height,
    }


def save(drawn: Figure, path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix of `path`, atomically.

    The same figure gives the same bytes: no date, no version. Raises ValueError for another suffix.
    """
    path = Path(path)
    if path.suffix not in _METADATA:
        msg = f"a figure's path must end in {', '.join(_METADATA)}, got {path.name!r}"
        raise ValueError(msg)
    with atomic_path(path) as partial:
        drawn.savefig(partial, metadata=dict(_METADATA[path.suffix]))


def plain(text: str, longest: int = 80) -> str:
    """Text from a file that is safe in a figure: printable ASCII, at most `longest` letters."""
    safe = "".join(sign if sign.isascii() and sign.isprintable() else "?" for sign in text.strip())
    return safe if len(safe) <= longest else safe[: longest - 3] + "..."
