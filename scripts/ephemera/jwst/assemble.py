"""From pieces of files to series: one detector and order each, in time, on one grid, masked.

Order of work: group, choose the clock, sort, unwrap numbers, align wavelengths, resolve stamps that occur
twice, set mask bits. Masked values are NaN and nothing is ever filled in. The result does not depend on the
order of the files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ephemera.jwst.clocks import Stamps, choose_times, resolve_duplicates, unwrap
from ephemera.jwst.flags import FEWEST_CHANNELS, Bit, Integration, valid
from ephemera.jwst.grids import Channels, reference_grid, regrid, same, usable
from ephemera.jwst.observation import BoolArray, ByteArray, FloatArray, IntArray, Piece, Series, SingleArray
from ephemera.jwst.outliers import find_outliers
from ephemera.jwst.problems import Action, Problem, Unusable
from ephemera.jwst.units import FLUX_DENSITIES, flux_factor, kind

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MaskedBox:
    """Cells masked by the user: a range of wavelength (um) and one of time (days), either open."""

    wavelength_um: tuple[float, float] | None = None
    time_d: tuple[float, float] | None = None


@dataclass(frozen=True)
class Assembly:
    """How pieces become series; the defaults are those of the configuration."""

    orders: tuple[int, ...] = ()
    detectors: tuple[str, ...] = ()
    outliers: bool = False
    visit_gap_hours: float = 0.5
    masked: tuple[MaskedBox, ...] = ()
    max_integrations: int = 200_000
    max_channels: int = 20_000
    max_cells: int = 2_000_000_000


@dataclass
class Assembled:
    """Series and problems; integrations by what became of them: read = used + refused."""

    series: list[Series] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    n_read: int = 0
    n_used: int = 0


def assemble(
    pieces: Sequence[Piece], options: Assembly, checksums: Mapping[str, str] | None = None
) -> Assembled:
    """All series of the pieces of one dataset.

    Raises Unusable when fluxes of different kinds of unit occur.
    """
    result = Assembled()
    chosen = [
        piece
        for piece in pieces
        if (not options.orders or piece.order in options.orders)
        and (not options.detectors or piece.detector in options.detectors)
    ]
    result.n_read = sum(len(piece) for piece in chosen)
    chosen = _one_kind(chosen)
    groups: dict[tuple[str, ...], list[Piece]] = {}
    for piece in sorted(chosen, key=lambda p: (p.file, p.extension)):
        groups.setdefault(_key(piece), []).append(piece)
    targets = sorted({key[0] for key in groups})
    if len(targets) > 1:
        message = f"several targets in one dataset: {', '.join(t or 'no name' for t in targets)}"
        result.problems.append(Problem("", "", "several_targets", message, Action.USED))
    for key in sorted(groups):
        try:
            _one_series(groups[key], options, checksums or {}, result)
        except Unusable as error:
            n_lost = sum(len(piece) for piece in groups[key])
            rows = Unusable(error.code, str(error), extension=error.extension, n_lost=n_lost)
            result.problems.append(rows.row(groups[key][0].file))
    refused = sum(p.n_lost for p in result.problems)
    assert result.n_read == result.n_used + refused, "every integration is used or refused"
    return result


def _key(piece: Piece) -> tuple[str, ...]:
    facts = piece.facts
    target = facts.get("TARGNAME") or facts.get("TARGPROP", "")
    optics = (facts.get("FILTER", ""), facts.get("GRATING", ""), facts.get("PUPIL", ""))
    return (target, facts.get("PROGRAM", ""), piece.detector, f"{piece.order:05d}", *optics)


def _one_kind(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces in the unit of the first, where units are of one kind."""
    units = sorted({piece.flux_unit for piece in pieces})
    if len({kind(unit) for unit in units}) > 1:
        message = f"fluxes in {' and '.join(units)} are of different kinds: make a dataset of each"
        raise Unusable("mixed_units", message, n_lost=sum(len(p) for p in pieces))
    if len(units) < 2:
        return list(pieces)
    wanted = min(units, key=lambda unit: list(FLUX_DENSITIES).index(unit))
    converted = []
    for piece in pieces:
        factor = np.float32(flux_factor(piece.flux_unit, wanted, np.ones(1))[0])
        converted.append(
            replace(piece, flux=piece.flux * factor, error=piece.error * factor, flux_unit=wanted)
        )
    return converted


@dataclass
class _Rows:
    """Integrations of a series on its grid, in time; `regridded` where values were interpolated."""

    wavelength: FloatArray
    flux: SingleArray
    error: SingleArray
    mask: ByteArray
    regridded: BoolArray


