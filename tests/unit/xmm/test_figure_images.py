from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from astropy.wcs import WCS

from ephemera.figures.style import COLOURS, figure
from ephemera.sky.tan import Plane
from ephemera.xmm.figure_images import (
    Box,
    counts_image,
    counts_image_height,
    template_panels,
    template_panels_height,
)
from ephemera.xmm.image_files import sky_header
from ephemera.xmm.run_images import RunImages
from xmm_cubes import grid_of

SIDE = 24
WORLD = WCS(sky_header(grid_of(SIDE), Plane(10.0, 0.0))).sub(2)


def images(**changes) -> RunImages:
    counts = np.random.default_rng(0).poisson(20, (SIDE, SIDE)).astype(float)
    footprint = np.zeros((SIDE, SIDE), bool)
    footprint[4:-2, 3:-3] = True
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:12, 10:13] = True
    share = np.where(footprint, 1 / footprint.sum(), np.nan)
    source, sigma = np.where(mask, 5.0, 0.0), np.where(footprint, 1.0, np.nan)
    return dataclasses.replace(
        RunImages(counts, mask, footprint, share, share, source, sigma), **changes
    )  # fmt: skip


def nothing() -> RunImages:
    empty, unknown, nowhere = (
        np.zeros((SIDE, SIDE)),
        np.full((SIDE, SIDE), np.nan),
        np.zeros((SIDE, SIDE), bool),
    )
    return RunImages(empty, nowhere, nowhere, None, None, empty, unknown)


BOXES = [
    Box(5, 6, 7, 8, "peak", 1, True),
    Box(5, 6, 6, 7, "eclipse", 1, False),
    Box(9, 9, 10, 10, "both", 2, False),
]


def test_the_counts_image_has_sky_axes_boxes_labels_and_a_bar_with_its_unit():
    made = images()
    with figure(2, height=counts_image_height(made)) as drawn:
        counts_image(drawn, made, WORLD, BOXES, "title")
        drawn.canvas.draw()
        axes = drawn.axes[0]
        assert axes.coords[0].get_axislabel() == "Right ascension (ICRS)"
        assert axes.coords[1].get_axislabel() == "Declination (ICRS)"
        corners = [(patch.get_xy(), patch.get_width(), patch.get_height()) for patch in axes.patches]
        assert corners[0] == ((4.5, 5.5), 2, 2)
        assert [text.get_text() for text in axes.texts] == ["1", "2"]
        assert axes.child_axes[0].get_ylabel() == "Counts per pixel of 108 arcsec"
        names = [text.get_text() for text in drawn.legends[0].get_texts()]
        widths = [patch.get_linewidth() for patch in axes.patches]
    assert names == [
        "source mask", "peak (1)", "eclipse (1)", "peak and eclipse (1)", "this run (1)", "other runs (2)",
    ]  # fmt: skip
    assert widths[0] > widths[1] == widths[2]


def test_a_place_is_labelled_once_at_its_largest_box():
    made = images()
    with figure(2, height=counts_image_height(made)) as drawn:
        counts_image(drawn, made, WORLD, BOXES, "title")
        assert [text.xy for text in drawn.axes[0].texts] == [(6.5, 7.5), (9.5, 9.5)]


def test_kinds_have_the_colours_of_their_roles():
    made = images()
    with figure(2, height=counts_image_height(made)) as drawn:
        counts_image(drawn, made, WORLD, BOXES, "title")
        drawn.canvas.draw()
        handles = dict(
            zip(("source mask", "peak", "eclipse", "both"), drawn.legends[0].get_lines(), strict=False)
        )
        assert {name: handle.get_color() for name, handle in handles.items()} == {
            name: COLOURS[name] for name in handles
        }


def test_template_panels_show_six_images_with_their_meaning():
    made = images()
    with figure(2, height=template_panels_height(made)) as drawn:
        template_panels(drawn, made, WORLD, "title")
        drawn.canvas.draw()
        panels = [axes for axes in drawn.axes if axes.images]
        names = [axes.texts[0].get_text() for axes in panels]
        assert [len(axes.child_axes) for axes in panels] == [1, 1, 1, 0, 1, 1]
    assert names == [
        "(a) Counts per pixel", "(b) Background, good time [1e-4]", "(c) Background, bad time [1e-4]",
        "(d) Source mask", "(e) Source counts per frame", "(f) Largest significance [sigma]",
    ]  # fmt: skip


@pytest.mark.parametrize("made", [images(bad=None), images(good=None, source=np.zeros((SIDE, SIDE)))])
def test_missing_parts_say_none(made):
    with figure(2, height=template_panels_height(made)) as drawn:
        template_panels(drawn, made, WORLD, "title")
        texts = [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert texts.count("none") == 1 + (made.bad is not None)


@pytest.mark.parametrize(
    ("draw", "height"), [(counts_image, counts_image_height), (template_panels, template_panels_height)]
)
def test_images_without_any_count_are_drawn(draw, height):
    with figure(2, height=height(nothing())) as drawn:
        boxes = ([],) if draw is counts_image else ()
        draw(drawn, nothing(), WORLD, *boxes, "title")
        drawn.canvas.draw()
        assert drawn.axes[0].get_xlim() == (-2.5, SIDE + 1.5)
