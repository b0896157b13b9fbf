"""Files that a search must survive: damaged, mislabelled, empty or merely odd.

Each function writes one file (or a few) into a folder, under an archive name, and returns its path. They
start from a small healthy event list and change one thing, so that what a reader says about the file is
about that thing. `LISTS` names every bad list with the outcome a reader must give it; `ODD_LISTS` are
odd but usable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ephemera.seeds import generator
from ephemera.xmm.observation import Camera
from ephemera.xmm.simulate import product_name
from ephemera.xmm.simulate_exposures import Scene, draw_exposures
from ephemera.xmm.simulate_fits import Hdu, compress, encode, write_bytes, write_hdus
from ephemera.xmm.simulate_instrument import build_instrument
from ephemera.xmm.simulate_lists import NULL_ENERGY, NULL_POSITION, event_list, read_out_rows
from ephemera.xmm.simulate_scene import (
    NO_DEFECTS,
    NOMINAL_POINTING,
    Background,
    Exposure,
    Gap,
)

OBSID = "0800000901"
#: Length of the common span and rows per second of the healthy list.
DURATION, _ROWS_PER_SECOND = 1200.0, 1.0
_EXPOSURES = {
    Camera.PN: Exposure(Camera.PN, "S003"),
    Camera.M1: Exposure(Camera.M1, "S001", 60.0, 40.0, lost_ccds=(3, 6)),
    Camera.M2: Exposure(Camera.M2, "S002", 65.0, 45.0),
}
Change = Callable[[list[Hdu]], list[Hdu]]


def healthy_hdus(
    camera: Camera = Camera.PN,
    *,
    obsid: str = OBSID,
    exposure: Exposure | None = None,
    gaps: Sequence[Gap] = (),
    cut: Sequence[tuple[float, float]] | None = None,
) -> list[Hdu]:
    """HDUs of a small good list of about 1200 rows.

    `cut`: intervals in s from the start that a flare cut has kept.
    """
    exposure, pointing = exposure or _EXPOSURES[camera], NOMINAL_POINTING
    instrument = build_instrument(
        exposure, start=pointing.start, duration=DURATION, position_angle=pointing.position_angle,
        defects=NO_DEFECTS, gaps=gaps,
    )  # fmt: skip
    background = Background(dict.fromkeys(Camera, _ROWS_PER_SECOND))
    intervals = None if cut is None else pointing.start + np.array(cut, dtype=float)
    scene = Scene(background=background, defects=NO_DEFECTS)
    (drawn,) = draw_exposures([instrument], scene, start=pointing.start, seed=(0, obsid), cut=intervals)
    rows = read_out_rows(instrument, generator(0, obsid, camera.name, "readout"), drawn.photons)
    return event_list(instrument, rows, pointing, obsid, flare_cut=intervals)


def list_path(folder: Path, camera: Camera = Camera.PN, exposure: Exposure | None = None) -> Path:
    """Path of a list of the hostile observation."""
    return folder / product_name(OBSID, exposure or _EXPOSURES[camera])


def changed(folder: Path, change: Change, camera: Camera = Camera.PN) -> Path:
    """Write the healthy list of a camera after `change`."""
    return write_hdus(list_path(folder, camera), change(healthy_hdus(camera)))


def _events(change: Callable[[Hdu], Hdu]) -> Change:
    """A change of EVENTS alone."""
    return lambda hdus: [change(h) if h.name == "EVENTS" else h for h in hdus]


def _everywhere(**cards: str | float | bool) -> Change:
    """A change of keywords in every HDU that has them."""

    def change(hdu: Hdu) -> Hdu:
        present = {key for key, _, _ in hdu.cards}
        return hdu.with_cards(**{key: value for key, value in cards.items() if key in present})

    return lambda hdus: [change(h) for h in hdus]


def _without_keyword(*names: str) -> Change:
    return lambda hdus: [h.without_cards(*names) for h in hdus]


def healthy(folder: Path, camera: Camera = Camera.PN) -> Path:
    """Write the good list of a camera that all others are made from."""
    return changed(folder, lambda hdus: hdus, camera)


def truncated_gzip(folder: Path) -> Path:
    """A list whose compressed stream stops half-way."""
    data = compress(encode(healthy_hdus()))
    return write_bytes(list_path(folder), data[: len(data) // 2])


def truncated_gzip_tail(folder: Path) -> Path:
    """A list that lacks the last 20 bytes: headers and events open, the end does not."""
    return write_bytes(list_path(folder), compress(encode(healthy_hdus()))[:-20])


def truncated_fits(folder: Path) -> Path:
    """A sound gzip stream around a FITS file that stops inside EVENTS."""
    hdus = healthy_hdus()
    length = len(hdus[0].encode()) + len(hdus[1].encode()) - 3 * 2880
    return write_bytes(list_path(folder), compress(encode(hdus)[:length]))


def empty_file(folder: Path) -> Path:
    """A file of no bytes."""
    return write_bytes(list_path(folder), b"")


def html_page(folder: Path) -> Path:
    """An error page saved under the name of a list."""
    return write_bytes(list_path(folder), b"<!DOCTYPE html>\n<html><body><h1>503</h1></body></html>\n")


def html_page_in_gzip(folder: Path) -> Path:
    """An error page that a server has compressed."""
    return write_bytes(list_path(folder), compress(b"<html><body>Service unavailable</body></html>"))


def no_event_table(folder: Path) -> Path:
    """A FITS file of good time and nothing else."""
    return changed(folder, lambda hdus: [h for h in hdus if h.name != "EVENTS"])


def zero_rows(folder: Path) -> Path:
    """A list without a single event."""
    return changed(folder, _events(lambda e: e.with_rows(slice(0))))


def all_null_rows(folder: Path) -> Path:
    """A list whose events have neither position nor energy."""

    def change(events: Hdu) -> Hdu:
        number = len(events["X"])
        for name, value in (("X", NULL_POSITION), ("Y", NULL_POSITION), ("PI", NULL_ENERGY)):
            events = events.with_column(name, np.full(number, value))
        return events

    return changed(folder, _events(change))


def all_bad_flags(folder: Path) -> Path:
    """A list in which every event has a rejection flag."""
    return changed(folder, _events(lambda e: e.with_column("FLAG", e["FLAG"] | 0x200000)))


def without_ccdnr(folder: Path) -> Path:
    """A list without the CCD number."""
    return changed(folder, _events(lambda e: e.without_columns("CCDNR")))


def without_sky_coordinates(folder: Path) -> Path:
    """A simulator's list: table EVENTSxy, without X and Y."""
    return changed(folder, _events(lambda e: replace(e.without_columns("X", "Y"), name="EVENTSxy")))


