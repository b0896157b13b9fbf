"""The complete catalogue: matches beside every row, metadata on every column, valid files read back."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from astropy.io import fits
from astropy.io.votable import validate
from astropy.io.votable.ucd import parse_ucd

from ephemera.config.load import load
from ephemera.job import Job, namespace
from ephemera.tables import read, write
from ephemera.xmm import export, long_term_columns, sample_columns
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, REGISTRY, SOURCES
from ephemera.xmm.crossmatch_columns import (
    CALIBRATION,
    CHANCE,
    COMPARISON,
    detection_matches,
    source_matches,
)
from ephemera.xmm.crossmatch_presets import PRESETS
from ephemera.xmm.matches import with_matches

SETS = [
    {"name": "gaia"},
    {"name": "simbad"},
    {"name": "mine", "file": "mine.csv", "columns": [{"name": "z"}]},
]
#: Columns that the tables must have, by what their UCDs must start with: those of both, then of each.
BOTH = {
    "pos.eq.ra;meta.main": "ra", "pos.eq.dec;meta.main": "dec", "stat.error;pos.eq": "poserr",
    "phot.color;em.X-ray": "hr", "meta.code.qual": "filt_5sig",
}  # fmt: skip
UCDS = {
    "detections": BOTH | {
        "meta.id;meta.main": "detid", "meta.id": "srcid runid obsid",
        "meta.id;instr": "cameras submode filter",
        "time.interval": "t_bin", "time.start": "t_start", "time.epoch": "t_peak mjd_peak",
        "time.duration": "duration", "em.energy;stat.min": "e_min", "em.energy;stat.max": "e_max",
        "pos.cartesian.x;instr": "x", "pos.cartesian.y;instr": "y", "phot.count;em.X-ray": "n_max n_sum",
        "phot.count": "counts_excess_q16 counts_excess_q50 counts_excess_q84", "meta.code.class": "type",
        "stat.snr": "sigma_peak sigma_eclipse", "stat.likelihood": "B_peak_log_max B_eclipse_log_max",
        "phys.angArea": "area_bbox n_pixels", "stat.value": "ratio_bti", "stat.probability": "ks_pval",
        "meta.code.qual": "filt_5sig filt_hot_region",
    },
    "sources": BOTH | {
        "meta.id;meta.main": "srcid", "meta.id": "name", "meta.number": "n_detections n_obs n_peaks_total",
        "stat.snr": "best_sigma", "meta.id.assoc": "best_detid", "pos.angDistance;stat.max": "max_sep",
        "time.epoch": "first_seen last_seen", "meta.code.status": "chain status", "meta.id.cross": "gaia_id",
        "pos.angDistance": "gaia_sep_arcsec", "phot.mag": "gaia_gmag", "pos.eq.ra": "gaia_ra",
    },
}  # fmt: skip


def filled(declaration, n, key, values):
    """A table with nulls in every second row of most columns, so that missing values are written."""
    examples = {"str": "text", "bool": True}
    columns = {c.name: [examples.get(c.dtype, 1) if k % 2 else None for k in range(n)] for c in declaration}
    return declaration.arrow(columns | {key: values})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a complete catalogue of two rows, and its declarations."""
    folder = tmp_path_factory.mktemp("export")
    crossmatch = load({"xmm": {"crossmatch": {"sets": SETS}}}).xmm.crossmatch.settings()
    declarations = export.declarations(crossmatch["sets"], 20.0)
    keys = {"detid": ["d0", "d1"], "srcid": [1, 2]}
    inputs = {"detections": folder / "d.parquet", "sources": folder / "s.parquet"}
    for declaration, name, key in (
        (CATALOGUE_DETECTIONS, "detections", "detid"),
        (SOURCES, "sources", "srcid"),
    ):
        write(filled(declaration, 2, key, keys[key]), declaration, inputs[name], {"n_obs": 7})
    matches: dict[str, list] = {"detection_matches": [], "source_matches": []}
    for one in crossmatch["sets"]:
        how = export.plan(one, 20.0)
        for what, make, key in (
            ("detection_matches", detection_matches, "detid"),
            ("source_matches", source_matches, "srcid"),
        ):
            declaration = make(how.name, how.columns)
            matches[what].append(folder / f"{how.name}.{what}.parquet")
            write(filled(declaration, 2, key, keys[key]), declaration, matches[what][-1])
    outputs = {
        name + kind: folder / f"{name}.{suffix}"
        for name in ("detections", "sources")
        for kind, suffix in (("", "out.parquet"), ("_fits", "fits"), ("_votable", "vot"))
    }
    parameters = crossmatch | {"configuration": "abc"}
    export.main(
        Job(
            input=SimpleNamespace(**inputs, **matches),
            output=SimpleNamespace(**outputs),
            settings=namespace(parameters),
            wildcards=SimpleNamespace(project="p"),
            recipe={"key": "key", "parameters": parameters},
            threads=1,
        )
    )
    return folder, dict(zip(("detections", "sources"), declarations, strict=True))


@pytest.mark.parametrize("name", UCDS)
def test_fits_has_unit_ucd_and_description_of_every_column(made, name):
    folder, declarations = made
    with fits.open(folder / f"{name}.fits") as hdus:
        header = hdus[1].header
    assert (header["N_OBS"], header["CONFHASH"], header["RECIPE"]) == (7, "abc", "key")
    assert header["VERSION"]
    found = {}
    for k, column in enumerate(declarations[name], start=1):
        assert header[f"TTYPE{k}"] == column.name
        assert header.get(f"TUNIT{k}") == column.unit
        found[column.name] = header[f"TUCD{k}"]
        parse_ucd(found[column.name], check_controlled_vocabulary=True)
        assert header[f"TCOMM{k}"] == column.description
    wanted = [(column, ucd) for ucd, columns in UCDS[name].items() for column in columns.split()]
    assert [column for column, ucd in wanted if not found[column].startswith(ucd)] == []


@pytest.mark.parametrize("name", ["detections", "sources"])
def test_the_votable_is_valid_and_all_formats_read_back_the_same(made, name):
    folder, declarations = made
    report = io.StringIO()
    assert validate(folder / f"{name}.vot", output=report), report.getvalue()
    tables = [read(folder / f"{name}.{s}", declarations[name]) for s in ("fits", "vot", "out.parquet")]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert tables[0]["gaia_sep_arcsec"].null_count == 1


def test_matches_of_another_catalogue_are_refused(made):
    folder, _ = made
    table = read(folder / "s.parquet", SOURCES)
    with pytest.raises(ValueError, match="the matches are of another catalogue"):
        with_matches(table.slice(0, 1), "srcid", [folder / "gaia.source_matches.parquet"])


PRODUCTS = [
    value
    for module in (sample_columns, long_term_columns)
    for value in vars(module).values()
    if type(value).__name__ == "TableDeclaration"
] + [CALIBRATION, CHANCE, COMPARISON, REGISTRY, *(source_matches(n, p.columns) for n, p in PRESETS.items())]


@pytest.mark.parametrize("declaration", PRODUCTS, ids=lambda d: d.name)
def test_every_product_has_valid_ucds_and_is_a_valid_votable(tmp_path, declaration):
    for column in declaration:
        parse_ucd(column.ucd, check_controlled_vocabulary=True)
    write(declaration.empty(), declaration, tmp_path / "t.vot")
    report = io.StringIO()
    assert validate(tmp_path / "t.vot", output=report), report.getvalue()
