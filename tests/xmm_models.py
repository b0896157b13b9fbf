"""Random and worked cubes of 6 x 6 pixels whose expectations are known, for tests."""

import numpy as np
from hypothesis import strategies as st

from ephemera.xmm.expected_counts import build_expectation
from xmm_cubes import cube_of

NONE = np.zeros((6, 6), bool)
ALL = np.ones((6, 6), bool)
SOURCE = NONE.copy()
SOURCE[2:4, 2:4] = True
#: A background whose shape solves the Laplace equation, so that filled pixels are exact.
RAMP = 3.0 + np.arange(6)[None, :] + 2.0 * np.arange(6)[:, None]


def expectation_of(cube, footprint=ALL, mask=NONE, **options):
    """An expectation without smoothing and without a search for further sources."""
    options = {"smooth_sigma": 0.0, "min_source_counts": np.inf} | options
    return build_expectation(cube, footprint, mask, **options)


@st.composite
def models(draw):
    """A random cube of 6 x 6 pixels with sources, flares, unusable frames and partial exposures."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(20, 60))
    flaring = np.flatnonzero(rng.random(n) < draw(st.sampled_from([0.0, 0.03, 0.4, 0.8, 1.0])))
    unusable = np.flatnonzero(rng.random(n) < draw(st.sampled_from([0.0, 0.2])))
    exposed = np.where(rng.random(n) < 0.2, rng.uniform(0.2, 1, n), 1.0)
    strength = exposed * (1 + 3 * np.isin(np.arange(n), flaring))
    mu = 0.3 * RAMP * strength[:, None, None] + 20 * SOURCE * exposed[:, None, None]
    cube = cube_of(rng.poisson(mu), bti=flaring, bccd=unusable, exposed=exposed)
    return cube, SOURCE | (rng.random((6, 6)) < 0.1)
