"""Alerts: association against ten million loci, decoding, filters and the whole chain of a night."""

from __future__ import annotations

import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

LOCI, ALERTS, NIGHT = 10_000_000, 500_000, 100_000
FILTERS = [
    "everything", "quality_basic", "quality_strict", "jump", "nuclear_transient", "variable_star",
    "nightly_brightening", "young", "moving_object", "single_point",
]  # fmt: skip
Figure = tuple[str, float, str, str]


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call took, and its result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def peak_gb() -> float:
    """Largest memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def sphere(number: int, random: np.random.Generator) -> Any:
    """Unit vectors all over the sky."""
    vectors = random.normal(size=(number, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def association() -> Iterator[Figure]:
    """Alerts near a synthetic table of loci, with its build, and the same twice as many; a readable twin."""
    from ephemera.alerts.match import Index, found, found_one_by_one, found_reference
    from ephemera.sky.sphere import ARCSEC_PER_RADIAN

    random = np.random.default_rng(1)
    means = sphere(LOCI, random)
    founders = range(LOCI)
    build, index = timed(lambda: Index(means, founders))  # type: ignore[arg-type]
    rates = []
    for number in (ALERTS, 2 * ALERTS):
        near = (
            means[random.integers(0, LOCI, number)]
            + random.normal(size=(number, 3)) * 0.5 / ARCSEC_PER_RADIAN
        )
        near[: number // 10] = sphere(number // 10, random)  # a tenth is new
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        radius = np.full(number, 2.0)

        def whole(near: Any = near, radius: Any = radius) -> Any:
            matches = index.match(near, radius)
            rest = np.flatnonzero(matches.index < 0)
            return matches, found(
                near[rest], radius[rest], [str(k) for k in rest.tolist()], np.ones(len(rest))
            )

        seconds, _ = timed(whole)
        rates.append(number / seconds)
    yield "alerts: association, 1e7 loci", rates[0], "1/s", f"target 100,000; index built in {build:.1f} s"
    yield (
        "alerts: association, index counted in",
        ALERTS * 2 / (build + 2 * ALERTS / rates[1]),
        "1/s",
        "1e6 alerts",
    )
    yield "alerts: association, twice the alerts", rates[1] / rates[0], "ratio", "1 is linear"
    yield "alerts: association, peak memory", peak_gb(), "GB", "target < 2"
    small = means[:1500] * 1.0
    radius, keys, weights = np.full(1500, 2.0), [str(k) for k in range(1500)], np.ones(1500)
    fast, one = timed(lambda: found_one_by_one(small, radius, keys, weights))
    slow, two = timed(lambda: found_reference(small, radius, keys, weights))
    assert np.array_equal(one.index, two)
    yield "alerts: founding, over the readable twin", slow / fast, "ratio", "1,500 alerts, the same answer"


def decoding() -> Iterator[Figure]:
    """Packets with 25 priors from Avro to the canonical table, with priors and without; fastavro beside them."""
    import fastavro

    from builders.alerts import candidate, container, packet
    from ephemera.alerts.decoder import Decoder
    from ephemera.alerts.packets import ReadOptions

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "packets.avro")
        priors = [
            [candidate(None if j % 3 else 10**6 + 100 * k + j, jd=2458400.5 + j) for j in range(25)]
            for k in range(2000)
        ]
        records = [packet(k + 1, ra=(k * 0.17) % 360, priors=priors[k]) for k in range(2000)]
        path.write_bytes(container(records, sync_interval=1))
        content = path.read_bytes()
        reference, number = timed(lambda: sum(1 for _ in fastavro.reader(io.BytesIO(content))))
        yield "alerts: fastavro alone, 25 priors", number / reference, "1/s", "15 fields a prior"
        for priors_too, name, target in ((True, "with 25 priors", 1000), (False, "priors: skip", 5000)):
            decoder = Decoder(ReadOptions(priors=priors_too))
            seconds, tables = timed(lambda d=decoder: list(d.tables([path])))
            assert sum(len(t) for t in tables) >= number
            yield f"alerts: decode, {name}", number / seconds, "1/s", f"target {target}"


def real_decoding() -> Iterator[Figure]:
    """The same on real ZTF packets, where they are."""
    import os

    from ephemera.alerts.decoder import Decoder
    from ephemera.alerts.packets import ReadOptions

    root = Path(__file__).resolve().parents[2]
    folder = Path(os.environ.get("EPHEMERA_SHARED_DATA", root.parent / "shared" / "data")) / "alerts" / "ztf"
    path = folder / "ztf_public_20180819_mod1000.tar.gz"
    if not path.is_file():
        return
    for priors_too, name in ((True, "real ZTF packets"), (False, "real ZTF packets, priors: skip")):
        list(Decoder(ReadOptions(priors=priors_too)).tables([path]))
        seconds, decoders = timed(
            lambda p=priors_too: [list(Decoder(ReadOptions(priors=p)).tables([path])) for _ in range(5)]
        )
        yield f"alerts: decode, {name}", 5 * 30 / seconds, "1/s", "tar.gz, 25 priors and cutouts"
        assert decoders


def night_of_alerts(number: int, night: int, seed: int) -> pa.Table:
    """A night of alerts on the same stars each night."""
    from ephemera.alerts.schema import ALERTS as SCHEMA
    from ephemera.alerts.schema import EXTRA, EXTRA_TYPE

    random = np.random.default_rng(seed)
    stars = np.random.default_rng(99)
    ra, dec = stars.uniform(0, 40, number), np.degrees(np.arcsin(stars.uniform(-0.3, 0.5, number)))
    mag = (18 + random.normal(0, 0.3, number)).astype(np.float32)
    extra = {"rb": random.uniform(0, 1, number), "nbad": np.zeros(number, np.int64), "magdiff": random.normal(0, 0.3, number),
             "fwhm": random.uniform(1, 6, number), "elong": random.uniform(1, 1.5, number), "distnr": random.uniform(0, 2, number),
             "distpsnr1": random.uniform(0, 2, number), "sgscore1": random.uniform(0, 1, number), "magnr": random.uniform(15, 21, number)}  # fmt: skip
    arrays = [pa.array(extra[n]) if n in extra else pa.nulls(number, EXTRA_TYPE.field(n).type) for n in EXTRA]
    ids = np.arange(number) + night * 10**8
    columns: dict[str, Any] = {
        "alert_key": [f"ztf:{k}" for k in ids.tolist()], "survey": ["ztf"] * number, "schema_version": ["3.3"] * number,
        "alert_id": ids, "alert_id_text": [str(k) for k in ids.tolist()], "kind": np.zeros(number, np.int8),
        "ra": ra, "dec": dec + random.normal(0, 0.1, number) / 3600, "mjd_utc": night + random.uniform(0.1, 0.4, number),
        "time_ref": np.zeros(number, np.int8), "band": np.where(random.uniform(size=number) < 0.5, "ztf_g", "ztf_r").tolist(),
        "flux": 10 ** ((31.4 - mag.astype(float)) / 2.5), "flux_err": np.full(number, 500, np.float32), "mag": mag,
        "mag_err": np.full(number, 0.05, np.float32), "sign": np.ones(number, np.int8),
        "extra": pa.StructArray.from_arrays(arrays, fields=list(EXTRA_TYPE)), "source_file": ["bench"] * number,
        "offset": ids, "night": np.full(number, night, np.int32),
    }  # fmt: skip
    built = []
    for field in SCHEMA:
        values = columns.get(field.name)
        if values is None:
            built.append(pa.nulls(number, field.type))
        elif isinstance(values, pa.Array):
            built.append(values)
        elif pa.types.is_dictionary(field.type):
            built.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            built.append(pa.array(values, field.type))
    return pa.Table.from_arrays(built, schema=SCHEMA)


def chain() -> Iterator[Figure]:
    """Two nights from the canonical table to the pages; the second is timed, each step of it too."""
    from builders.alert_nights import Chain, json_of

    with tempfile.TemporaryDirectory() as name:
        nights = Chain(Path(name), {"filter": {"run": FILTERS}})
        nights.run(60000, night_of_alerts(NIGHT, 60000, 60000))
        done = nights.run(60001, night_of_alerts(NIGHT, 60001, 60001))
        times, spent = json_of(done.filter.times), nights.spent
    steps = ("alerts.associate", "alerts.crossmatch", "alerts.filter", "alerts.stream")
    rate = NIGHT / sum(spent[step] for step in steps)
    yield "alerts: chain from the canonical table", rate, "1/s", "target 2,000; " + ", ".join(steps)
    yield f"alerts: {NIGHT} alerts of a night, all steps", sum(spent.values()), "s", "1e5: < 120 on two cores"
    for step, seconds in spent.items():
        yield f"alerts:   {step}", seconds, "s", f"{NIGHT} alerts"
    for filter_name, one in sorted(times.items()):
        yield f"alerts:   filter {filter_name}", 1e6 * one["seconds"] / one["loci"], "us", "per locus"
    yield "alerts: peak memory of it all", peak_gb(), "GB", ""


def run() -> list[Figure]:
    """All figures."""
    return [*decoding(), *real_decoding(), *chain(), *association()]


if __name__ == "__main__":
    for what, value, unit, note in run():
        sys.stdout.write(f"{what:50} {value:12.3f} {unit:6} {note}\n")
