"""Small EPIC event lists, as files with astropy and as dataclasses, for tests."""

from __future__ import annotations

import gzip
import io
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits

from ephemera.xmm.observation import Camera, EventList, Events, ListHeader, Subset

OBSID = "0884250101"
INSTRUME = {Camera.PN: "EPN", Camera.M1: "EMOS1", Camera.M2: "EMOS2"}
FORMATS = {
    "TIME": "D", "RAWX": "I", "RAWY": "I", "DETX": "I", "DETY": "I", "X": "J", "Y": "J", "PHA": "I",
    "PI": "I", "FLAG": "J", "PATTERN": "B", "CCDNR": "B",
}  # fmt: skip
EMPTY = np.empty(0)


def rows(n: int = 100, *, t0: float = 1000.0, span: float = 1000.0, ccds=(1, 2), seed: int = 0) -> dict:
    """Columns of `n` events that pass every cut, unsorted in time."""
    rng = np.random.default_rng(seed)
    return {
        "TIME": rng.uniform(t0, t0 + span, n),
        "RAWX": rng.integers(14, 28, n),
        "RAWY": rng.integers(24, 197, n),
        "DETX": rng.integers(-19000, 19000, n),
        "DETY": rng.integers(-19000, 19000, n),
        "X": rng.integers(1, 51841, n),
        "Y": rng.integers(1, 51841, n),
        "PHA": rng.integers(30, 2000, n),
        "PI": rng.integers(200, 12001, n),
        "FLAG": np.zeros(n, int),
        "PATTERN": rng.integers(0, 5, n),
        "CCDNR": rng.choice(ccds, n),
    }


def write_list(
    path: Path,
    columns: dict | None = None,
    *,
    camera: Camera = Camera.PN,
    good_time: dict[int, list] | None = None,
    primary: dict | None = None,
    events: dict | None = None,
    tables: dict[str, list] | None = None,
    extname: str = "EVENTS",
    formats: dict[str, str] | None = None,
) -> Path:
    """Write an event list; `good_time` becomes STDGTInn with data subspace keywords.

    `primary` and `events` change keywords (None removes one), `tables` adds interval tables by name.
    """
    columns = rows() if columns is None else columns
    good_time = {1: [[1000.0, 2000.0]], 2: [[1000.5, 2000.0]]} if good_time is None else good_time
    units = {"TIME": "s", "X": "0.05 arcsec", "Y": "0.05 arcsec", "PI": "eV"}
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(
                name, (formats or {}).get(name, FORMATS.get(name, "J")), units.get(name), array=values
            )
            for name, values in columns.items()
        ],
        name=extname,
    )
    instrument = {"INSTRUME": INSTRUME[camera], "OBS_ID": OBSID, "FILTER": "Medium", "OBJECT": "Field"}
    instrument |= {"SUBMODE": "PrimeFullWindow", "EXPIDSTR": "S003", "DATE-OBS": "2021-05-01T00:00:00"}
    cards = instrument | {"DATAMODE": "IMAGING", "OBS_MODE": "POINTING", "REVOLUT": 1000, "MJDREF": 50814.0}
    cards |= {"TIMEZERO": 0, "TSTART": 1000.0, "TSTOP": 2000.0, "ONTIME": 990.0, "REFXLMAX": -13696}
    for k, ccd in enumerate(good_time, start=1):
        prefix = "" if k == 1 else str(k)
        cards |= {"DSTYP1": "CCDNR", "DSTYP2": "TIME", f"{prefix}DSVAL1": str(ccd)}
        cards |= {f"{prefix}DSVAL2": "TABLE", f"{prefix}DSREF2": f":STDGTI{ccd:02d}"}
    _set(table.header, cards | (events or {}))
    head = fits.PrimaryHDU()
    reference = {"REFXCRVL": 150.0, "REFXCRPX": 25921, "REFXCDLT": -1.38888888888889e-05}
    reference |= {"REFYCRVL": -11.0, "REFYCRPX": 25921, "REFYCDLT": 1.38888888888889e-05, "REVOLUT": "1000"}
    _set(head.header, instrument | reference | {"PA_PNT": 30.0} | (primary or {}))
    named = {f"STDGTI{ccd:02d}": table for ccd, table in good_time.items()} | (tables or {})
    extensions = [_interval_table(name, values) for name, values in named.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = io.BytesIO()
        fits.HDUList([head, table, *extensions]).writeto(content)
    zipped = path.suffix in (".FTZ", ".gz")
    path.write_bytes(gzip.compress(content.getvalue(), mtime=0) if zipped else content.getvalue())
    return path


def _interval_table(name: str, values) -> fits.BinTableHDU:
    array = np.asarray(values, float).reshape(-1, 2)
    table = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", "s", array=array[:, 0]), fits.Column("STOP", "D", "s", array=array[:, 1])],
        name=name,
    )
    table.header["FRMTIME"] = 73.36496
    return table


def _set(header: fits.Header, cards: dict) -> None:
    for name, value in cards.items():
        if value is None:
            header.remove(name, ignore_missing=True)
        else:
            header[name] = value


def header(camera: Camera = Camera.PN, start: float = 0.0, stop: float = 1000.0, **changes) -> ListHeader:
    """A list's header; without `good_time` it has none, and keeps CCDs 1 to 3."""
    known = {"file": f"{camera.name}_{start:g}.fits", "camera": camera, "obsid": OBSID, "exposure_id": "S001"}
    known |= {"submode": "PrimeFullWindow", "filter": "Thin1", "revolution": 1000, "ontime": stop - start}
    known |= {"start": start, "stop": stop, "mjdref": 50814.0, "timezero": 0.0, "frame_time": 0.0734}
    known |= {"reference_ra": 150.0, "reference_dec": -11.0, "pa_pnt": 0.0, "object_name": "", "date_obs": ""}
    if "good_time" in changes:
        changes["good_time"] = {
            c: np.asarray(t, float).reshape(-1, 2) for c, t in changes["good_time"].items()
        }
    known |= {"kept_ccds": tuple(changes.get("good_time", (1, 2, 3)))}
    return ListHeader(**(known | changes))


def events(time, camera: Camera = Camera.PN, **columns) -> Events:
    """Events at these times; other columns as given, else legal constants."""
    time = np.sort(np.asarray(time, float))
    given = {"x": 25921, "y": 25921, "pi": 1000, "ccd": 1, "rawx": 20, "rawy": 100, "detx": 0, "dety": 0}
    given |= {"camera": int(camera)} | columns
    empty = Events.empty()
    return Events(
        time=time,
        **{
            name: np.broadcast_to(np.asarray(value), time.shape).astype(getattr(empty, name).dtype)
            for name, value in given.items()
        },
    )


def event_list(camera: Camera = Camera.PN, start: float = 0.0, stop: float = 1000.0, **changes) -> EventList:
    """A list with an event every 10 s from start to stop."""
    times = np.arange(start, stop, 10.0)
    return EventList(header(camera, start, stop, **changes), events(times, camera))


def subset(headers, photons: Events, t0: float | None = None, t1: float | None = None) -> Subset:
    """A subset of these headers over their common interval, or [t0, t1]."""
    t0 = max(h.start for h in headers) if t0 is None else t0
    t1 = min(h.stop for h in headers) if t1 is None else t1
    return Subset(0, t0, t1, tuple(headers), photons)
