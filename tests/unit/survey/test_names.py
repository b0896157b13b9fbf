"""Names that notebooks import, with the arguments that they pass."""

import inspect

import pytest

from ephemera.survey import efficiency, finder, histogram, quality, robust, templates, tess, ztf

SIGNATURES = {
    robust.robust_mean_rms: "(values, good=None)",
    ztf.reduce: "(table, source, gap_days=40, mag_range=None, radius_arcsec=3, drop_bad=False)",
    quality.offset_score: "(ra_deg, dec_deg, good)",
    finder.find_events: "(time, snr, usable, threshold=5, sideband=3, signs='both', max_gap_days=None)",
    efficiency.wilson: "(k, n)",
}


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda f: f.__name__)
def test_names_take_the_arguments_that_notebooks_pass(function):
    given = inspect.signature(function)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in given.parameters.values()]
    assert str(inspect.Signature(plain)) == SIGNATURES[function]


def test_names_that_take_more_take_these():
    assert list(inspect.signature(templates.bank).parameters) == [
        "shape",
        "min_width",
        "max_width",
        "overlap",
    ]
    assert next(iter(inspect.signature(tess.read_light_curve).parameters)) == "path"
    assert list(inspect.signature(histogram.add).parameters) == ["first", "second"]
