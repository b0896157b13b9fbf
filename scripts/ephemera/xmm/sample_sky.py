"""Figures of a sample on the sky and on the detectors: where detections are, and where too many are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm
from matplotlib.patches import Rectangle

from ephemera.figures.style import COLOURS, SEQUENTIAL, margins
from ephemera.xmm.observation import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Columns = Mapping[str, npt.NDArray[Any]]
#: North galactic pole and the node of the galactic equator (J2000), degrees (Hipparcos catalogue, vol. 1).
_POLE_RA, _POLE_DEC, _NODE = 192.85948, 27.12825, 32.93192
#: Sides of the cells of the density map: right ascension in degrees, rows of equal area in sin(dec).
_CELLS_RA, _CELLS_DEC = 72, 36
#: Half the side of a detector map, 1000 units of 0.05 arcsec: the cameras see 15 arcmin around the axis.
DETECTOR = 20.5
MARKERS = {"peak": "o", "eclipse": "s", "both": "D"}


def sky_map(figure: Figure, sources: Columns, kinds: Sequence[str]) -> None:
    """Sources on an Aitoff map of the sky by the type of their best detection; size grows with sigma."""
    axes = _whole_sky(figure)
    sigma = np.nan_to_num(sources["best_sigma"].astype(np.float64), nan=3.0)
    for kind, marker in MARKERS.items():
        chosen = np.array([k == kind for k in kinds], bool)
        if not chosen.any():
            continue
        axes.scatter(
            longitude(sources["ra"][chosen]), np.radians(sources["dec"][chosen]),
            s=4 + 2 * np.clip(sigma[chosen], 0, 30), marker=marker, facecolor=COLOURS[kind],
            edgecolor=COLOURS["data"], linewidth=0.3, label=f"{kind} ({chosen.sum()})", zorder=4,
        )  # fmt: skip
    figure.legend(loc="lower center", ncols=4)


def sky_density(figure: Figure, detections: Columns) -> None:
    """Detections per square degree in cells of equal area, on an Aitoff map of the whole sky."""
    axes = _whole_sky(figure)
    edges_x = np.linspace(-np.pi, np.pi, _CELLS_RA + 1)
    edges_z = np.linspace(-1, 1, _CELLS_DEC + 1)
    counts, _, _ = np.histogram2d(
        longitude(detections["ra"]), np.sin(np.radians(detections["dec"])), bins=[edges_x, edges_z]
    )
    area = 4 * np.pi * np.degrees(1) ** 2 / (_CELLS_RA * _CELLS_DEC)
    density = np.where(counts > 0, counts / area, np.nan).T
    low, high = 1 / area, max(float(np.nanmax(density, initial=1 / area)), 1.01 / area)
    drawn = axes.pcolormesh(
        edges_x, np.arcsin(edges_z), density, cmap=SEQUENTIAL, norm=LogNorm(low, high), rasterized=True
    )
    bar = figure.colorbar(drawn, ax=axes, orientation="horizontal", shrink=0.6, pad=0.08, aspect=40)
    bar.set_label(f"Detections per square degree, in cells of {area:.1f} square degrees")


def longitude(ra_deg: npt.ArrayLike) -> FloatArray:
    """Horizontal coordinate of a map on which right ascension grows to the left, 12 h in the middle."""
    return np.asarray(np.radians(180.0 - np.mod(np.asarray(ra_deg, np.float64), 360.0)))


def _whole_sky(figure: Figure) -> Axes:
    axes = figure.add_axes((0.06, 0.16, 0.9, 0.78), projection="aitoff")
    axes.grid(True, linewidth=0.3, color=COLOURS["masked"])
    hours = np.arange(2, 24, 4)
    axes.set_xticks(longitude(15.0 * hours)[::-1], [f"{hour} h" for hour in hours][::-1])
    ra, dec = galactic_equator()
    x = longitude(ra)
    order = np.argsort(x)
    axes.plot(
        x[order], np.radians(dec[order]), color=COLOURS["masked"], linewidth=1, label="galactic equator"
    )
    return axes


def galactic_equator(n: int = 361) -> tuple[FloatArray, FloatArray]:
    """Right ascension and declination, degrees, of points on the galactic equator."""
    along = np.radians(np.linspace(0, 360, n))
    pole = np.radians(_POLE_DEC)
    dec = np.arcsin(np.cos(pole) * np.sin(along))
    ra = np.arctan2(np.cos(along), -np.sin(pole) * np.sin(along))
    return np.mod(np.degrees(ra) + _POLE_RA, 360.0), np.degrees(dec)


def detector_maps(
    figure: Figure,
    places: tuple[FloatArray, FloatArray],
    detections: Columns,
    hot: Sequence[Mapping[str, Any]],
    camera: str,
) -> None:
    """Detections of one camera on its detector (DETX, DETY), a panel a run, with the hot regions."""
    runs = runs_of(detections)
    t_bins = sorted({run[0] for run in runs})
    bands = sorted({run[1:] for run in runs})
    space = margins(figure, left=0.6, right=0.1, bottom=0.5, top=0.35)
    panels = figure.subplots(
        len(t_bins), len(bands), sharex=True, sharey=True, squeeze=False,
        gridspec_kw=space | {"hspace": 0.06, "wspace": 0.06},
    )  # fmt: skip
    x, y = (values / 1000 for values in places)
    for row, t_bin in enumerate(t_bins):
        for column, (low, high) in enumerate(bands):
            axes = panels[row, column]
            mine = in_run(detections, t_bin, low, high) & np.isfinite(x) & np.isfinite(y)
            axes.plot(x[mine], y[mine], ".", color=COLOURS["data"], markersize=2)
            for region in hot:
                if region["t_bin"] == t_bin and region["camera"] == camera:
                    corner = region["x0"] / 1000, region["y0"] / 1000
                    axes.add_patch(
                        Rectangle(corner, region["width"] / 1000, region["height"] / 1000, fill=False,
                                  edgecolor=COLOURS["expectation"], linewidth=1.0)
                    )  # fmt: skip
            axes.set_aspect("equal")
            axes.text(0.03, 0.96, f"{t_bin:g} s, {low:g}-{high:g} keV ({mine.sum()})", va="top",
                      transform=axes.transAxes, fontsize="x-small")  # fmt: skip
    panels[0, 0].set_xticks([-15, 0, 15])
    panels[0, 0].set_yticks([-15, 0, 15])
    panels[0, 0].set_xlim(-DETECTOR, DETECTOR)
    panels[0, 0].set_ylim(-DETECTOR, DETECTOR)
    figure.text(
        space["left"], 1 - 0.1 / figure.get_figheight(), f"Camera {camera}; boxes: hot regions", va="top"
    )
    figure.supxlabel("DETX [1000 units of 0.05 arcsec]", fontsize="medium")
    figure.supylabel("DETY [1000 units of 0.05 arcsec]", fontsize="medium")


def runs_of(detections: Columns) -> list[tuple[float, float, float]]:
    """Frame length and band of all detections, in order."""
    return sorted(set(zip(*(detections[name].tolist() for name in ("t_bin", "e_min", "e_max")), strict=True)))


def in_run(detections: Columns, t_bin: float, low: float, high: float) -> npt.NDArray[np.bool_]:
    """Which detections are of runs with this frame length and band."""
    return np.asarray(
        (detections["t_bin"] == t_bin) & (detections["e_min"] == low) & (detections["e_max"] == high)
    )