def without_instrument(folder: Path) -> Path:
    """A list that does not say which camera made it."""
    return changed(folder, _without_keyword("INSTRUME"))


def without_submode(folder: Path) -> Path:
    """A list that does not say how the camera was read."""
    return changed(folder, _without_keyword("SUBMODE"))


def without_revolution(folder: Path) -> Path:
    """A list without the revolution number."""
    return changed(folder, _without_keyword("REVOLUT"))


def without_reference(folder: Path) -> Path:
    """A list without any reference position, in headers or columns."""
    names = [f"REF{axis}{what}" for axis in "XY" for what in ("CTYP", "CRPX", "CRVL", "CDLT", "CUNI")]
    keys = ("TCTYP", "TCRPX", "TCRVL", "TCDLT", "TCUNI")

    def strip(events: Hdu) -> Hdu:
        columns = tuple(
            replace(c, keywords={k: v for k, v in c.keywords.items() if k not in keys})
            for c in events.columns or ()
        )
        return replace(events, columns=columns)

    return changed(folder, lambda hdus: _without_keyword(*names)(_events(strip)(hdus)))


def timing_list(folder: Path) -> Path:
    """A timing-mode list under its own name: no sky or detector coordinates."""
    hdus = _events(lambda e: e.without_columns("X", "Y", "DETX", "DETY"))(healthy_hdus())
    hdus = _everywhere(DATAMODE="TIMING", SUBMODE="FastTiming")(hdus)
    return write_hdus(folder / f"P{OBSID}PNS004TIEVLI0000.FTZ", hdus)


def timing_list_under_imaging_name(folder: Path) -> Path:
    """A timing-mode list that only its keywords give away."""
    return changed(folder, _everywhere(DATAMODE="TIMING", SUBMODE="FastTiming"))


def calibration_lamp(folder: Path) -> Path:
    """An exposure of the calibration lamp, filter wheel closed."""
    return changed(folder, _everywhere(FILTER="CalClosed"))


def closed_filter(folder: Path) -> Path:
    """An exposure with the filter wheel closed."""
    return changed(folder, _everywhere(FILTER="Closed"))


def small_window(folder: Path) -> Path:
    """A pn exposure in small window mode."""
    return changed(folder, _everywhere(SUBMODE="PrimeSmallWindow"))


def slew(folder: Path) -> Path:
    """A list made while the telescope moved."""
    return changed(folder, _everywhere(OBS_MODE="SLEW"))


def wrong_obsid(folder: Path) -> Path:
    """A list of another observation under this one's name."""
    return changed(folder, _everywhere(OBS_ID="0123456789"))


