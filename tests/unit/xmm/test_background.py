import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ephemera.xmm.background import (
    NoBackground,
    background_template,
    fill_masked,
    footprint,
    gaussian_kernel,
    smooth_within,
)

EVERYWHERE = np.ones((9, 9), bool)
MASKS = hnp.arrays(bool, (9, 9))


def disc(centre=(4, 4), radius=2.0, size=9):
    j, i = np.mgrid[:size, :size]
    return np.hypot(j - centre[0], i - centre[1]) <= radius


# Footprint


def holes_in(*pixels):
    lit = np.zeros((9, 9))
    lit[1:8, 1:8] = 1
    for pixel in pixels:
        lit[pixel] = 0
    return lit


@pytest.mark.parametrize(
    ("hole", "closed"),
    [
        ([(4, 4)], True),
        ([(4, 4), (4, 5)], True),
        ([(4, 4), (5, 5)], True),
        ([(2, 2), (4, 4), (6, 6)], True),
        ([(4, 4), (4, 5), (4, 6)], False),
        ([(4, 4), (4, 5), (5, 4)], False),
    ],
)
def test_holes_of_up_to_two_pixels_are_closed(hole, closed):
    made = footprint(holes_in(*hole))
    expected = holes_in() if closed else holes_in(*hole)
    np.testing.assert_array_equal(made, expected > 0)


def test_dark_pixels_at_the_border_are_no_holes():
    lit = np.ones((9, 9))
    lit[0, 0] = lit[8, 3] = 0
    np.testing.assert_array_equal(footprint(lit), lit > 0)


def test_footprint_is_where_any_image_has_counts():
    a, b = np.zeros((9, 9)), np.zeros((3, 9, 9))
    a[2, 2], b[1, 5, 5] = 3, 1
    made = footprint(a, b)
    assert made.sum() == 2
    assert made[2, 2]
    assert made[5, 5]
    assert not footprint(np.zeros((9, 9))).any()


def test_footprint_needs_images_of_one_shape():
    with pytest.raises(ValueError, match="at least one image"):
        footprint()
    with pytest.raises(ValueError, match="one shape"):
        footprint(np.zeros((3, 3)), np.zeros((4, 4)))


# Filling


@pytest.mark.parametrize("method", ["laplace", "navier_stokes"])
def test_constant_surroundings_fill_with_the_constant(method):
    image = np.where(disc(), 1000.0, 7.0)
    filled = fill_masked(image, disc(), EVERYWHERE, method)
    np.testing.assert_allclose(filled, 7.0, rtol=1e-6 if method == "navier_stokes" else 1e-13)


@pytest.mark.parametrize("slope", [(1.0, 0.0), (0.0, -2.0), (3.0, 0.5)])
def test_linear_ramp_is_reproduced(slope):
    j, i = np.mgrid[:9, :9]
    ramp = 50 + slope[0] * i + slope[1] * j
    filled = fill_masked(np.where(disc(), 0.0, ramp), disc(), EVERYWHERE)
    np.testing.assert_allclose(filled, ramp, rtol=1e-12)


def test_pixel_between_two_neighbours_is_their_mean():
    filled = fill_masked(
        np.array([[7.0, 36.0, 5.0]]), np.array([[False, True, False]]), np.ones((1, 3), bool)
    )
    assert filled.tolist() == [[7.0, 6.0, 5.0]]


def laplace_by_hand(image, mask, inside):
    """Filled pixels from the dense matrix of the equations, pixel by pixel."""
    hole = [tuple(p) for p in np.argwhere(mask & inside)]
    matrix, right = np.zeros((len(hole), len(hole))), np.zeros(len(hole))
    for k, (j, i) in enumerate(hole):
        for q in ((j - 1, i), (j + 1, i), (j, i - 1), (j, i + 1)):
            if not (0 <= q[0] < 9 and 0 <= q[1] < 9 and inside[q]):
                continue
            matrix[k, k] += 1
            if mask[q]:
                matrix[k, hole.index(q)] -= 1
            else:
                right[k] += image[q]
    filled = np.where(inside, image, 0.0)
    # Least squares, because parts of the hole without a boundary have no equation.
    solution = np.linalg.lstsq(matrix, right, rcond=None)[0] if hole else []
    for pixel, value in zip(hole, solution, strict=True):
        filled[pixel] = value
    return filled


@given(MASKS, MASKS, hnp.arrays(float, (9, 9), elements=st.integers(0, 50)))
@settings(max_examples=60)
def test_fill_solves_the_equations_whatever_the_shapes(mask, inside, image):
    filled = fill_masked(image, mask, inside)
    known = inside & ~mask
    np.testing.assert_array_equal(filled[known], image[known])
    assert not filled[~inside].any()
    if known.any():
        assert filled[inside].min() >= image[known].min() - 1e-9
        assert filled[inside].max() <= image[known].max() + 1e-9
    by_hand = laplace_by_hand(image, mask, inside)
    joined = np.array(known)
    for _ in range(81):
        spread = np.pad(joined, 1)
        near = spread[:-2, 1:-1] | spread[2:, 1:-1] | spread[1:-1, :-2] | spread[1:-1, 2:]
        joined |= near & inside
    np.testing.assert_allclose(filled[joined], by_hand[joined], atol=1e-9)
    alone = inside & ~joined
    if known.any():
        np.testing.assert_allclose(filled[alone], image[known].mean())


