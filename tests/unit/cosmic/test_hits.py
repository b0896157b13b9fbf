"""The table of hits: real numbers, old and new files, bad messages."""

import math

import numpy as np
import pytest

from builders.cosmic_files import file_of, hit_bytes, stamp_bytes
from ephemera.cosmic.flags import Flag
from ephemera.cosmic.hits import hit_table, read_hits
from ephemera.cosmic.schema import schema

#: Frequency, columns, steps, rate, SNR, fch1, path sum, edge mean, edge std, local SNR, legacy, edge_q.
VOYAGER = [
    (
        8419.31968415156,
        115,
        36,
        -0.367353,
        29.3417,
        8419.31979591,
        731159000000.0,
        239919600000.0,
        59506500000.0,
        8.2552,
        5.7118,
        7.62,
    ),
    (
        8419.319368433207,
        118,
        39,
        -0.397966,
        30.6267,
        8419.319480192,
        755517000000.0,
        239890900000.0,
        59107700000.0,
        8.7235,
        6.0828,
        7.61,
    ),
    (
        8419.297027867287,
        116,
        37,
        -0.377557,
        245.8251,
        8419.297139626,
        4834633000000.0,
        178390300000.0,
        4868125000.0,
        956.476,
        1038.456,
        1.05,
    ),
    (
        8419.274692889303,
        117,
        38,
        -0.387762,
        28.8822,
        8419.274804648,
        722449000000.0,
        239480000000.0,
        57784000000.0,
        8.3582,
        5.7676,
        7.32,
    ),
    (
        8419.274374376982,
        118,
        39,
        -0.397966,
        31.2355,
        8419.274486136,
        767057000000.0,
        238943000000.0,
        59453200000.0,
        8.8829,
        6.2385,
        7.78,
    ),
]


@pytest.fixture
def voyager(shared_data):
    return read_hits(shared_data / "cosmic/voyager.hits").to_pylist()


@pytest.mark.real_data
def test_voyager_has_every_known_number(voyager):
    names = ("freq_mhz", "n_chan", "drift_steps", "drift_rate_hz_s", "snr", "fch1_mhz")
    names += ("path_power", "edge_mean", "edge_std", "snr_local", "snr_local_legacy")
    assert len(voyager) == 5
    for row, expected in zip(voyager, VOYAGER, strict=True):
        for name, value in zip(names, expected[:-1], strict=True):
            assert row[name] == pytest.approx(value, rel=1e-5), name
        assert row["freq_mhz"] == expected[0]
        assert row["edge_q"] == pytest.approx(expected[-1], abs=0.006)
        assert row["freq_mhz"] == pytest.approx(row["fch1_mhz"] + 40 * row["foff_hz"] * 1e-6, abs=1e-10)


@pytest.mark.real_data
def test_voyager_s_common_fields_and_absent_ones(voyager):
    assert [row["offset"] for row in voyager] == [0, 7520, 15232, 22816, 30464]
    for row in voyager:
        assert row["source"] == "Voyager1"
        assert row["tstart_mjd"] == 57650.78209490741
        assert row["tsamp_s"] == 18.253611008
        assert row["foff_hz"] == pytest.approx(-2.7939677238464355, rel=1e-12)
        assert row["ra_deg"] == pytest.approx(257.51660, abs=1e-5)
        assert row["dec_deg"] == pytest.approx(12.183)
        assert (row["telescope_id"], row["n_time"], row["index"], row["coarse_channel"]) == (6, 16, 40, 0)
        for name in ("power", "incoherent_power", "beam", "start_channel"):
            assert row[name] is None, name
        assert row["beam_kind"] == "unknown"


@pytest.mark.real_data
def test_only_the_carrier_has_clean_edges(voyager):
    marked = [row["flags"] == "edges_contaminated" for row in voyager]
    assert marked == [True, True, False, True, True]


