"""The simulated survey: its clock, the fake source, seeds, truth, and what association does to it."""

from __future__ import annotations

import itertools

import h5py
import numpy as np
import pyarrow as pa
import pytest

from ephemera.alerts.associate import associate
from ephemera.alerts.filters import run_filters
from ephemera.alerts.light_curves import (
    FAKE_DEC,
    FAKE_RA,
    Source,
    curve,
    injected,
    invented_cepheids,
    invented_fake,
    read_fake,
    read_ogle,
    read_pytables,
    read_sources,
)
from ephemera.alerts.simulate import SimulationConfig, clock, dithered, noiseless, simulate_survey
from ephemera.seeds import generator
from ephemera.sky.sphere import separation_arcsec
from ephemera.tables.foreign import CatalogueError


@pytest.fixture(scope="module")
def fake(shared_data):
    return read_fake(shared_data / "alerts" / "antares" / "fake.csv")


@pytest.fixture(scope="module")
def cepheids():
    return invented_cepheids(60, generator(1))


def test_fake_source(fake):
    assert (fake.ra, fake.dec, fake.source_id) == (220.3020406, 0.8037915, "999999")
    v, i = fake.curves["V"], fake.curves["I"]
    assert (v.time[0], v.time[-1]) == (pytest.approx(0.1505, abs=1e-4), pytest.approx(35.3344, abs=1e-4))
    assert np.all(np.diff(v.time) > 0)
    assert (v.mag.min(), v.mag.max()) == (pytest.approx(15.58, abs=0.01), pytest.approx(20.35, abs=0.01))
    assert (i.mag.min(), i.mag.max()) == (pytest.approx(18.34, abs=0.01), pytest.approx(20.93, abs=0.01))


def jumps(fake, config):
    """(jump, epoch, visit, time, before, after) of each packet in V, and the largest in I."""
    found = {}
    for band in "VI":
        times = [(t, e, v) for t, e, v, k in clock(config) if config.bands[k] == band]
        mags = [noiseless(fake, band, t, as_filed=config.clock == "notebook")[0] for t, _, _ in times]
        found[band] = [
            (b - a, *times[k + 1][1:], times[k + 1][0], a, b)
            for k, (a, b) in enumerate(itertools.pairwise(mags))
        ]
    return found


def test_the_invented_fake_source_jumps_once_as_the_notebooks_does():
    found = jumps(invented_fake(), SimulationConfig())
    sizes = sorted(found["V"])
    assert sizes[0][1:3] == (8, 1)
    assert sizes[0][0] < -3.1
    assert max(abs(size) for size, *_ in sizes[1:]) < 2.9
    assert max(abs(size) for size, *_ in found["I"]) < 2.9


@pytest.mark.parametrize(
    ("name", "time", "before", "after", "jump", "next_one"),
    [("regular", 14.507, 19.351, 15.943, -3.41, 1.87), ("notebook", 15.333, 19.452, 16.291, -3.16, 2.24)],
)
def test_largest_jump_is_at_epoch_8_visit_1_in_v(fake, name, time, before, after, jump, next_one):
    found = jumps(fake, SimulationConfig(clock=name))
    largest = sorted(found["V"], key=lambda row: -abs(row[0]))
    assert largest[0][:3] == (pytest.approx(jump, abs=0.005), 8, 1)
    assert largest[0][3:] == (
        pytest.approx(time, abs=5e-4),
        pytest.approx(before, abs=5e-4),
        pytest.approx(after, abs=5e-4),
    )
    assert (largest[1][0], largest[1][1]) == (pytest.approx(next_one, abs=0.005), 9)
    assert max(abs(row[0]) for row in found["I"]) < 2.3


def test_regular_clock():
    packets = clock(SimulationConfig())
    assert len(packets) == 40
    assert packets[:4] == [
        (0.5, 1, 1, 0),
        (0.5 + 10 / 1440, 1, 1, 1),
        (0.5 + 1 / 24, 1, 2, 0),
        (0.5 + 1 / 24 + 10 / 1440, 1, 2, 1),
    ]
    assert packets[-1][0] == pytest.approx(0.5 + 18 + 1 / 24 + 10 / 1440)


def test_the_notebooks_clock_drifts():
    packets = clock(SimulationConfig(clock="notebook"))
    assert packets[4][0] - packets[0][0] == pytest.approx(2.1111, abs=1e-4)
    with pytest.raises(ValueError, match="clock"):
        clock(SimulationConfig(clock="wrong"))