def _one_series(
    pieces: Sequence[Piece], options: Assembly, checksums: Mapping[str, str], result: Assembled
) -> None:
    chosen = choose_times(pieces)
    timed = [np.isfinite(days) for days in chosen.days]
    problems = list(chosen.problems)
    n_read = sum(len(piece) for piece in pieces)
    time = np.concatenate([days[good] for days, good in zip(chosen.days, timed, strict=True)])
    number = np.concatenate([piece.number[good] for piece, good in zip(pieces, timed, strict=True)])
    order = np.lexsort((number, time))
    time, number = time[order], unwrap(number[order])
    rows = _aligned(pieces, timed, order, options)
    _mark_cells(rows)
    stamps = resolve_duplicates(time, number, lambda i, j: _same_flux(rows, i, j))
    problems += _stamp_problems(pieces, stamps)
    flags = np.zeros(len(time), np.uint8)
    flags[stamps.repaired] |= np.uint8(Integration.TIME_REPAIRED)
    flags[rows.regridded] |= np.uint8(Integration.REGRIDDED)
    outside = _outside(pieces, timed, order)
    time = stamps.time
    if not stamps.keep.all():
        keep = stamps.keep
        rows = _Rows(
            rows.wavelength, rows.flux[keep], rows.error[keep], rows.mask[keep], rows.regridded[keep]
        )
        time, number, flags = time[keep], number[keep], flags[keep]
        outside = None if outside is None else outside[keep]
    _mask_more(rows, time, options)
    flags[_few_channels(rows)] |= np.uint8(Integration.FEW_CHANNELS)
    good = valid(rows.mask)
    if not good.any():
        raise Unusable(
            "all_masked",
            f"no valid value in {rows.flux.shape[0]} integrations of {rows.flux.shape[1]} channels",
        )
    np.copyto(rows.flux, np.float32(np.nan), where=~good)
    np.copyto(rows.error, np.float32(np.nan), where=~good)
    result.problems += problems
    result.n_used += len(time)
    assert n_read == len(time) + sum(p.n_lost for p in problems)
    files = {p.file: checksums.get(p.file, "") for p in sorted(pieces, key=lambda p: p.file)}
    result.series.append(
        Series(
            rows.wavelength,
            time,
            chosen.scale,
            rows.flux.T,
            rows.error.T,
            rows.mask.T,
            pieces[0].detector,
            pieces[0].order,
            number,
            pieces[0].flux_unit,
            flags,
            _key(pieces[0])[0],
            outside,
            files,
            pieces[0].facts,
        )
    )


def _aligned(
    pieces: Sequence[Piece], timed: Sequence[BoolArray], order: IntArray, options: Assembly
) -> _Rows:
    """All integrations in the order of time on the most frequent grid."""
    channels = [[usable(grid) for grid in piece.grids] for piece in pieces]
    counts = [
        np.bincount(p.grid_of[good], minlength=len(p.grids)) for p, good in zip(pieces, timed, strict=True)
    ]
    candidates = [
        (c.wavelength, int(n)) for cs, ns in zip(channels, counts, strict=True)
        for c, n in zip(cs, ns, strict=True) if n and len(c.wavelength)
    ]  # fmt: skip
    if not candidates:
        raise Unusable("no_wavelengths", "no finite, positive wavelength")
    target = reference_grid(candidates)
    _check_size(len(order), len(target), options)
    if (
        len(pieces) == 1
        and len(pieces[0].grids) == 1
        and timed[0].all()
        and _in_place(channels[0][0], pieces[0], order)
    ):
        piece = pieces[0]
        return _Rows(target, piece.flux, piece.error, piece.mask, np.zeros(len(order), bool))
    shape = (len(order), len(target))
    rows = _Rows(
        target, np.empty(shape, np.float32), np.empty(shape, np.float32), np.empty(shape, np.uint8),
        np.zeros(shape[0], bool),
    )  # fmt: skip
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first = 0
    for piece, good, known in zip(pieces, timed, channels, strict=True):
        index = np.flatnonzero(good)
        targets = place[first : first + len(index)]
        first += len(index)
        for k, channel in enumerate(known):
            chosen = piece.grid_of[index] == k
            if chosen.any():
                _place(rows, targets[chosen], piece, index[chosen], channel)
    return rows


def _in_place(channel: Channels, piece: Piece, order: IntArray) -> bool:
    return np.array_equal(channel.places, np.arange(piece.flux.shape[1])) and np.array_equal(
        order, np.arange(len(order))
    )


