"""Tables that the fast reader does not understand, rewritten by astropy into ones that it does.

Columns of variable length, complex layouts, heaps: astropy reads them, and the columns that matter are
written again with one fixed length, padded with NaN.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

#: Columns that the readers use.
WANTED = (
    "INT_NUM", "WAVELENGTH", "FLUX", "FLUX_ERROR", "ERROR", "FLUX_VAR_POISSON", "FLUX_VAR_RNOISE",
    "FLUX_VAR_FLAT", "DQ", "N_ALONGDISP", "MJD-BEG", "MJD-AVG", "TDB-MID",
)  # fmt: skip


def rewritten(content: bytes) -> bytes:
    """The same file with plain EXTRACT1D tables.

    Raises ValueError, with what astropy says, for what it cannot read either.
    """
    from astropy.io import fits  # 0.3 s that ordinary files need not spend

    try:
        with warnings.catch_warnings(action="ignore"):
            return _rewritten(fits, content)
    except (
        OSError, TypeError, KeyError, IndexError, AttributeError, OverflowError, fits.VerifyError,
    ) as error:  # fmt: skip
        # A damaged header shows anywhere in astropy, by whatever it stumbles over.
        raise ValueError(str(error)) from error


def _rewritten(fits: Any, content: bytes) -> bytes:
    with fits.open(io.BytesIO(content), memmap=False) as source:
        units = [source[0].copy()]
        for unit in source[1:]:
            if unit.name == "EXTRACT1D":
                units.append(_plain(fits, unit))
            elif unit.name in ("INT_TIMES", "SCI"):
                units.append(unit.copy())
        target = io.BytesIO()
        fits.HDUList(units).writeto(target, output_verify="silentfix")
    return target.getvalue()


def _plain(fits: Any, unit: Any) -> Any:
    columns = []
    for column in unit.columns:
        if column.name.upper() not in WANTED:
            continue
        values = unit.data[column.name]
        if values.dtype == object:
            values = _padded(values)
        kind = "D" if values.dtype.kind == "f" else "K"
        count = int(np.prod(values.shape[1:])) if values.ndim > 1 else 1
        columns.append(
            fits.Column(
                name=column.name,
                format=f"{count}{kind}",
                unit=column.unit,
                array=values.astype(np.float64 if kind == "D" else np.int64),
            )
        )
    plain = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")
    for key in ("SPORDER", "DETECTOR", "INT_NUM", "MJD-AVG", "MJD-BEG", "TDB-MID"):
        if key in unit.header:
            plain.header[key] = unit.header[key]
    return plain


def _padded(values: Any) -> Any:
    longest = max((len(row) for row in values), default=0)
    padded = np.full((len(values), longest), np.nan)
    for k, row in enumerate(values):
        padded[k, : len(row)] = row
    return padded