def test_numbers_of_the_default_survey(fake, cepheids):
    survey = simulate_survey([*cepheids, fake], {"seed": 4})
    assert len(survey.alerts) == len(survey.truth) == 240
    assert sum(survey.truth["injected"].to_pylist()) == 40
    assert len(set(survey.alerts["alert_key"].to_pylist())) == 240
    for band in ("I", "V"):
        for epoch in range(1, 11):
            rows = [
                r for r in survey.truth.to_pylist() if (r["band"], r["epoch"], r["visit"]) == (band, epoch, 1)
            ]
            assert len(rows) == len({r["source_id"] for r in rows}) == 6


def test_same_seed_same_alerts(fake, cepheids):
    one, two = (simulate_survey([*cepheids, fake], {"seed": 4}) for _ in range(2))
    assert one.alerts.equals(two.alerts)
    assert one.truth.equals(two.truth)
    assert not simulate_survey([*cepheids, fake], {"seed": 5}).alerts.equals(one.alerts)
    # A packet's alerts do not depend on the other packets.
    short = simulate_survey([*cepheids, fake], {"seed": 4, "epochs": 3})
    assert short.alerts.equals(one.alerts.slice(0, len(short.alerts)))


def test_options_that_do_not_exist(fake):
    with pytest.raises(ValueError, match="no option epoch;"):
        simulate_survey([fake], {"epoch": 3})


def test_no_alert_outside_a_curve():
    source = Source("s", "x", 10.0, 0.0, {"V": curve([100.0, 105.0], [18.0, 19.0], [0.01, 0.01])})
    assert noiseless(source, "V", 2.5) == (18.5, pytest.approx(0.01))
    assert noiseless(source, "V", 5.1) is None
    assert noiseless(source, "V", 5.1, hold=True) == (19.0, pytest.approx(0.01))
    assert noiseless(source, "I", 1.0) is None


@pytest.mark.parametrize(("ra", "dec"), [(10.0, 0.0), (359.99999, 60.0), (120.0, 89.9999), (120.0, -90.0)])
def test_dither_is_round_on_the_sky(ra, dec):
    random = np.random.default_rng(2)
    moved = np.array([dithered(ra, dec, *random.normal(0, 1.0, 2)) for _ in range(3000)])
    apart = separation_arcsec(np.full(3000, ra), np.full(3000, dec), moved[:, 0], moved[:, 1])
    assert np.sqrt(np.mean(apart**2) / 2) == pytest.approx(1.0, rel=0.04)
    assert np.mean(apart > 2) == pytest.approx(np.exp(-2), abs=0.03)
    assert np.all((moved[:, 0] >= 0) & (moved[:, 0] < 360))


# The fake source through association and filter -----------------------------------------------------------


def flagged(fake, seed, radius, **options):
    """Alerts at which the fake source, alone, is flagged as a jump, and the number of its loci."""
    survey = simulate_survey([fake], {"seed": seed, "background": 0, **options})
    loci, history = None, None
    verdicts = []
    nights = survey.alerts["night"].to_numpy()
    for night in np.unique(nights):
        batch = survey.alerts.filter(pa.array(nights == night))
        association, loci = associate(batch, loci, radius, history=history)
        homes = dict(
            zip(association["alert_key"].to_pylist(), association["locus_id"].to_pylist(), strict=True)
        )
        batch = batch.append_column("locus_id", pa.array([homes[k] for k in batch["alert_key"].to_pylist()]))
        history = batch if history is None else pa.concat_tables([history, batch])
        result = run_filters(
            loci, history, ["jump"], {"new_alerts": set(homes), "limits": {"trigger": "alert"}}
        )
        verdicts += [row for row in result.verdicts.to_pylist() if row["passed"]]
    truth = {row["alert_key"]: row for row in survey.truth.to_pylist()}
    return [
        (truth[v["alert_key"]]["epoch"], truth[v["alert_key"]]["visit"], truth[v["alert_key"]]["band"])
        for v in verdicts
    ], len(loci)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("options", [{"dither_arcsec": 0.3}, {"dither_arcsec": 0.0}])
def test_flagged_once_at_epoch_8_visit_1_in_v(fake, seed, options):
    where, number = flagged(fake, seed, 2.0, **options)
    assert number == 1
    assert where == [(8, 1, "V")]