#: Every bad list with the name of the outcome that a reader must give it.
LISTS: Mapping[str, tuple[Callable[[Path], Path], str]] = MappingProxyType(
    {
        writer.__name__: (writer, outcome)
        for outcome, writers in {
            "bad_file": (
                truncated_gzip, truncated_gzip_tail, truncated_fits, empty_file, html_page,
                html_page_in_gzip, no_event_table,
            ),
            "no_events": (zero_rows, all_null_rows, all_bad_flags),
            "bad_columns": (without_ccdnr, without_sky_coordinates),
            "bad_keywords": (without_instrument, without_submode, without_revolution, without_reference),
            "skipped_timing_mode": (timing_list, timing_list_under_imaging_name),
            "skipped_filter": (calibration_lamp, closed_filter),
            "skipped_submode": (small_window,),
            "skipped_slew": (slew,),
            "wrong_obsid": (wrong_obsid,),
        }.items()
        for writer in writers
    }
)  # fmt: skip


def unsorted(folder: Path) -> Path:
    """All rows in random order."""
    order = generator(0, "unsorted")
    return changed(folder, _events(lambda e: e.with_rows(order.permutation(len(e["TIME"])))))


def duplicates(folder: Path) -> Path:
    """Every fourth row twice."""
    return changed(
        folder, _events(lambda e: e.with_rows(np.sort(np.concatenate([k := np.arange(len(e["X"])), k[::4]]))))
    )


def time_jump(folder: Path, seconds: float = 1e5) -> Path:
    """The second half of the exposure is `seconds` later, without any good time between."""
    middle = NOMINAL_POINTING.start + DURATION / 2

    def change(hdu: Hdu) -> Hdu:
        for name in ("TIME", "TIME_RAW", "START", "STOP"):
            if any(c.name == name for c in hdu.columns or ()):
                hdu = hdu.with_column(name, hdu[name] + seconds * (hdu[name] > middle))
        stop = {key: value for key, value, _ in hdu.cards if key in {"TSTOP", "TELAPSE"}}
        return hdu.with_cards(**{key: float(value) + seconds for key, value in stop.items()})

    gap = Gap(Camera.PN, DURATION / 2 - 2, 4)
    return write_hdus(list_path(folder), [change(h) for h in healthy_hdus(gaps=[gap])])


def without_good_time(folder: Path, camera: Camera = Camera.PN) -> Path:
    """A list without any good time interval table."""
    return changed(folder, lambda hdus: [h for h in hdus if "GTI" not in h.name], camera)


def flare_cut(folder: Path, camera: Camera = Camera.M2) -> Path:
    """A list after a good-time cut: GTI000nn tables hold, STDGTInn only say that the camera was on."""
    hdus = healthy_hdus(camera, cut=[(0, 300), (400, 700), (900, 1200)])
    return write_hdus(list_path(folder, camera), hdus)


def without_quadrant(folder: Path) -> Path:
    """A pn exposure with CCDs 4, 5 and 6 off: their events and tables are missing."""
    exposure = replace(_EXPOSURES[Camera.PN], lost_ccds=(4, 5, 6))
    return write_hdus(list_path(folder), healthy_hdus(exposure=exposure))


def quadrant_switched_off(folder: Path) -> Path:
    """A pn exposure in which CCDs 1, 2 and 3 stop for 200 s."""
    return write_hdus(list_path(folder), healthy_hdus(gaps=[Gap(Camera.PN, 500, 200, (1, 2, 3))]))


def keyword_dialect(folder: Path) -> Path:
    """REVOLUT as text in EVENTS and a number in the primary header; TIMEZERO as a real number."""
    number = NOMINAL_POINTING.revolution

    def change(hdus: list[Hdu]) -> list[Hdu]:
        swapped: dict[str, int | str] = {"PRIMARY": number, "EVENTS": f"{number:04d}"}
        hdus = _everywhere(TIMEZERO=0.0)(hdus)
        return [h.with_cards(REVOLUT=swapped[h.name]) if h.name in swapped else h for h in hdus]

    return changed(folder, change)


def uncompressed(folder: Path) -> Path:
    """A list under the archive name that is not compressed at all."""
    return write_bytes(list_path(folder), encode(healthy_hdus()))


#: Lists that are odd but usable: a search must treat them like any other.
ODD_LISTS: Mapping[str, Callable[[Path], Path]] = MappingProxyType(
    {
        writer.__name__: writer
        for writer in (
            unsorted, duplicates, time_jump, without_good_time, flare_cut, without_quadrant,
            quadrant_switched_off, keyword_dialect, uncompressed,
        )
    }
)  # fmt: skip