@pytest.mark.real_data
def test_hyperseti_has_the_carrier_at_the_same_frequency(voyager, shared_data):
    text = (shared_data / "cosmic/voyager-hyperseti-hits.csv").read_text()
    carrier = voyager[2]["freq_mhz"]
    frequencies = [float(part) for part in text.replace("\n", ",").split(",") if part.startswith("8419.29")]
    assert min(abs(f - carrier) for f in frequencies) < 3e-6


def test_a_current_file_has_all_fields(tmp_path):
    signal = {"power": 5.0, "incoherentPower": 7.0, "beam": -1, "coarseChannel": 3}
    path = file_of(tmp_path / "a.b-c.seticore.hits", hit_bytes(signal=signal, coarseChannel=3))
    (row,) = read_hits(path).to_pylist()
    assert row["hit_id"] == "a.b-c:hit:0"
    assert (row["power"], row["incoherent_power"], row["beam"], row["coarse_channel"]) == (5.0, 7.0, -1, 3)
    assert row["start_channel"] == 155880
    assert row["has_data"]
    assert row["flags"] is None


def test_an_old_file_has_nulls_instead_of_zeros(tmp_path):
    path = file_of(tmp_path / "x.hits", hit_bytes(old=True))
    (row,) = read_hits(path).to_pylist()
    for name in ("power", "incoherent_power", "beam", "start_channel"):
        assert row[name] is None, name
    assert row["n_time"] == 16
    assert not math.isnan(row["snr_local"])


def test_every_field_equals_what_pycapnp_reads(tmp_path):
    raw = hit_bytes(signal={"snr": 12.5, "beam": 2, "power": 3.5})
    (row,) = read_hits(file_of(tmp_path / "x.hits", raw)).to_pylist()
    with schema("hit").Hit.from_bytes(raw) as hit:
        signal, bank = hit.signal, hit.filterbank
        assert row["freq_mhz"] == signal.frequency
        assert row["drift_rate_hz_s"] == signal.driftRate
        assert (row["index"], row["drift_steps"], row["beam"]) == (
            signal.index,
            signal.driftSteps,
            signal.beam,
        )
        assert (row["snr"], row["power"], row["n_time"]) == (signal.snr, signal.power, signal.numTimesteps)
        assert (row["fch1_mhz"], row["foff_hz"]) == (bank.fch1, bank.foff * 1e6)
        assert (row["tstart_mjd"], row["tsamp_s"]) == (bank.tstart, bank.tsamp)
        assert (row["ra_deg"], row["dec_deg"]) == (bank.ra * 15, bank.dec)
        assert (row["n_chan"], row["start_channel"]) == (bank.numChannels, bank.startChannel)
        assert row["source"] == bank.sourceName


def test_a_hit_without_data_is_legal(tmp_path):
    path = file_of(tmp_path / "x.hits", hit_bytes(np.zeros((16, 0), np.float32), numChannels=80))
    (row,) = read_hits(path).to_pylist()
    assert not row["has_data"]
    assert row["snr_local"] is None


def test_a_hit_without_a_signal_is_legal(tmp_path):
    (row,) = read_hits(file_of(tmp_path / "x.hits", hit_bytes(has_signal=False))).to_pylist()
    assert row["freq_mhz"] is None
    assert row["flags"] == "no_signal"


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"numChannels": 95}, Flag.BAD_DIMS),
        ({"numTimesteps": -16}, Flag.BAD_DIMS),
        ({"foff": 0.0}, Flag.BAD_AXIS),
        ({"foff": math.nan}, Flag.BAD_AXIS),
        ({"tsamp": 0.0}, Flag.BAD_AXIS),
        ({"tsamp": math.inf}, Flag.BAD_AXIS),
        ({"fch1": -1.0}, Flag.BAD_AXIS),
        ({"fch1": math.inf}, Flag.BAD_AXIS),
    ],
)
def test_bad_messages_are_rejected_and_the_others_kept(tmp_path, changed, flag):
    path = file_of(tmp_path / "x.hits", hit_bytes(), hit_bytes(**changed), hit_bytes())
    values, rejected = hit_table(path, "x")
    assert values["position"].tolist() == [0, 2]
    assert [(entry.position, entry.problem.flag) for entry in rejected] == [(1, flag)]


