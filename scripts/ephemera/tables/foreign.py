"""Catalogue files of any of the usual formats as Arrow columns; numbers with 64 bits stay whole."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

log = logging.getLogger(__name__)

#: Format of each suffix.
FORMATS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".fits": "fits",
    ".fit": "fits",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
}


class CatalogueError(Exception):
    """The catalogue cannot be used; the message names file, column or row and what is allowed."""


def format_of(path: Path) -> str:
    """Format by suffix, `.gz` ignored. Raises CatalogueError for another suffix."""
    name = path.name.lower().removesuffix(".gz")
    kind = FORMATS.get(Path(name).suffix)
    if kind is None:
        msg = f"{path}: the suffix must be one of {', '.join(FORMATS)}, or the format be given"
        raise CatalogueError(msg)
    return kind


def read_columns(
    path: Path, names: Sequence[str], kind: str | None = None, optional: frozenset[str] = frozenset()
) -> pa.Table:
    """Columns `names` of a catalogue file, each once, without those `optional` ones that it lacks.

    Raises CatalogueError for an unreadable file and for another absent column.
    """
    with _reading(path, kind) as (available, get):
        absent = [name for name in names if name not in available]
        if absent:
            log.info("%s: there is no column %s", path, ", ".join(absent))
        missing = [name for name in absent if name not in optional]
        if missing:
            msg = (
                f"{path}: there is no column {', '.join(missing)}; the file has {', '.join(available[:40])}. "
                "Name its columns in the configuration"
            )
            raise CatalogueError(msg)
        return pa.table({name: get(name) for name in names if name not in absent})


def read_all(path: Path, kind: str | None = None) -> pa.Table:
    """All columns of a catalogue file that hold one value a row. Raises CatalogueError."""
    with _reading(path, kind) as (available, get):
        columns = {}
        for name in available:
            try:
                columns[name] = get(name)
            except (pa.ArrowException, ValueError):
                log.info("%s: column %s holds arrays and is left out", path, name)
        return pa.table(columns)


@contextmanager
def _reading(path: Path, kind: str | None) -> Iterator[tuple[list[str], Callable[[str], pa.Array]]]:
    """Names of the columns of a file, and a function that reads one; what goes wrong is a CatalogueError."""
    form = kind or format_of(path)
    reader = {"csv": _csv, "fits": _fits, "hdf5": _hdf5, "parquet": _parquet, "votable": _votable}[form]
    try:
        yield reader(path)
    except CatalogueError:
        raise
    except Exception as error:
        # Damaged files make the libraries raise anything: TypeError, EOFError, zlib.error, ExpatError, ...
        msg = f"{path} cannot be read as {form}: {error}"
        raise CatalogueError(msg) from error


def plain_array(values: Any) -> pa.Array:
    """Arrow array of a column: native byte order, byte strings decoded, masked elements null."""
    mask = None
    if isinstance(values, np.ma.MaskedArray):
        mask, values = (
            np.ma.getmaskarray(values),
            values.filled() if values.dtype.kind == "O" else values.data,
        )
    array = np.asarray(values)
    if array.dtype.kind == "S":
        array = np.char.strip(np.char.decode(array, "utf-8", "replace"))
    elif array.dtype.kind == "O":
        decoded = [
            v.decode("utf-8", "replace").strip() if isinstance(v, bytes) else v for v in array.tolist()
        ]
        return pa.array([None if v is np.ma.masked else v for v in decoded], from_pandas=True)
    elif not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.kind == "U":
        return pa.array(array.tolist(), pa.string(), mask=mask)
    return pa.array(array, mask=mask, from_pandas=True)


def _csv(path: Path) -> tuple[list[str], Any]:
    import pyarrow.csv as pcsv

    opener = pa.input_stream(str(path), compression="gzip" if path.name.endswith(".gz") else None)
    with opener as stream:
        delimiter = "\t" if ".tsv" in path.name.lower() else ","
        table = pcsv.read_csv(
            stream,
            parse_options=pcsv.ParseOptions(delimiter=delimiter),
            convert_options=pcsv.ConvertOptions(strings_can_be_null=True),
        )
    stripped = [name.strip() for name in table.column_names]
    table = table.rename_columns(stripped)
    return stripped, lambda name: table[name]


def _parquet(path: Path) -> tuple[list[str], Any]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    return file.schema_arrow.names, lambda name: _plain_text(file.read(columns=[name])[name])


def _plain_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column without dictionaries, and with the usual type of texts: writers differ in both."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    large = pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type)
    return values.cast(pa.string()) if large else values


def _fits(path: Path) -> tuple[list[str], Any]:
    from astropy.io import fits

    with fits.open(path, memmap=not path.name.endswith(".gz")) as hdus:
        hdu = _first_table(hdus)
        if hdu is None:
            msg = "there is no table in the file"
            raise ValueError(msg)
        data = hdu.data
        nulls = {column.name: column.null for column in hdu.columns}
        logical = {column.name: column.format == "L" for column in hdu.columns}

    def get(name: str) -> pa.Array:
        if logical[name]:
            letters = data.view(np.ndarray)[name].view(np.uint8)
            return plain_array(np.ma.MaskedArray(letters == ord("T"), mask=letters == 0))
        values = np.asarray(data[name])
        if nulls.get(name) is not None and values.dtype.kind in "iu":
            return plain_array(np.ma.masked_equal(values, nulls[name]))
        return plain_array(values)

    return list(data.names), get


def _first_table(hdus: Any) -> Any:
    from astropy.io import fits

    return next((hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)), None)


def _votable(path: Path) -> tuple[list[str], Any]:
    data = _votable_of(path).array
    return list(data.dtype.names), lambda name: plain_array(data[name])


def _votable_of(path: Path) -> Any:
    from astropy.io.votable import parse_single_table

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse_single_table(path, verify="ignore")


def _hdf5(path: Path) -> tuple[list[str], Any]:
    """A compound dataset, or a pandas group (table or fixed format) as pandas writes it."""
    import h5py

    found: dict[str, Any] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.names and "__table_column_meta__" not in name:
            found.setdefault("table", item[:])
        elif isinstance(item, h5py.Group) and "axis0" in item and "block0_values" in item:
            found.setdefault("frame", _frame(item))
            found.setdefault("columns", list(found["frame"]))

    with h5py.File(path) as handle:
        handle.visititems(visit)
    if "frame" in found:
        return found["columns"], lambda name: plain_array(found["frame"][name])
    if "table" not in found:
        msg = "there is neither a compound dataset nor a pandas group in the file"
        raise ValueError(msg)
    columns = _unpacked(found["table"])
    return list(columns), lambda name: plain_array(columns[name])


def _frame(group: Any) -> dict[str, Any]:
    """Columns of a pandas DataFrame stored in the fixed format, whose blocks hold columns of a type."""
    columns: dict[str, Any] = {}
    for key in sorted(group):
        if not key.endswith("_values") or not key.startswith("block"):
            continue
        names = group[key.replace("_values", "_items")][:]
        values = group[key]
        if values.dtype.kind == "O" or _holds_objects(values):
            continue  # pickled objects are never opened
        for number, name in enumerate(names):
            columns[name.decode()] = values[:, number]
    return columns


def _holds_objects(dataset: Any) -> bool:
    """Whether a dataset holds values of variable length (which pandas uses for pickles)."""
    import h5py

    return h5py.check_vlen_dtype(dataset.dtype) is not None


def _unpacked(table: Any) -> dict[str, Any]:
    """Columns of a compound dataset; blocks of several columns (pandas tables) are numbered."""
    columns: dict[str, Any] = {}
    for name in table.dtype.names:
        values = table[name]
        if values.ndim == 1:
            columns[name] = values
        else:
            columns |= {f"{name}.{number}": values[:, number] for number in range(values.shape[1])}
    return columns


def degrees(values: pa.ChunkedArray | pa.Array, hours: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Angles, degrees, of numbers or sexagesimal text (`hours`: h m s); NaN where missing or unreadable."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)
    texts = pc.utf8_trim_whitespace(array).to_pylist()
    return np.array([_angle(text, hours=hours) for text in texts], np.float64)


def _angle(text: str | None, *, hours: bool) -> float:
    """One angle in degrees; colons, blanks or the letters h m s, d m s may part its fields."""
    if not text:
        return float("nan")
    body = text.lstrip("+-")
    parts = body.replace(":", " ").translate(str.maketrans("hdms°'\"", "       ")).split()
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return float("nan")
    if len(numbers) == 1:
        return float(text)
    if len(numbers) > 3 or any(not 0 <= number < 60 for number in numbers[1:]):
        return float("nan")
    size = sum(number / 60**k for k, number in enumerate(numbers))
    return float((15.0 if hours else 1.0) * (-size if text.startswith("-") else size))


def column_facts(path: Path) -> dict[str, tuple[str | None, str | None]]:
    """Unit and UCD of each column as a FITS or VOTable file tells them; nothing for other formats."""
    kind = format_of(path)
    if kind == "fits":
        from astropy.io import fits

        with fits.open(path, memmap=not path.name.endswith(".gz")) as hdus:
            hdu = _first_table(hdus)
            if hdu is None:
                return {}
            return {
                column.name: (column.unit, hdu.header.get(f"TUCD{number}"))
                for number, column in enumerate(hdu.columns, start=1)
            }
    if kind == "votable":
        fields = _votable_of(path).fields
        return {field.name: (str(field.unit) if field.unit else None, field.ucd) for field in fields}
    return {}