def test_layers_are_filled_as_each_alone():
    rng = np.random.default_rng(1)
    layers = rng.poisson(20, (3, 9, 9)).astype(float)
    together = fill_masked(layers, disc(), EVERYWHERE)
    for layer, filled in zip(layers, together, strict=True):
        np.testing.assert_allclose(filled, fill_masked(layer, disc(), EVERYWHERE), rtol=1e-13)


def test_nothing_flows_across_the_edge_of_the_footprint():
    inside = EVERYWHERE.copy()
    inside[:, 6:] = False
    image = np.where(inside, 7.0, 0.0)
    mask = disc((4, 5), 1.5)
    for method in ("laplace", "navier_stokes"):
        np.testing.assert_allclose(fill_masked(image, mask, inside, method)[inside], 7.0, rtol=1e-6)


def test_without_unmasked_pixels_the_fill_is_zero():
    assert not fill_masked(np.ones((9, 9)), EVERYWHERE, EVERYWHERE).any()


def test_input_is_left_alone():
    image = np.where(disc(), 1000.0, 7.0)
    before = image.copy()
    fill_masked(image, disc(), EVERYWHERE)
    np.testing.assert_array_equal(image, before)


def test_bad_fill_requests_are_refused():
    with pytest.raises(ValueError, match="method must be one of laplace, navier_stokes"):
        fill_masked(np.ones((9, 9)), disc(), EVERYWHERE, "telea")
    with pytest.raises(ValueError, match="share a shape"):
        fill_masked(np.ones((8, 9)), disc(), EVERYWHERE)


# Smoothing


def test_weights_of_half_a_pixel_on_five_by_five():
    kernel = gaussian_kernel(0.5)
    assert len(kernel) == 5
    assert kernel[2] ** 2 == pytest.approx(0.618694, abs=5e-7)
    assert kernel[2] * kernel[1] == pytest.approx(0.083731, abs=5e-7)
    assert kernel[1] ** 2 == pytest.approx(0.011332, abs=5e-7)
    assert kernel.sum() == pytest.approx(1, abs=1e-15)


def test_a_point_spreads_by_the_weights():
    image = np.zeros((9, 9))
    image[4, 4] = 1
    smooth = smooth_within(image, EVERYWHERE, 0.5)
    assert smooth[4, 4] == pytest.approx(0.618694, abs=5e-7)
    assert smooth[4, 5] == smooth[3, 4] == pytest.approx(0.083731, abs=5e-7)
    assert smooth[5, 5] == pytest.approx(0.011332, abs=5e-7)
    assert smooth.sum() == pytest.approx(1)


@given(MASKS, st.sampled_from([0.5, 1.0, 2.3]))
def test_a_constant_stays_constant_in_any_footprint(inside, sigma):
    smooth = smooth_within(np.full((9, 9), 3.0), inside, sigma)
    np.testing.assert_allclose(smooth[inside], 3.0, rtol=1e-12)
    assert not smooth[~inside].any()


def test_what_lies_outside_the_footprint_does_not_enter():
    image = np.where(disc(), 2.0, 1e6)
    np.testing.assert_allclose(smooth_within(image, disc(), 0.5)[disc()], 2.0)


def test_smoothing_by_zero_changes_nothing_inside():
    image = np.arange(81.0).reshape(9, 9)
    np.testing.assert_array_equal(smooth_within(image, disc(), 0.0), np.where(disc(), image, 0.0))


@pytest.mark.parametrize("sigma", [-1.0, float("nan"), float("inf")])
def test_sigma_must_be_a_width(sigma):
    with pytest.raises(ValueError, match="sigma must be a positive number"):
        smooth_within(np.ones((9, 9)), EVERYWHERE, sigma)


# Template


@given(hnp.arrays(float, (9, 9), elements=st.integers(0, 20)), MASKS, MASKS)
@settings(max_examples=50)
def test_template_sums_to_one_outside_the_sources(image, mask, inside):
    counts = image[inside & ~mask].sum()
    if counts == 0:
        with pytest.raises(NoBackground):
            background_template(image, mask, inside, smooth_sigma=0.0)
        return
    template, total = background_template(image, mask, inside, smooth_sigma=0.0)
    assert total == counts
    assert template[inside & ~mask].sum() == pytest.approx(1)
    assert not template[~inside].any()
    assert (template >= 0).all()


def test_smoothing_keeps_a_flat_template_flat_up_to_its_edges():
    template, total = background_template(np.where(disc(), 99.0, 2.0), disc(), EVERYWHERE)
    np.testing.assert_allclose(template, 2 / total)