def test_wide_radius_suits_the_wide_dither(fake):
    results = [flagged(fake, seed, 4.0) for seed in range(12)]
    assert sum(number == 1 for _, number in results) >= 10
    assert sum((8, 1, "V") in where or (8, 2, "V") in where for where, _ in results) >= 11
    narrow = [flagged(fake, seed, 2.0) for seed in range(8)]
    assert np.mean([number for _, number in narrow]) == pytest.approx(3.8, abs=1.2)


def test_noise_in_one_locus_flags_once_in_nearly_all_seeds(fake):
    """The magnitudes of 4,000 surveys at once: the flag depends on them alone when all is one locus."""
    for name, expected in (("regular", 0.9997), ("notebook", 0.978)):
        times = [t for t, _, _, k in clock(SimulationConfig(clock=name)) if k == 1]
        mags = np.array([noiseless(fake, "V", t, as_filed=name == "notebook")[0] for t in times])
        random = np.random.default_rng(7)
        error = np.abs(random.normal(0.01, 0.05, (4000, len(times))))
        noisy = mags + random.normal(size=error.shape) * error
        steps = np.abs(np.diff(noisy, axis=1)) >= 3
        right = steps[:, np.argmax(np.abs(np.diff(mags)))] & (steps.sum(axis=1) == 1)
        assert right.mean() == pytest.approx(expected, abs=0.012)


# Sources --------------------------------------------------------------------------------------------------


def test_invented_cepheids_are_apart(cepheids):
    ra, dec = np.array([s.ra for s in cepheids]), np.array([s.dec for s in cepheids])
    for k in range(len(cepheids)):
        apart = separation_arcsec(np.full(len(ra), ra[k]), np.full(len(ra), dec[k]), ra, dec)
        assert np.sort(apart)[1] >= 66
    for source in cepheids:
        for one in source.curves.values():
            assert np.ptp(one.mag) < 1.2


@pytest.mark.parametrize("label", ["nova", "supernova", "microlensing", "dip", "flare", "moving"])
def test_classes_that_can_be_injected(label):
    sources = injected({label: 3}, generator(2), ["I", "V"], 22.0)
    survey = simulate_survey(sources, {"background": 0, "seed": 1})
    assert {row["label"] for row in survey.truth.to_pylist()} <= {label}
    assert len(survey.alerts) > 0
    if label == "moving":
        first, last = (
            survey.truth.filter(pa.compute.equal(survey.truth["source_id"], "moving-1")).to_pylist()[k]
            for k in (0, -1)
        )
        assert separation_arcsec(first["ra"], first["dec"], last["ra"], last["dec"]) > 3600


def test_injecting_twice_is_the_same():
    one, two = (injected({"nova": 2, "dip": 1}, generator(9), ["V"], 22.0) for _ in range(2))
    assert [(s.source_id, s.ra) for s in one] == [(s.source_id, s.ra) for s in two]


def test_points_at_equal_times_are_averaged():
    one = curve([2.0, 1.0, 1.0, np.nan], [19.0, 17.0, 18.0, 5.0], [0.1, 0.1, 0.3, 0.1])
    assert one.time.tolist() == [1.0, 2.0]
    assert one.mag.tolist() == [17.5, 19.0]
    assert one.error.tolist() == [pytest.approx(0.2), pytest.approx(0.1)]


def test_pytables_layout(tmp_path):
    root = np.array(
        [(b"obj1", b"OGLE", b"LMC", b"04:30:57.72", b"-69:03:37.4", b"cep", 1)],
        [
            ("ID", "S8"),
            ("Survey", "S8"),
            ("Field", "S8"),
            ("RA", "S16"),
            ("DEC", "S16"),
            ("Classification", "S8"),
            ("LC_ID", "i8"),
        ],
    )
    points = np.array(
        [
            (1, 0.0, 2455261.68372, 18.958, 0.036, b"I"),
            (1, 1.0, 2455262.7, 18.9, 0.03, b"I"),
            (1, 0.5, 2455262.2, 19.5, 0.04, b"V"),
        ],
        [("LC_ID", "i8"), ("mjd", "f8"), ("hjd", "f8"), ("mag", "f8"), ("mag_err", "f8"), ("passband", "S2")],
    )
    with h5py.File(tmp_path / "lcs.h5", "w") as handle:
        handle["root_table1"] = root
        handle["lcurves/subgroup_table1"] = points
    for sources in (read_pytables(tmp_path / "lcs.h5"), read_sources(tmp_path / "lcs.h5")):
        assert [s.source_id for s in sources] == ["obj1"]
        assert sources[0].curves["I"].mag.tolist() == [18.958, 18.9]
        assert (sources[0].ra, sources[0].dec) == (pytest.approx(67.7405), pytest.approx(-69.0604, abs=1e-4))


