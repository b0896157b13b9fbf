"""Each shipped filter: a locus that it tags, one that it does not, and one that lacks what it needs."""

from __future__ import annotations

import json
from importlib import import_module

import numpy as np
import pyarrow as pa
import pytest

from builders.alerts import alert, alerts, joined, limit
from ephemera.alerts.associate import associate
from ephemera.alerts.filters import run_filters
from ephemera.alerts.filters.shipped import SHIPPED
from ephemera.alerts.loci import LOCI

GOOD = {"rb": 0.6, "nbad": 0, "magdiff": 0.1, "fwhm": 2.0, "elong": 1.1}
NUCLEAR = {"distnr": 0.3, "distpsnr1": 0.5, "sgscore1": 0.1, "magnr": 17.0}
STAR = {"distnr": 0.3, "distpsnr1": 0.5, "sgscore1": 0.9, "magnr": 17.0, "fid": 1, "field": 5, "rcid": 2}


def run(name, *rows, catalogues=(), matches=(), **config):
    """Outcome, tags and properties of a filter on the locus of these alerts."""
    table = alerts(*rows)
    _, loci = associate(table, None, 30.0)
    if len(loci) == 0:
        blank = {field.name: None for field in LOCI}
        loci = pa.Table.from_pylist([{**blank, "locus_id": "EPHX", "ra": 10.0, "dec": 0.0}], LOCI)
    assert len(loci) == 1
    field = LOCI.field("matches")
    loci = loci.set_column(LOCI.names.index("matches"), field, pa.array([list(matches)], field.type))
    settings = {"catalogues": list(catalogues), **config}
    result = run_filters(loci, joined(loci["locus_id"][0].as_py(), *rows), [name], settings)
    row = result.verdicts.to_pylist()[0]
    properties = {
        k: next(x for x in v.values() if x is not None) for k, v in result.loci["properties"][0].as_py() or ()
    }
    return row["outcome"], row["tags"], row["missing"], properties


def star(separation=0.5, kind=6, row=0):
    return {
        "catalogue": "stars",
        "row": row,
        "sep_arcsec": separation,
        "nearest": True,
        "columns": json.dumps({"class": kind}),
    }


def at(mjd, mag, number=1, **given):
    return alert(number, 10.0, 0.0, mjd, **{"mag": mag, "flux": 10 ** ((31.4 - mag) / 2.5), **given})


FAR = 12 / 3600
PAIR = (at(59000.1, 20.0), at(59001.1, 16.5, 2))
CASES = {
    "quality_basic": (
        (at(59000.1, 18, extra=GOOD),),
        (at(59000.1, 18, extra={**GOOD, "rb": 0.5}),),
        (at(59000.1, 18),),
    ),
    "quality_strict": (
        (at(59000.1, 18, extra=GOOD),),
        (at(59000.1, 18, extra={**GOOD, "elong": 1.3}),),
        (at(59000.1, 18, extra={k: v for k, v in GOOD.items() if k != "fwhm"}),),
    ),
    "jump": (PAIR, (PAIR[0], at(59001.1, 17.5, 2)), (PAIR[1],)),
    "nuclear_transient": (
        (at(59000.1, 18, extra=NUCLEAR),),
        (at(59000.1, 18.6, extra=NUCLEAR),),
        (at(59000.1, 18, extra={**NUCLEAR, "sgscore1": None}),),
    ),
    "variable_star": (
        (at(59000.1, 18, extra=STAR),),
        (at(59000.1, 18, extra={**STAR, "sgscore1": 0.3}),),
        (at(59000.1, 18, extra={**STAR, "distnr": None}),),
    ),
    "nightly_brightening": (
        PAIR,
        (PAIR[0], at(59001.1, 19.6, 2)),
        (at(59001.1, 18, 2, mag_err=None), PAIR[0]),
    ),
    "young": (
        (at(59000.1, 18), limit(9, 58998.1, 20.0, alert_key="l", carrier_key="ztf:1")),
        (at(59000.1, 18), limit(9, 58990.1, 20.0, alert_key="l", carrier_key="ztf:1")),
        (limit(9, 58998.1, 20.0),),
    ),
    "moving_object": ((at(59000.1, 18, ss_id="1 Ceres"),), (at(59000.1, 18),), None),
    "long_lived": (tuple(at(59000.1 + k, 18, k + 1) for k in range(32)), PAIR, (limit(9, 58998.1, 20.0),)),
    "single_point": ((at(59000.1, 18),), PAIR, (limit(9, 58998.1, 20.0),)),
    "negative_only": (
        (at(59000.1, 18, sign=-1),),
        (at(59000.1, 18, sign=-1), at(59000.2, 18, 2)),
        (limit(9, 58998.1, 20.0),),
    ),
    "new_band": ((at(59000.1, 18), at(59000.2, 18, 2, band="ztf_r")), PAIR, (at(59000.1, 18),)),
}


