"""Catalogues to match with: what is known of the usual ones, and the plan of a set of the configuration.

A preset names the columns of a catalogue, so that a set needs no more than its name and, for a local
catalogue, its file. What the configuration says goes before the preset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ephemera.tables import Column

#: UCD of a column handed on for which the configuration names none.
DEFAULT_UCDS = {"f8": "stat.value", "i8": "meta.number", "bool": "meta.code", "str": "meta.note"}
#: Names of the sets of which types, stars and variable sources are taken.
SIMBAD, GAIA, XMM4 = "simbad", "gaia", "xmm4"
_MAG = "phot.mag"


@dataclass(frozen=True)
class SetPlan:
    """How a set is got and read: a `cds` table or (None) a file; column names; the columns handed on."""

    name: str
    cds: str | None = None
    id: str | None = None
    ra: str | None = None
    dec: str | None = None
    pm_ra: str | None = None
    pm_dec: str | None = None
    epoch: float | None = None
    error_ra: str | None = None
    error_dec: str | None = None
    error_sigma: float = 3.0
    radius_arcsec: float = 20.0
    columns: tuple[Column, ...] = ()
    reference: bool = False


def _mag(name: str, what: str) -> Column:
    return Column(name, "f8", "mag", _MAG, f"{what} magnitude")


PRESETS: Mapping[str, SetPlan] = {
    SIMBAD: SetPlan(
        SIMBAD,
        cds="simbad",
        id="main_id",
        ra="ra",
        dec="dec",
        columns=(
            Column("main_id", "str", None, "meta.id", "Main identifier"),
            Column("main_type", "str", None, "src.class", "Main type of object"),
        ),
    ),
    GAIA: SetPlan(
        GAIA,
        cds="vizier:I/355/gaiadr3",
        id="DR3Name",
        pm_ra="pmRA",
        pm_dec="pmDE",
        epoch=2016.0,
        reference=True,
        columns=(
            Column("DR3Name", "str", None, "meta.id", "Name in Gaia DR3"),
            _mag("Gmag", "G"),
            _mag("BPmag", "BP"),
            _mag("RPmag", "RP"),
            Column("Dist", "f8", "pc", "pos.distance", "Distance by the astrophysical parameters"),
            Column("Teff", "f8", "K", "phys.temperature.effective", "Effective temperature"),
            Column("VarFlag", "str", None, "src.var", "Photometric variability"),
        ),
    ),
    "xmmom": SetPlan("xmmom", cds="vizier:II/378/xmmom6s", columns=()),
    XMM4: SetPlan(
        XMM4,
        id="SRCID",
        ra="SC_RA",
        dec="SC_DEC",
        columns=(
            Column("IAUNAME", "str", None, "meta.id", "Name in 4XMM"),
            Column("SC_POSERR", "f8", "arcsec", "stat.error;pos.eq", "Positional error in 4XMM"),
            Column("SC_EP_8_FLUX", "f8", "erg.cm**-2.s**-1", "phot.flux;em.X-ray", "Flux 0.2-12 keV"),
            Column("SC_VAR_FLAG", "bool", None, "src.var", "Called variable within an observation"),
        ),
    ),
    "xmm4s": SetPlan(
        "xmm4s",
        id="SRCID",
        ra="RA",
        dec="DEC",
        columns=(
            Column("IAUNAME", "str", None, "meta.id", "Name in the stacked catalogue"),
            Column("RADEC_ERR", "f8", "arcsec", "stat.error;pos.eq", "Positional error"),
            Column("EP_FLUX", "f8", "erg.cm**-2.s**-1", "phot.flux;em.X-ray", "Mean flux 0.2-12 keV"),
            Column("N_OBS", "i8", None, "meta.number", "Observations stacked"),
            Column("VAR_PROB", "f8", None, "stat.probability", "Probability of constant flux between them"),
            Column("FRATIO", "f8", None, "stat.value", "Largest flux ratio between observations"),
        ),
    ),
    "glade": SetPlan(
        "glade",
        id="GLADE_no",
        ra="RA",
        dec="Dec",
        columns=(Column("d_L", "f8", "Mpc", "pos.distance", "Luminosity distance"),),
    ),
    "chime": SetPlan(
        "chime",
        id="tns_name",
        ra="ra",
        dec="dec",
        error_ra="ra_err",
        error_dec="dec_err",
        columns=(
            Column("mjd_400", "f8", "d", "time.epoch", "Arrival time at 400 MHz, MJD"),
            Column("dm_fitb", "f8", "pc/cm3", "phys.dispMeasure", "Dispersion measure"),
        ),
    ),
    "extras": SetPlan(
        "extras",
        id="SRCID",
        columns=(
            Column("UB_LC500_CO_PVAL", "f8", None, "stat.probability", "Chance of a constant 500 s curve"),
        ),
    ),
    "xmmclass": SetPlan(
        "xmmclass",
        id="SRCID",
        columns=(Column("prediction", "str", None, "src.class", "Predicted class"),),
    ),
}


def plan(settings: Mapping[str, Any], radius_arcsec: float) -> SetPlan:
    """Plan of one set of the configuration.

    Raises ValueError for an unknown preset, and for a set with neither a file nor a table of the service.
    """
    name = settings["name"]
    wanted = settings["preset"] or name
    if settings["preset"] is not None and wanted not in PRESETS:
        message = f"crossmatch set {name}: preset {wanted!r} is none of {', '.join(sorted(PRESETS))}"
        raise ValueError(message)
    known = PRESETS.get(wanted, SetPlan(name))
    keys = ("id", "ra", "dec", "pm_ra", "pm_dec", "epoch", "error_ra", "error_dec", "reference")
    given = {key: settings[key] for key in keys if settings[key] is not None}
    cds = None if settings["file"] is not None else settings["cds"] or known.cds
    if cds is None and settings["file"] is None:
        message = (
            f"crossmatch set {name}: give a file, or a table of the CDS X-Match service; known by name are "
            f"{', '.join(sorted(key for key, each in PRESETS.items() if each.cds))}"
        )
        raise ValueError(message)
    columns = known.columns if settings["columns"] is None else tuple(map(_column, settings["columns"]))
    return replace(
        known,
        name=name,
        cds=cds,
        columns=columns,
        radius_arcsec=settings["radius_arcsec"] or radius_arcsec,
        error_sigma=settings["error_sigma"],
        **given,
    )


def _column(settings: Mapping[str, Any]) -> Column:
    text = settings["description"] or f"Column {settings['name']} of the catalogue"
    name = "".join(c if c.isalnum() or c == "_" else "_" for c in settings["name"])
    if name != settings["name"] or not name[0].isalpha():
        message = f"crossmatch column {settings['name']!r}: only letters, digits and _ can be handed on"
        raise ValueError(message)
    ucd = settings["ucd"] or DEFAULT_UCDS[settings["dtype"]]
    return Column(name, settings["dtype"], settings["unit"], ucd, text)