def test_tables_of_light_curves(tmp_path):
    text = "source,ra,dec,band,time,mag,err\na,10,1,V,0,18,0.1\na,10,1,V,1,19,0.1\nb,20,2,I,0,17,0.1\n"
    (tmp_path / "lcs.csv").write_text(text)
    sources = read_sources(tmp_path / "lcs.csv")
    assert [(s.source_id, sorted(s.curves)) for s in sources] == [("a", ["V"]), ("b", ["I"])]
    import pyarrow.parquet as pq

    columns = {
        "source": ["a", "a"],
        "ra": [10.0, 10.0],
        "dec": [1.0, 1.0],
        "band": ["V", "V"],
        "mjd": [0.0, 1.0],
        "mag": [18.0, 19.0],
        "mag_err": [0.1, 0.1],
    }
    pq.write_table(pa.table(columns), tmp_path / "lcs.parquet")
    assert read_sources(tmp_path / "lcs.parquet")[0].curves["V"].mag.tolist() == [18.0, 19.0]
    with pytest.raises(ValueError, match="light curves"):
        read_sources(tmp_path / "lcs.txt")


def test_packets_like_ztf_come_back(fake, cepheids, tmp_path):
    from ephemera.alerts.decode import read_packets
    from ephemera.alerts.simulate_avro import write_packets

    survey = simulate_survey([*cepheids[:10], fake], {"seed": 2, "start_mjd": 60000.0, "epochs": 2})
    write_packets(survey.alerts, tmp_path / "packets.avro")
    table = read_packets(tmp_path / "packets.avro")
    assert sorted(table["alert_id"].to_pylist()) == sorted(survey.alerts["alert_id"].to_pylist())
    by_id = {row["alert_id"]: row for row in table.to_pylist()}
    for row in survey.alerts.to_pylist():
        read = by_id[row["alert_id"]]
        assert read["mjd_utc"] == pytest.approx(row["mjd_utc"], abs=1e-9)
        assert (read["ra"], read["dec"]) == (row["ra"], row["dec"])
        assert read["mag"] == pytest.approx(row["mag"], abs=1e-5)


@pytest.mark.real_data
def test_ogle_cepheids(shared_data):
    sources = read_ogle(shared_data / "alerts" / "ogle" / "lmc_cep")
    assert len(sources) == 60
    assert sum(len(set(c.time.tolist())) <= len(c.time) for s in sources for c in s.curves.values()) == 120
    ranges = {band: max(np.ptp(s.curves[band].mag) for s in sources) for band in "VI"}
    assert ranges["V"] == pytest.approx(1.16, abs=0.01)
    assert ranges["I"] == pytest.approx(0.71, abs=0.01)
    ra, dec = np.array([s.ra for s in sources]), np.array([s.dec for s in sources])
    closest = min(
        np.sort(separation_arcsec(np.full(60, r), np.full(60, d), ra, dec))[1]
        for r, d in zip(ra, dec, strict=True)
    )
    assert closest >= 66
    files = sorted((shared_data / "alerts" / "ogle" / "lmc_cep" / "phot").glob("*/*.dat"))
    assert (len(files), sum(len(f.read_text().splitlines()) for f in files)) == (120, 28322)


def test_the_fake_is_where_the_notebook_put_it(fake):
    assert (fake.ra, fake.dec) == (FAKE_RA, FAKE_DEC)


def test_light_curves_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "lcs.csv").write_text("source,ra,dec,band,mag,err\na,10,1,V,18,0.1\n")
    with pytest.raises(CatalogueError, match=r"lcs\.csv: there is no column time"):
        read_sources(tmp_path / "lcs.csv")
    (tmp_path / "fake.csv").write_text("t,V\n0,18\n")
    with pytest.raises(CatalogueError, match=r"fake\.csv: the columns must be t, V, I, got t, V"):
        read_fake(tmp_path / "fake.csv")
    (tmp_path / "phot" / "V").mkdir(parents=True)
    (tmp_path / "phot" / "V" / "OGLE-LMC-CEP-0001.dat").write_text("2000.0 17.0 0.01\n")
    line = f"{'OGLE-LMC-CEP-0001':17} {'F':8}  {'04h??':11} {'-69:49:01.2':11}\n"
    (tmp_path / "ident.dat").write_text(line)
    with pytest.raises(ValueError, match=r"position of OGLE-LMC-CEP-0001 must be .* got '04h\?\?"):
        read_sources(tmp_path)
