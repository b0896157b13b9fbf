"""Source lists that must cost a search a warning at most: empty, elsewhere, incomplete, unreadable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ephemera.seeds import generator
from ephemera.xmm.observation import EPIC, Camera
from ephemera.xmm.simulate_fits import Hdu, compress, encode, write_bytes, write_hdus
from ephemera.xmm.simulate_hostile import DURATION, OBSID
from ephemera.xmm.simulate_scene import NOMINAL_POINTING, Source
from ephemera.xmm.simulate_source_list import source_list


def _source_hdus(number: int = 5) -> list[Hdu]:
    """HDUs of a small good source list."""
    sources = [Source(25921.0 + 2000 * k, 25921.0 - 1500 * k, 0.05 * (k + 1)) for k in range(number)]
    share = {camera: np.full(number, 1 / 3) for camera in EPIC}
    seconds = dict.fromkeys(Camera, DURATION)
    return source_list(generator(0, "hostile sources"), NOMINAL_POINTING, sources, share, seconds, OBSID)


def _write_sources(folder: Path, change: Callable[[Hdu], Hdu]) -> Path:
    primary, table = _source_hdus()
    return write_hdus(folder / f"P{OBSID}EPX000OBSMLI0000.FTZ", [primary, change(table)])


def healthy_sources(folder: Path) -> Path:
    """Write the good source list that the bad ones are made from."""
    return _write_sources(folder, lambda table: table)


def sources_zero_rows(folder: Path) -> Path:
    """A source list without sources."""
    return _write_sources(folder, lambda table: table.with_rows(slice(0)))


def sources_all_outside(folder: Path) -> Path:
    """A source list of the opposite side of the sky."""

    def change(table: Hdu) -> Hdu:
        for name in ("RA", "RA_CORR"):
            table = table.with_column(name, (table[name] + 180) % 360)
        for name in ("DEC", "DEC_CORR"):
            table = table.with_column(name, -table[name])
        return table

    return _write_sources(folder, change)


def sources_nan_rates(folder: Path) -> Path:
    """A source list without any rate."""

    def change(table: Hdu) -> Hdu:
        for column in table.columns or ():
            if column.name.endswith("_RATE") or column.name == "EP_TOT":
                table = table.with_column(column.name, np.full(len(column.values), np.nan))
        return table

    return _write_sources(folder, change)


def sources_without_corrected_positions(folder: Path) -> Path:
    """A source list without RA_CORR and DEC_CORR, its column names in lower case."""

    def change(table: Hdu) -> Hdu:
        table = table.without_columns("RA_CORR", "DEC_CORR")
        return replace(table, columns=tuple(replace(c, name=c.name.lower()) for c in table.columns or ()))

    return _write_sources(folder, change)


def sources_unreadable(folder: Path) -> Path:
    """A source list whose compressed stream stops half-way."""
    data = compress(encode(_source_hdus()))
    return write_bytes(folder / f"P{OBSID}EPX000OBSMLI0000.FTZ", data[: len(data) // 2])


#: Source lists that must cost a warning at most.
SOURCE_LISTS: Mapping[str, Callable[[Path], Path]] = MappingProxyType(
    {
        writer.__name__: writer
        for writer in (
            sources_zero_rows, sources_all_outside, sources_nan_rates,
            sources_without_corrected_positions, sources_unreadable,
        )
    }
)  # fmt: skip
