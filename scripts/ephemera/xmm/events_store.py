"""The HDF5 file of an observation's subsets: events, headers, bad times, source list, outcomes.

The file is a tree that xarray opens group by group, such as `subset_0/events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ephemera.cubes import groups, write_array, write_attributes
from ephemera.xmm.bti import BadTime, FlareCurve
from ephemera.xmm.observation import Camera, Events, ListHeader, Subset, Telescope, seconds_text
from ephemera.xmm.source_mask import SourceList

#: Fields of a header that are no attributes of its group.
OWN_PLACE = ("good_time", "telescope")
#: Units of the columns of events, for readers of the file.
EVENT_UNITS = {"time": "s", "x": "0.05 arcsec", "y": "0.05 arcsec", "pi": "eV"}


def write_subset(group: Any, subset: Subset) -> None:
    """Write one subset with its events and headers into a group of its own."""
    write_attributes(group, {"number": subset.number, "t0": subset.t0, "t1": subset.t1})
    events = group.create_group("events")
    for name in Events.COLUMNS:
        write_array(events, name, getattr(subset.events, name), ["event"], unit=EVENT_UNITS.get(name, ""))
    for number, header in enumerate(subset.headers):
        inside = group.create_group(f"list_{number}")
        values = {f.name: getattr(header, f.name) for f in fields(header) if f.name not in OWN_PLACE}
        values["camera"] = header.camera.name
        # HDF5 holds no text with a zero byte, and a damaged header may.
        values = {k: v.replace("\0", "") if isinstance(v, str) else v for k, v in values.items()}
        write_attributes(inside, {**values, "kept_ccds": list(header.kept_ccds)})
        if header.telescope is not None:
            write_attributes(inside.create_group("telescope"), asdict(header.telescope))
        _write_good_time(inside, header)


def _write_good_time(group: Any, header: ListHeader) -> None:
    rows = [(ccd, *interval) for ccd, intervals in header.good_time.items() for interval in intervals]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    write_array(group, "good_time_ccd", table[:, 0].astype(np.int16), ["interval"])
    write_array(group, "good_time", table[:, 1:], ["interval", "edge"], unit="s")
    group.attrs["good_time_ccds"] = sorted(header.good_time)


def read_subset(group: Any, *, with_events: bool = True) -> Subset:
    """Read what `write_subset` wrote; without its events where only the headers are needed."""
    number, t0, t1 = (group.attrs[name].item() for name in ("number", "t0", "t1"))
    events = Events.empty()
    if with_events:
        events = Events(*(group["events"][name][()] for name in Events.COLUMNS))
    lists = sorted((name for name in group if name.startswith("list_")), key=lambda name: int(name[5:]))
    return Subset(number, t0, t1, tuple(_read_header(group[name]) for name in lists), events)


def _read_header(group: Any) -> ListHeader:
    values = {name: _plain(value) for name, value in group.attrs.items()}
    ccds, good = group["good_time_ccd"][()], group["good_time"][()]
    values["good_time"] = {int(ccd): good[ccds == ccd] for ccd in values.pop("good_time_ccds")}
    values["kept_ccds"] = tuple(int(ccd) for ccd in values["kept_ccds"])
    values["camera"] = Camera[values["camera"]]
    values.setdefault("pa_pnt", None)
    if "telescope" in group:
        told = {name: _plain(value) for name, value in group["telescope"].attrs.items()}
        values["telescope"] = Telescope(**told)
    return ListHeader(**values)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def read_subsets(path: Path, *, with_events: bool = True) -> list[Subset]:
    """All subsets of an observation, in order."""
    with h5py.File(path) as handle:
        names = groups(handle, "subset_")
        return [read_subset(handle[name], with_events=with_events) for name in names]


def write_bad_times(group: Any, bad: Mapping[float, BadTime]) -> None:
    """Write the bad times of a subset, one group for each window length (s) of the flare curve."""
    for window, times in bad.items():
        inside = group.create_group(f"bad_time_{seconds_text(window)}")
        write_array(inside, "intervals", times.intervals, ["bad_interval", "edge"], unit="s")
        for number, curve in enumerate(times.curves):
            curve_group = inside.create_group(f"curve_{number}")
            write_array(curve_group, "edges", curve.edges, ["window_edge"], unit="s")
            write_array(curve_group, "counts", curve.counts, ["window"], unit="count")
            write_array(curve_group, "exposed", curve.exposed, ["window"], unit="s")
            write_array(curve_group, "rate", curve.rate, ["window"], unit="ct/s")
            write_array(curve_group, "threshold", curve.threshold, ["window"], unit="ct/s")


def read_bad_times(path: Path) -> dict[int, dict[float, BadTime]]:
    """Bad times by subset number and window length (s)."""
    with h5py.File(path) as handle:
        return {
            int(subset[7:]): {
                float(window[9:]): _read_bad_time(handle[subset][window])
                for window in groups(handle[subset], "bad_time_")
            }
            for subset in groups(handle, "subset_")
        }


def _read_bad_time(group: Any) -> BadTime:
    names = [f.name for f in fields(FlareCurve)]
    curves = (FlareCurve(*(group[curve][name][()] for name in names)) for curve in groups(group, "curve_"))
    return BadTime(group["intervals"][()], tuple(curves))


def read_source_columns(path: Path) -> SourceList:
    """The source list of an observation."""
    with h5py.File(path) as handle:
        return SourceList(*(handle["source_list"][f.name][()] for f in fields(SourceList)))