def _place(rows: _Rows, targets: IntArray, piece: Piece, index: IntArray, channel: Channels) -> None:
    """Put integrations `index` of a piece, all on one grid, into rows `targets`."""
    where = np.ix_(index, channel.places)
    flux, error, mask = piece.flux[where], piece.error[where], piece.mask[where]
    if not same(rows.wavelength, channel.wavelength):
        # What is not finite must be known as such before it enters a mean.
        mask = mask | np.where(np.isfinite(flux), np.uint8(0), np.uint8(Bit.NOT_FINITE))
        flux, error, mask, moved = regrid(rows.wavelength, channel.wavelength, flux, error, mask)
        rows.regridded[targets] = moved
    rows.flux[targets], rows.error[targets], rows.mask[targets] = flux, error, mask


def _check_size(n_time: int, n_channel: int, options: Assembly) -> None:
    for what, value, limit in (
        ("integrations", n_time, options.max_integrations),
        ("channels", n_channel, options.max_channels),
        ("cells", n_time * n_channel, options.max_cells),
    ):
        if value > limit:
            message = f"{value} {what}; at most {limit} are allowed (jwst.read.limits)"
            raise Unusable("too_large", message)


def _mark_cells(rows: _Rows) -> None:
    """Bits of values that are not finite and of errors that are missing or not positive."""
    rows.mask |= np.where(np.isfinite(rows.flux), np.uint8(0), np.uint8(Bit.NOT_FINITE))
    with np.errstate(invalid="ignore"):
        known = (rows.error > 0) & np.isfinite(rows.error)
    rows.mask |= np.where(known, np.uint8(0), np.uint8(Bit.NO_ERROR))
    np.copyto(rows.error, np.float32(np.nan), where=~known)


def _same_flux(rows: _Rows, i: int, j: int) -> bool:
    """Whether two integrations agree bit by bit where both are valid."""
    both = valid(rows.mask[i]) & valid(rows.mask[j])
    return bool(both.any() and np.array_equal(rows.flux[i][both], rows.flux[j][both]))


def _stamp_problems(pieces: Sequence[Piece], stamps: Stamps) -> list[Problem]:
    file, extension = pieces[0].file, pieces[0].extension
    found = []
    if stamps.n_same:
        message = f"{stamps.n_same} integrations occur twice with the same flux: the later ones were dropped"
        found.append(Problem(file, extension, "duplicate", message, Action.REFUSED, stamps.n_same))
    if stamps.n_other:
        message = f"{stamps.n_other} integrations have the time of another one: the first ones were kept"
        found.append(Problem(file, extension, "same_time", message, Action.REFUSED, stamps.n_other))
    if stamps.repaired.any():
        message = f"{int(stamps.repaired.sum())} time stamps were wrong and follow from integration numbers"
        found.append(Problem(file, extension, "time_repaired", message, Action.USED))
    return found


def _outside(pieces: Sequence[Piece], timed: Sequence[BoolArray], order: IntArray) -> BoolArray | None:
    if any(piece.out_of_transit is None for piece in pieces):
        return None
    parts = [
        p.out_of_transit[good] for p, good in zip(pieces, timed, strict=True) if p.out_of_transit is not None
    ]
    return np.concatenate(parts)[order]


def _mask_more(rows: _Rows, time: FloatArray, options: Assembly) -> None:
    """Boxes of the user, and outliers when asked for."""
    for box in options.masked:
        channels = _inside(rows.wavelength, box.wavelength_um)
        times = _inside(time, box.time_d)
        rows.mask[np.ix_(times, channels)] |= np.uint8(Bit.USER)
    if options.outliers:
        bad = find_outliers(rows.flux, valid(rows.mask), time, options.visit_gap_hours)
        rows.mask[bad] |= np.uint8(Bit.OUTLIER)


def _inside(values: FloatArray, limits: tuple[float, float] | None) -> BoolArray:
    if limits is None:
        return np.ones(len(values), bool)
    return (values >= limits[0]) & (values <= limits[1])


def _few_channels(rows: _Rows) -> BoolArray:
    """Integrations with too few valid channels, which are masked as a whole and stay in time."""
    least = FEWEST_CHANNELS if rows.flux.shape[1] >= FEWEST_CHANNELS else 1
    few: BoolArray = valid(rows.mask).sum(axis=1) < least
    rows.mask[few] |= np.uint8(Bit.NOT_FINITE)
    return few
