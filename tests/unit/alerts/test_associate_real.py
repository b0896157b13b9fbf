"""Association of real alerts: the numbers of loci that independent calculations gave."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ephemera.alerts.associate import associate
from ephemera.alerts.conflicts import find_conflicts
from ephemera.alerts.decode import read_packets
from ephemera.alerts.match import found
from ephemera.sky.sphere import unit_vectors

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "alerts"


@pytest.fixture(scope="module")
def with_priors(folder):
    ztf = folder / "ztf"
    tars = [ztf / "recent_alerts_20180607.tar.gz", ztf / "ztf_public_20180819_mod1000.tar.gz"]
    return read_packets([*sorted(ztf.glob("official*.avro")), ztf / "alerce_samples", *tars])


@pytest.fixture(scope="module")
def ztf(with_priors):
    return with_priors.filter(pc.is_null(with_priors["carrier_key"]))


@pytest.mark.parametrize(("radius", "number"), [(0.5, 142), (1.0, 140), (1.5, 140), (2.0, 139), (5.0, 139)])
def test_ztf_by_radius(ztf, radius, number):
    _, loci = associate(ztf, None, radius)
    assert len(loci) == number


def test_ztf_at_two_arcsec(ztf):
    association, loci = associate(ztf, None, 2.0)
    assert np.bincount(loci["n_det"].to_numpy()).tolist() == [0, 126, 13]
    assert len(association) == 152
    homes = {}
    for name, key in zip(
        association["locus_id"].to_pylist(), association["alert_key"].to_pylist(), strict=True
    ):
        homes.setdefault(key, name)
    objects = {}
    for row in ztf.to_pylist():
        objects.setdefault(row["object_id"], set()).add(homes[row["alert_key"]])
    assert all(len(names) == 1 for names in objects.values())  # none is split


def test_conflicts_of_ztf(ztf):
    association, loci = associate(ztf, None, 2.0)
    keyed = dict(zip(association["alert_key"].to_pylist(), association["locus_id"].to_pylist(), strict=True))
    history = ztf.append_column("locus_id", pa.array([keyed[k] for k in ztf["alert_key"].to_pylist()]))
    conflicts = find_conflicts(loci, history, loci["locus_id"].to_pylist()).to_pylist()
    found_pairs = {frozenset((c["object_id"], c["other_object_id"])): c["sep_arcsec"] for c in conflicts}
    assert found_pairs == {
        frozenset(("ZTF18adidbzs", "ZTF18achkrzu")): pytest.approx(0.28, abs=0.005),
        frozenset(("ZTF20aaepcww", "ZTF18acjwtdk")): pytest.approx(1.58, abs=0.005),
    }
    assert all(c["overlap_d"] < 0 for c in conflicts)
    _, apart = associate(ztf, None, 1.5)
    shared = [ids for row in apart["object_ids"].to_pylist() for _, ids in row if len(ids) > 1]
    assert shared == [["ZTF18achkrzu", "ZTF18adidbzs"]]


@pytest.mark.parametrize(("radius", "number"), [(1.0, 149), (1.5, 140), (2.0, 139)])
def test_ztf_with_priors(with_priors, radius, number):
    _, loci = associate(with_priors, None, radius)
    assert len(loci) == number
    assert sum(loci["n_det"].to_pylist()) == 522


def test_surveys_together_in_any_order(folder, ztf):
    atlas, elasticc = (read_packets(folder / name, priors=False) for name in ("atlas", "elasticc"))
    assert len(associate(atlas, None)[1]) == 4
    loci = associate(elasticc, None)[1]
    assert len(loci) == 17
    assert len(set(elasticc["object_id"].to_pylist())) == 43
    assert sum(any(len(ids) > 1 for _, ids in row) for row in loci["object_ids"].to_pylist()) == 11
    together = pa.concat_tables([ztf, atlas, elasticc])
    assert len(together) == 238
    expected = associate(together, None)
    assert len(expected[1]) == 160
    random = np.random.default_rng(1)
    for _ in range(3):
        shuffled = together.take(pa.array(random.permutation(len(together))))
        again = associate(shuffled, None)
        assert again[0].equals(expected[0])
        assert again[1].equals(expected[1])


@pytest.mark.parametrize(
    ("name", "radius", "number"),
    [
        ("ztf/fink_ztf_57alerts_with_simbad", 2.0, 52),
        ("ztf/fink_ztf_57alerts_with_simbad", 0.5, 53),
        ("ztf/fink_regular_9alerts_full_enrichment", 2.0, 4),
        ("rubin/fink_rubin_27alerts_schema10", 2.0, 27),
        ("ztf/fink_tde_ZTF20abfcszi_21alerts", 2.0, 1),
    ],
)
def test_fink(folder, name, radius, number):
    assert len(associate(read_packets(folder / f"{name}.parquet", priors=False), None, radius)[1]) == number


def test_plane_distances_would_split_an_object_near_the_pole(folder):
    table = read_packets(folder / "ztf" / "fink_tde_ZTF20abfcszi_21alerts.parquet", priors=False)
    ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
    assert dec.mean() == pytest.approx(85.009, abs=1e-3)
    n = len(ra)
    right = found(unit_vectors(ra, dec), np.full(n, 2.0), list(map(str, range(n))), np.ones(n))
    wrong = found(unit_vectors(ra, dec - dec.mean()), np.full(n, 2.0), list(map(str, range(n))), np.ones(n))
    assert right.index.max() + 1 == 1
    assert wrong.index.max() + 1 == 2


def test_antares_locus_is_one(folder):
    table = read_packets(folder / "antares" / "antares_locus_3959alerts.json.gz")
    association, loci = associate(table, None)
    assert len(loci) == 1
    assert (loci["n_det"][0].as_py(), loci["n_limit"][0].as_py()) == (3552, 407)
    assert loci["sep99"][0].as_py() == pytest.approx(0.338, abs=0.01)
    assert association["locus_id"].null_count == 0