@pytest.mark.parametrize("name", CASES)
def test_positive_negative_and_missing(name):
    positive, negative, missing = CASES[name]
    assert run(name, *positive)[:2] == ("succeeded", [name])
    assert run(name, *negative)[:2] == ("succeeded", [])
    if missing is not None:
        outcome, tags, what, _ = run(name, *missing)
        assert (outcome, tags) == ("skipped", [])
        assert what


def test_every_filter_has_its_three_tests():
    elsewhere = {
        "everything",
        "not_star",
        "oddball",
        "watch_static",
        "watch_dynamic",
        "feature_extract",
        "anomaly",
    }
    assert set(CASES) | elsewhere == set(SHIPPED)


@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"anomaly", "feature_extract"}))
def test_an_option_that_is_not_known_stops_the_filter(name):
    _, loci = associate(alerts(at(59000.1, 18)), None)
    rows = joined(loci["locus_id"][0].as_py(), at(59000.1, 18))
    result = run_filters(loci, rows, [name], {name: {"treshold_mag": 2.0}})
    assert f"alerts.filter.options.{name}: 'treshold_mag' is not known" in result.tallies[name].problem


def test_everything_counts_all():
    assert run("everything", at(59000.1, 18))[:2] == ("succeeded", [])
    assert run("everything", limit(9, 58998.1, 20.0))[0] == "succeeded"


def test_not_star_takes_the_nearest_row():
    rows = [star(1.5, kind=6, row=4), star(0.4, kind=3, row=9)]
    assert run("not_star", *PAIR, catalogues=["stars"], matches=rows)[:2] == ("succeeded", ["not_star"])
    rows = [star(0.3, kind=6, row=4), star(0.4, kind=3, row=9)]
    assert run("not_star", *PAIR, catalogues=["stars"], matches=rows)[:2] == ("succeeded", [])
    assert run("not_star", *PAIR, catalogues=["stars"], matches=[star(2.5)])[1] == ["not_star"]
    assert run("not_star", *PAIR, catalogues=["stars"])[1] == ["not_star"]
    assert run("not_star", *PAIR)[:3] == ("skipped", [], "catalogue stars")


def test_oddball_needs_both():
    assert run("oddball", *PAIR, catalogues=["stars"])[1] == ["oddball"]
    assert run("oddball", *PAIR, catalogues=["stars"])[3] == {"oddball_mag": pytest.approx(-3.5, abs=1e-5)}
    assert run("oddball", *PAIR, catalogues=["stars"], matches=[star()])[1] == []
    assert run("oddball", PAIR[0], at(59001.1, 18.0, 2), catalogues=["stars"])[1] == []
    assert run("oddball", *PAIR)[2] == "catalogue stars"


def test_jumps_in_other_bands_do_not_count():
    other = at(59000.5, 14.0, 5, band="ztf_r")
    assert run("jump", PAIR[0], other)[1] == []
    assert run("jump", PAIR[0], other, at(59001.1, 19.0, 2))[1] == []
    assert run("jump", *PAIR, at(59001.2, 14.0, 5, band="ztf_r"))[1] == []  # the newest is not in that band


def test_nuclear_transient_can_follow_the_text():
    fainter = at(59000.1, 19.0, extra=NUCLEAR)
    assert run("nuclear_transient", fainter)[1] == []
    assert run("nuclear_transient", fainter, nuclear_transient={"brighter": False})[1] == [
        "nuclear_transient"
    ]


def test_corrected_magnitudes():
    mag = run("variable_star", at(59000.1, 18, extra=STAR))[3]
    assert mag == {"corrected": 1, "corrected_mag": pytest.approx(-2.5 * np.log10(10**-6.8 + 10**-7.2))}
    negative = run("variable_star", at(59000.1, 18, sign=-1, extra=STAR))[3]
    assert negative["corrected_mag"] == pytest.approx(-2.5 * np.log10(10**-6.8 - 10**-7.2))
    dark = run("variable_star", at(59000.1, 16, sign=-1, extra=STAR))[3]
    assert dark == {"corrected": 0, "corrected_mag": 16.0}
    earlier = [
        at(59000.1 + k, 18, 10 + k, extra={**STAR, "magnr": m}) for k, m in enumerate((17.0, 17.4, 16.0))
    ]
    imputed = run("variable_star", *earlier, at(59009.1, 18, 99, extra={**STAR, "magnr": None}))[3]
    assert imputed["corrected_mag"] == pytest.approx(-2.5 * np.log10(10**-6.8 + 10**-7.2))
    other = run("variable_star", *earlier, at(59009.1, 18, 99, extra={**STAR, "magnr": None, "rcid": 9}))[3]
    assert other["corrected"] == 0


