"""Expected counts of every cell: a background of fixed shape and varying strength, and steady sources.

Reads a sparse event cube, the footprint of the subset and the mask of its known sources; makes the factors
of the model

    mu(x, y, t) = T_c(x, y) L(t) + sum over s of S_s(x, y) f_s(t)

with T_c the background template of the exposure class c of frame t (good time, flaring background), L(t)
the counts of the frame outside the source mask, S the counts of masked pixels above the background per fully
exposed frame, and f the exposed fraction of the frame. The factors are a few N x N images and vectors over
frames; mu itself is evaluated where it is needed and is never a cube. This is the model of EXOD2 with four
changes made on purpose: empty pixels do not enter the percentile that finds further sources, holes are filled
by the Laplace equation, a flare template is not built from a handful of frames, and frames not searched have
no mu.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from ephemera.xmm.background import FillMethod, fill_masked, smooth_within
from ephemera.xmm.exposure_classes import DroppedCells, ExposureClasses
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube
from ephemera.xmm.subsets import Span
from ephemera.xmm.templates import bright_pixels, class_templates, completed, source_terms

#: Expected counts are raised to this where no option says otherwise.
MU_FLOOR = 1e-6


@dataclass(frozen=True, eq=False)
class Expectation:
    """The factors of mu for one run; see the module for the model.

    `templates` (n_class, N, N) T, 0 outside the footprint; `background` (n_frames,) L; `source`
    (n_source, N, N) S; `exposed` (n_source, n_frames) f; `frame_class` (n_frames,), -1 where there is no
    expectation; `footprint`, `mask` (N, N), the mask inside the footprint. `template_bti` says whether
    flaring frames have their "own" template or that of the "total" of all frames. There is one source term,
    or one for each camera.
    """

    templates: FloatArray
    background: FloatArray
    source: FloatArray
    exposed: FloatArray
    frame_class: npt.NDArray[np.int8]
    footprint: BoolArray
    mask: BoolArray
    template_bti: Literal["own", "total"]

    @property
    def n_frames(self) -> int:
        """Number of frames, those without expectation included."""
        return len(self.frame_class)

    @cached_property
    def _template_table(self) -> FloatArray:
        """Templates in one row, NaN outside the footprint."""
        return np.where(self.footprint, self.templates, np.nan).ravel()

    @cached_property
    def _background_or_nan(self) -> FloatArray:
        """L(t), NaN in frames without expectation."""
        return np.where(self.frame_class >= 0, self.background, np.nan)

    @cached_property
    def _plane(self) -> IntArray:
        """Where the template of each frame starts in the table."""
        return np.maximum(self.frame_class, 0).astype(np.int64) * self.footprint.size

    def at(self, x: npt.ArrayLike, y: npt.ArrayLike, frame: npt.ArrayLike) -> FloatArray:
        """Expected counts of cells: pixel indices `x` (i), `y` (j) and `frame`, broadcast together.

        NaN in frames without expectation and outside the footprint.
        """
        t = np.asarray(frame)
        pixel = np.asarray(y, np.int64) * self.footprint.shape[1] + np.asarray(x, np.int64)
        mu = self._template_table[self._plane[t] + pixel] * self._background_or_nan[t]
        for source, exposed in zip(self.source, self.exposed, strict=True):
            mu = mu + source.ravel()[pixel] * exposed[t]
        return np.asarray(mu)

    def dense(self) -> FloatArray:
        """Expected counts of all cells (n_frames, N, N), NaN as in `at`; for small cubes."""
        mu = self.templates[np.maximum(self.frame_class, 0)] * self.background[:, None, None]
        mu = mu + np.einsum("st,syx->tyx", self.exposed, self.source)
        mu[self.frame_class < 0] = np.nan
        mu[:, ~self.footprint] = np.nan
        return np.asarray(mu)

    def frame_bound(self) -> FloatArray:
        """Upper bound (N, N) of mu over all frames: max_c (T_c max_{t in c} L) + sum_s S_s max_t f_s."""
        bound = np.zeros(self.footprint.shape)
        for c, template in enumerate(self.templates):
            background = self.background[self.frame_class == c]
            np.maximum(bound, template * background.max(initial=0.0), out=bound)
        used = self.frame_class >= 0
        most_exposed = self.exposed[:, used].max(axis=1, initial=0.0)
        return np.asarray(bound + np.einsum("s,syx->yx", most_exposed, self.source))


def check_fits(cube: SparseCube, expectation: Expectation) -> None:
    """Raise ValueError when an expectation does not have the frames and pixels of a cube."""
    shape = (cube.frames.n_frames, cube.grid.n, cube.grid.n)
    got = (expectation.n_frames, *expectation.footprint.shape)
    if shape != got:
        msg = f"expectation must be of the shape (frames, N, N) of the cube {shape}, got {got}"
        raise ValueError(msg)


def build_expectation(
    cube: SparseCube,
    footprint: BoolArray,
    list_mask: BoolArray,
    *,
    span: Span = "common",
    percentile_factor: float = 3.0,
    min_source_counts: float = 10.0,
    fill: FillMethod = "laplace",
    smooth_sigma: float = 0.5,
    smooth_below: float | None = None,
    camera_images: FloatArray | None = None,
    drop_cells: IntArray | None = None,
) -> Expectation:
    """Expectation of one run.

    `footprint`, `list_mask` (N, N) [j, i] are shared by all runs of a subset. To the list mask are added
    pixels whose counts in good frames exceed max(`percentile_factor` P75, `min_source_counts`), P75 over the
    pixels of the footprint outside the list mask with at least one count.

    `camera_images` (n_cameras, N, N), the counts of each camera in the frames of `source_frames`, makes one
    source term for each camera, exposed as that camera is (for `span` "union"). The cells with the keys
    `drop_cells` (also empty ones) are left out of templates, source terms and background curve, which are
    scaled for the frames and pixels that remain, so a burst does not raise its own expectation;
    `camera_images` must then be without them.

    Templates are smoothed by `smooth_sigma` pixels; with `smooth_below`, only where they are made of fewer
    counts a pixel than that.

    A run without counts has mu = 0 everywhere. Raises NoBackground when there are counts but none outside
    the mask, ValueError for arrays of the wrong shape.
    """
    _check(cube, footprint, list_mask, camera_images)
    known = ExposureClasses.of(cube, span)
    dropped = DroppedCells.of(cube, np.empty(0, np.int64) if drop_cells is None else drop_cells)
    cube = dropped.taken_from(cube)
    images = np.where(footprint, cube.class_images(known.of_frame, known.n), 0.0)
    listed = footprint & list_mask
    complete = images
    if len(dropped):
        complete, _, unseen = completed(images, cube, listed, footprint, dropped, known)
        listed |= unseen
    good = complete[known.searched].sum(axis=0)
    mask = listed | bright_pixels(good, footprint & ~listed, percentile_factor, min_source_counts)
    complete, background, _ = completed(images, cube, mask, footprint, dropped, known)
    templates, own = class_templates(complete, mask, footprint, known, fill, smooth_sigma, smooth_below)
    if camera_images is None:
        exposed = cube.frames.exposed[None, :]
        excess = images - templates * dropped.remaining(background, known)
        excess = excess[known.feeding].sum(axis=0)[None]
    else:
        exposed = cube.frames.camera_exposed
        inside = np.where(footprint, camera_images, 0.0)
        excess = inside - smooth_within(fill_masked(inside, mask, footprint, fill), footprint, smooth_sigma)
    exposed = np.where(known.used, exposed, 0.0)
    source = source_terms(excess, exposed, mask, dropped, known)
    own_bti = own[known.bti & (known.n_frames > 0)]
    template_bti: Literal["own", "total"] = "own" if len(own_bti) and own_bti.all() else "total"
    return Expectation(templates, background, source, exposed, known.of_frame, footprint, mask, template_bti)


def _check(
    cube: SparseCube,
    footprint: BoolArray,
    list_mask: BoolArray,
    camera_images: FloatArray | None,
) -> None:
    """Refuse arrays that do not fit the cube."""
    shape = (cube.grid.n, cube.grid.n)
    expected: list[tuple[str, npt.NDArray[np.generic] | None, tuple[int, ...]]] = [
        ("footprint", footprint, shape),
        ("list_mask", list_mask, shape),
        ("camera_images", camera_images, (len(cube.frames.camera_exposed), *shape)),
    ]
    for name, array, wanted in expected:
        if array is not None and array.shape != wanted:
            msg = f"{name} must have shape {wanted}, got {array.shape}"
            raise ValueError(msg)