@pytest.mark.parametrize(
    ("message", "flag"),
    [
        (hit_bytes(ra=24.5), "bad_coords"),
        (hit_bytes(dec=-91.0), "bad_coords"),
        (hit_bytes(ra=math.nan), "bad_coords"),
        (hit_bytes(signal={"driftRate": 9.0}), "drift_mismatch"),
        (hit_bytes(signal={"driftRate": math.nan}), "drift_mismatch"),
        (hit_bytes(signal={"frequency": math.nan}), "no_signal"),
        (hit_bytes(signal={"index": 155880 + 45}), "freq_mismatch"),
        (hit_bytes(column=90, steps=20), "path_out"),
        (hit_bytes(np.ones((16, 44), np.float32), column=20, steps=0), "narrow"),
    ],
)
def test_remarks_on_messages_that_are_kept(tmp_path, message, flag):
    (row,) = read_hits(file_of(tmp_path / "x.hits", message)).to_pylist()
    assert flag in row["flags"].split()
    if flag == "bad_coords":
        assert row["ra_deg"] is None


def test_one_channel_between_index_and_frequency_is_no_mismatch(tmp_path):
    (row,) = read_hits(file_of(tmp_path / "x.hits", hit_bytes(signal={"index": 155880 + 41}))).to_pylist()
    assert row["flags"] is None


def test_pixels_that_are_not_finite(tmp_path):
    few, many = (np.ones((16, 96), np.float32) for _ in range(2))
    few[3, 60] = np.nan
    many[:, :20] = np.inf
    values, rejected = hit_table(file_of(tmp_path / "x.hits", hit_bytes(few), hit_bytes(many)), "x")
    assert "non_finite" in values["flags"][0]
    assert [entry.problem.flag for entry in rejected] == [Flag.NON_FINITE]


def test_a_name_without_its_closing_zero(tmp_path):
    good = hit_bytes(sourceName="1234567")
    bad = good.replace(b"1234567\0", b"12345678")
    values, rejected = hit_table(file_of(tmp_path / "x.hits", good, bad, good), "x")
    assert len(values["flags"]) == 2
    assert [entry.problem.flag for entry in rejected] == [Flag.WRONG_SCHEMA]


def test_the_same_places_are_remembered_only_for_the_same_pointers(tmp_path):
    """Hits of several sizes, with and without name and data, in turn and again."""
    kinds = [
        hit_bytes(),
        hit_bytes(steps=7, sourceName="longer than before"),
        hit_bytes(np.ones((16, 80), np.float32), old=True),
        hit_bytes(np.zeros((16, 0), np.float32), sourceName=""),
        hit_bytes(has_signal=False),
    ]
    alone = [read_hits(file_of(tmp_path / "x.hits", kind)).to_pylist()[0] for kind in kinds]
    together = read_hits(file_of(tmp_path / "x.hits", *kinds * 3)).to_pylist()
    for number, row in enumerate(together):
        expected = alone[number % len(kinds)]
        changed = {"hit_id", "position", "offset"}
        assert {k: v for k, v in row.items() if k not in changed} == {
            k: v for k, v in expected.items() if k not in changed
        }


def test_stamps_are_no_hits(tmp_path):
    path = file_of(tmp_path / "x.hits", hit_bytes(), stamp_bytes(), hit_bytes())
    values, rejected = hit_table(path, "x")
    assert len(values["flags"]) == 2
    assert [entry.problem.flag for entry in rejected] == [Flag.WRONG_SCHEMA]


def test_an_empty_file_is_an_empty_table(tmp_path):
    assert len(read_hits(file_of(tmp_path / "x.hits"))) == 0


def test_truncation_keeps_what_is_whole(tmp_path):
    content = hit_bytes() * 3
    for end in range(0, len(content), 1000):
        values, rejected = hit_table(file_of(tmp_path / "x.hits", content[:end]), "x")
        assert len(values["flags"]) == end // (len(content) // 3)
        assert all(entry.problem.flag is Flag.TRUNCATED for entry in rejected)