def test_brightening_needs_its_significance():
    noisy = (at(59000.1, 18.0, mag_err=0.2), at(59001.1, 17.2, 2, mag_err=0.2))
    assert run("nightly_brightening", *noisy)[1] == []


def test_moving_by_motion():
    rows = (at(59000.10, 18), alert(2, 10.0, FAR, 59000.14))  # 12 arcsec in an hour
    _outcome, tags, _, properties = run("moving_object", *rows)
    assert tags == ["moving_object"]
    assert properties["motion"] == pytest.approx(12 / 57.6, rel=1e-3)
    assert run("moving_object", at(59000.10, 18), alert(2, 10.0, FAR, 59001.14))[1] == []
    assert run("moving_object", at(59000.1, 18, extra={"ssdistnr": 4.9}))[1] == ["moving_object"]
    assert run("moving_object", at(59000.1, 18, extra={"ssdistnr": 5.0}))[1] == []
    nothing = at(59000.1, 18, ss_id=None, extra={"ssdistnr": None})
    assert run("moving_object", nothing)[:2] == ("succeeded", [])
    assert run("moving_object", limit(1, 59000.1, 20.0))[:2] == ("succeeded", [])


@pytest.mark.parametrize("name", sorted(SHIPPED))
@pytest.mark.parametrize("rows", [(at(59000.1, 18),), (limit(1, 59000.1, 20.0),)], ids=["point", "limit"])
def test_single_points_and_limits_break_no_filter(name, rows):
    assert run(name, *rows, catalogues=["stars"])[0] in ("succeeded", "skipped")


# Watch lists ----------------------------------------------------------------------------------------------


def listed(folder, text):
    path = folder / "watch.csv"
    path.write_text(text)
    return str(path)


def watch(name, path, *rows, **config):
    return run(name, *rows, files={name: {"list": path}}, **config)


def test_watch_static(tmp_path):
    circle = listed(tmp_path, "name,ra,dec,radius_arcsec\nM31,10.0,0.001,5\n")
    assert watch("watch_static", circle, at(59000.1, 18))[1] == ["watch_static"]
    assert watch("watch_static", circle, at(59000.1, 18))[3] == {"watch_static_name": "M31"}
    away = listed(tmp_path, "name,ra,dec,radius_arcsec\nM31,10.0,0.01,5\n")
    assert watch("watch_static", away, at(59000.1, 18))[1] == []
    square = listed(tmp_path, "name,polygon\nbox,9 -1 11 -1 11 1 9 1\n")
    assert watch("watch_static", square, at(59000.1, 18))[1] == ["watch_static"]
    outside = listed(tmp_path, "name,polygon\nbox,11 -1 13 -1 13 1 11 1\n")
    assert watch("watch_static", outside, at(59000.1, 18))[1] == []
    assert run("watch_static", at(59000.1, 18))[:2] == ("skipped", [])
    assert "files.watch_static" in run("watch_static", at(59000.1, 18))[2]


def test_watch_static_takes_a_moc(tmp_path):
    from mocpy import MOC

    MOC.from_string("5/" + str(_cell(10.0, 0.0))).save(str(tmp_path / "m.fits"), format="fits")
    settings = {"files": {"watch_static": {"moc": str(tmp_path / "m.fits")}}}
    assert run("watch_static", at(59000.1, 18), **settings)[1] == ["watch_static"]
    assert run("watch_static", alert(1, 200.0, 50.0, 59000.1), **settings)[1] == []


def _cell(ra, dec):
    from ephemera.alerts.store import cell_of_positions

    return int(cell_of_positions([ra], [dec])[0])


def test_a_list_that_cannot_be_read_is_reported(tmp_path):
    path = listed(tmp_path, "name,ra,dec,radius_arcsec\nM31,ten,0,5\n")
    _, loci = associate(alerts(at(59000.1, 18)), None)
    result = run_filters(
        loci,
        joined(loci["locus_id"][0].as_py(), at(59000.1, 18)),
        ["watch_static", "everything"],
        {"files": {"watch_static": {"list": path}}},
    )
    assert "line 2" in result.tallies["watch_static"].problem
    assert result.tallies["everything"].succeeded == 1


def test_watch_dynamic(tmp_path):
    header = "name,ra,dec,radius_arcsec,begin_mjd,end_mjd,version\n"
    now = listed(tmp_path, header + "GW1,10,0,10,58999,59002,v2\n")
    assert watch("watch_dynamic", now, at(59000.1, 18))[3] == {
        "watch_dynamic_name": "GW1",
        "watch_dynamic_version": "v2",
    }
    over = listed(tmp_path, header + "GW1,10,0,10,58990,58999,v1\n")
    assert watch("watch_dynamic", over, at(59000.1, 18))[1] == []
    away = listed(tmp_path, header + "GW1,11,0,10,58999,59002,v2\n")
    assert watch("watch_dynamic", away, at(59000.1, 18))[:2] == ("succeeded", [])
    assert run("watch_dynamic", at(59000.1, 18))[:2] == ("skipped", [])


