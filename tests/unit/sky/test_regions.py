"""Region files: the three systems put a shape at the same place, and labels cannot break out."""

import re
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.regions import HEADER, boxes, circles
from ephemera.sky.tan import Plane

PLANE = Plane(195.361708333333, 27.7594166666667)


def numbers(text):
    """Numbers of each shape of a region file."""
    shapes = re.findall(r"; (?:circle|box)\((.*?)\)", text)
    return np.array([[float(n.rstrip('"')) for n in shape.split(",")] for shape in shapes])


def test_a_circle_of_the_catalogue():
    text = circles([195.50039, 10.0], [27.78237, -0.5], ["peak", "both"], ["1", "2"])
    assert text.splitlines() == [
        "# Region file format: DS9 version 4.1",
        'fk5; circle(195.5003900,+27.7823700,20") # color=cyan text={1}',
        'fk5; circle(10.0000000,-0.5000000,20") # color=blue text={2}',
    ]
    assert text.endswith("\n")


def test_circles_on_the_event_plane_and_its_image():
    ra, dec = PLANE.to_sky(17000.5, 27400.5)
    physical = circles(ra, dec, ["eclipse"], ["a"], system="physical", plane=PLANE)
    assert "physical; circle(17000.500,27400.500,400) # color=green text={a}" in physical
    image = circles(ra, dec, ["eclipse"], ["a"], system="image", plane=PLANE)
    np.testing.assert_allclose(numbers(image), [[213.0, 343.0, 5.0]])


def test_boxes_in_three_systems():
    edges = (0.5 + 400 * 42, 0.5 + 400 * 68, 0.5 + 400 * 44, 0.5 + 400 * 69)
    arguments = (*([edge] for edge in edges), ["peak"], ["7"])
    physical = boxes(*arguments, plane=PLANE, system="physical")
    np.testing.assert_allclose(numbers(physical), [[17200.5, 27400.5, 800, 400, 0]])
    # Pixel (42, 68) of 20 arcsec covers image pixels 211..215 and 341..345.
    image = boxes(*arguments, plane=PLANE, system="image")
    np.testing.assert_allclose(numbers(image), [[215.5, 343.0, 10, 5, 0]])
    sky = boxes(*arguments, plane=PLANE)
    ra, dec = PLANE.to_sky(17200.5, 27400.5)
    np.testing.assert_allclose(numbers(sky), [[ra, dec, 40, 20, 0]], atol=1e-7)
    assert '40",20",0)' in sky


@pytest.mark.real_data
def test_systems_agree_on_a_pipeline_image(shared_data):
    path = shared_data / "xmm" / "exod1_0124710801" / "PN_image.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.getheader(path)
        wcs = WCS(header)
    plane = Plane(header["REFXCRVL"], header["REFYCRVL"])
    ra, dec = [195.50039, 195.2], [27.78237, 27.9]
    kinds, labels = ["peak", "eclipse"], ["a", "b"]
    image = numbers(circles(ra, dec, kinds, labels, system="image", plane=plane))
    physical = numbers(circles(ra, dec, kinds, labels, system="physical", plane=plane))
    np.testing.assert_allclose(image[:, :2], wcs.all_world2pix(np.stack([ra, dec], 1), 1), atol=2e-3)
    # DS9 finds physical coordinates through LTM and LTV: image = LTM * physical + LTV.
    np.testing.assert_allclose(image[:, 0], header["LTM1_1"] * physical[:, 0] + header["LTV1"], atol=1e-3)


@given(st.text(max_size=30))
def test_a_label_stays_in_its_braces_and_on_its_line(label):
    text = circles([10.0], [5.0], ["peak"], [label])
    lines = text.removeprefix(HEADER).split("\n")
    assert len(lines) == 2
    assert len(text.splitlines()) == 2
    assert re.fullmatch(r'fk5; circle\(10\.0000000,\+5\.0000000,20"\) # color=cyan text=\{[^{}]*\}', lines[0])


def test_ordinary_labels_are_kept():
    assert "text={0724210501_0_5_2.0_12.0_x042y068}" in circles(
        [1.0], [1.0], ["peak"], ["0724210501_0_5_2.0_12.0_x042y068"]
    )
    assert "text={(a) b c}" in circles([1.0], [1.0], ["peak"], ["{a} b\nc"])


def test_nothing_found_is_a_file_with_a_header():
    assert circles([], [], [], []) == HEADER
    assert boxes([], [], [], [], [], [], plane=PLANE) == HEADER


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ["flare"]}, "kinds must be one of peak, eclipse, both, got flare"),
        ({"kinds": []}, "one length, got 1, 0, 1"),
        ({"labels": ["a", "b"]}, "one length, got 1, 1, 2"),
        ({"ra": [np.nan]}, "positions must be finite"),
        ({"radius_arcsec": 0.0}, "radius_arcsec must be positive"),
        ({"system": "galactic"}, "system must be one of fk5, image, physical"),
        ({"system": "image"}, "plane must be given"),
        ({"system": "image", "plane": PLANE, "ra": [15.0]}, "on the plane, number 0"),
    ],
)
def test_what_circles_refuse(change, message):
    good = {"ra": [10.0], "dec": [5.0], "kinds": ["peak"], "labels": ["a"]}
    with pytest.raises(ValueError, match=message):
        circles(**(good | change))


def test_boxes_without_area():
    with pytest.raises(ValueError, match="must exceed"):
        boxes([1.0], [1.0], [1.0], [2.0], ["peak"], ["a"], plane=PLANE)