def test_new_regions_are_held_against_the_past(tmp_path):
    from pathlib import Path

    from ephemera.alerts.filter import past_matches
    from ephemera.alerts.filters.watch import WatchDynamic
    from ephemera.alerts.store import advance

    _, loci = associate(alerts(alert(1, 10.0, 0.0, 59000.1), alert(2, 50.0, 0.0, 59000.1)), None)
    cells = {
        _cell(ra, 0.0): [k for k, r in enumerate(loci["ra"].to_pylist()) if abs(r - ra) < 1]
        for ra in (10.0, 50.0)
    }
    advance(None, tmp_path / "loci", {cell: loci.take(rows) for cell, rows in cells.items()})
    path = listed(
        tmp_path, "name,ra,dec,radius_arcsec,begin_mjd,end_mjd,version\nGW,10,0,20,59010.5,59020,v1\n"
    )
    watch_list = WatchDynamic()
    watch_list.setup({"search_back_d": 30.0}, {"list": Path(path)})
    found = past_matches(watch_list, tmp_path, 59010.0, 59011.0, set())
    (inside,) = (row["locus_id"] for row in loci.to_pylist() if abs(row["ra"] - 10.0) < 1)
    assert [(one.locus_id, one.tag, one.cell) for one in found] == [
        (inside, "watch_dynamic", _cell(10.0, 0.0))
    ]
    assert found[0].properties == {"watch_dynamic_name": "GW", "watch_dynamic_version": "v1"}
    assert past_matches(watch_list, tmp_path, 59010.0, 59011.0, {inside}) == []
    assert past_matches(watch_list, tmp_path, 59011.0, 59012.0, set()) == []
    watch_list.setup({"search_back_d": 5.0}, {"list": Path(path)})
    assert past_matches(watch_list, tmp_path, 59010.0, 59011.0, set()) == []


# Features -------------------------------------------------------------------------------------------------


def test_features_of_short_and_long_curves():
    pytest.importorskip("light_curve")
    rows = [at(59000.1 + k, 18 + 0.1 * (k % 3), k + 1) for k in range(8)] + [
        at(59000.2, 17.0, 50, band="ztf_r")
    ]
    outcome, _, _, properties = run("feature_extract", *rows)
    assert outcome == "succeeded"
    mags = np.float32([18 + 0.1 * (k % 3) for k in range(8)])
    assert properties["feat_ztf_g_mean"] == pytest.approx(mags.mean(), abs=1e-5)
    assert properties["feat_ztf_g_amplitude"] == pytest.approx(0.1, abs=1e-5)
    assert properties["feat_ztf_r_standard_deviation"] == 0.0
    assert properties["colour_ztf_g_ztf_r"] > 1
    assert all(np.isfinite(v) for v in properties.values())
    single = run("feature_extract", at(59000.1, 18, sign=-1, flux=-100.0))
    assert single[0] == "succeeded"
    assert not any(name.startswith("colour") for name in single[3])
    assert run("feature_extract", limit(1, 59000.1, 20.0))[0] == "skipped"


def test_anomaly_ranks_by_the_forest_of_the_night_before():
    pytest.importorskip("sklearn")
    random = np.random.default_rng(0)
    before = [{"feat_x": float(x), "feat_y": float(y)} for x, y in random.normal(size=(100, 2))]
    properties = {
        "a": {"feat_x": 0.0, "feat_y": 0.1},
        "b": {"feat_x": 9.0, "feat_y": -8.0},
        "c": {"other": 1},
    }
    ranks = []
    for _ in range(2):
        forest = SHIPPED["anomaly"]()
        forest.setup({"seed": 3}, {})
        forest.train(before)
        ranks.append(forest.finish(properties))
    assert ranks[0] == ranks[1]
    assert ranks[0]["b"]["anomaly_rank"] == 1
    assert ranks[0]["a"]["anomaly_rank"] == 2
    assert "c" not in ranks[0]


@pytest.mark.parametrize(
    ("name", "module", "package"),
    [
        ("feature_extract", "light_curve", "light-curve"),
        ("anomaly", "sklearn.ensemble", "scikit-learn"),
    ],
)
def test_filters_whose_package_is_absent_are_skipped(monkeypatch, name, module, package):
    from ephemera.alerts.filters import features

    def importing(wanted):
        if wanted == module:
            raise ImportError(wanted)
        return import_module(wanted)

    monkeypatch.setattr(features, "import_module", importing)
    outcome, _, missing, _ = run(name, at(59000.1, 18))
    assert (outcome, missing) == ("skipped", f"package {package}")
