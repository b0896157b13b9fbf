"""Which field of which packet becomes which canonical column: one table per survey and range of versions.

A table maps canonical names to source paths in order of preference; `candidate.candid` is field `candid` of
record `candidate`. A version that no table knows is read with the survey's newest table when all required
fields are there, and a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ephemera.alerts.outcomes import Kind, PacketError, Reason, Stage

Paths = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Photometry:
    """How brightness is given: a magnitude with a sign, or a flux in units of `to_njy` nJy."""

    form: Literal["magnitude", "flux"] = "flux"
    to_njy: float = 1.0


@dataclass(frozen=True)
class PriorList:
    """A list of earlier measurements inside a packet; entries without an id are of kind `without_id`."""

    path: str
    kind: Kind
    fields: Paths
    photometry: Photometry
    without_id: Kind | None = None


@dataclass(frozen=True)
class PacketMapping:
    """Table of one survey for the versions `first` to `last`.

    `time` is the scale of the time field, `time_ref` 0 for the start of the exposure and 1 for its
    middle, `alert_list` the list whose newest entry is the packet's alert where the packet is an object.
    """

    survey: str
    first: str
    last: str
    fields: Paths
    photometry: Photometry
    time: Literal["utc_jd", "utc_mjd", "tai_mjd", "tai_jd"]
    time_ref: Literal[0, 1]
    bands: Mapping[str, str]
    band_prefix: str
    priors: tuple[PriorList, ...] = ()
    required: tuple[str, ...] = ("id", "time", "ra", "dec", "band")
    alert_list: str | None = None
    text_ids: bool = False
    broker: str | None = None
    scale: Mapping[str, float] = field(default_factory=dict)


def _same(prefix: str, *names: str) -> dict[str, tuple[str, ...]]:
    return {name: (f"{prefix}{name}",) for name in names}


_ZTF_BANDS = {"1": "g", "2": "r", "3": "i", "g": "g", "r": "r", "i": "i"}
_ZTF_EXTRA = (
    "rb", "drb", "nbad", "fwhm", "elong", "magdiff", "distnr", "magnr", "sgscore1", "distpsnr1", "ssdistnr",
    "magap", "programid", "field", "rcid", "fid", "pid", "ndethist", "ssnamenr",
)  # fmt: skip
_ZTF_POINT: Paths = {
    "id": ("candid",), "time": ("jd",), "ra": ("ra",), "dec": ("dec",), "band": ("fid",), "mag": ("magpsf",),
    "mag_err": ("sigmapsf",), "positive": ("isdiffpos",), "maglim": ("diffmaglim",), **_same("", *_ZTF_EXTRA),
}  # fmt: skip


def _inside(record: str, paths: Paths) -> dict[str, tuple[str, ...]]:
    return {name: tuple(f"{record}.{path}" for path in some) for name, some in paths.items()}


_ZTF_FIELDS: Paths = {
    **_inside("candidate", _ZTF_POINT),
    "id": ("candid", "candidate.candid"),
    "object": ("objectId",),
    "version": ("schemavsn",),
    "broker": ("broker",),
}
_MAGNITUDE = Photometry("magnitude")
_ZTF_PRIORS = PriorList("prv_candidates", Kind.DETECTION, _ZTF_POINT, _MAGNITUDE, without_id=Kind.LIMIT)
_ZTF_FORCED = PriorList(
    "fp_hists",
    Kind.FORCED,
    {
        "time": ("jd",), "band": ("fid",), "flux": ("forcediffimflux",), "flux_err": ("forcediffimfluxunc",),
        "zero_point": ("magzpsci",), "maglim": ("diffmaglim",),
        **_same("", "field", "rcid", "fid", "pid", "programid", "procstatus"),
    },
    Photometry("flux"),
)  # fmt: skip
_ZTF_3 = PacketMapping(
    "ztf", "0", "3.99", _ZTF_FIELDS, _MAGNITUDE, "utc_jd", 0, _ZTF_BANDS, "ztf", (_ZTF_PRIORS,)
)
_ZTF_4 = PacketMapping(
    "ztf", "4", "4.99", _ZTF_FIELDS, _MAGNITUDE, "utc_jd", 0, _ZTF_BANDS, "ztf", (_ZTF_PRIORS, _ZTF_FORCED)
)

_LSST_BANDS = {band: band for band in "ugrizy"}
_RUBIN_POINT: Paths = {
    "id": ("diaSourceId",), "object": ("diaObjectId",), "ss": ("ssObjectId",),
    "time": ("midpointMjdTai", "midPointTai"), "ra": ("ra",), "dec": ("dec", "decl"),
    "band": ("band", "filterName"), "flux": ("psfFlux", "psFlux"), "flux_err": ("psfFluxErr", "psFluxErr"),
    **_same("", "reliability", "extendedness", "snr", "visit", "detector"), "pos_err": ("raErr",),
}  # fmt: skip
_RUBIN_FORCED = PriorList(
    "prvDiaForcedSources",
    Kind.FORCED,
    {
        "object": ("diaObjectId",), "time": ("midpointMjdTai",), "ra": ("ra",), "dec": ("dec",),
        "band": ("band",), "flux": ("psfFlux",), "flux_err": ("psfFluxErr",),
        **_same("", "visit", "detector"),
    },
    Photometry(),
)  # fmt: skip
_RUBIN = PacketMapping(
    "lsst", "10", "11.99", {**_inside("diaSource", _RUBIN_POINT), "broker": ("broker",)}, Photometry(),
    "tai_mjd", 1, _LSST_BANDS, "lsst",
    (PriorList("prvDiaSources", Kind.DETECTION, _RUBIN_POINT, Photometry()), _RUBIN_FORCED),
    scale={"pos_err": 3600.0},
)  # fmt: skip

_ELASTICC_FLUX = Photometry("flux", 10 ** ((31.4 - 27.5) / 2.5))
_ELASTICC = PacketMapping(
    "elasticc", "0.9", "0.99", _inside("diaSource", _RUBIN_POINT), _ELASTICC_FLUX, "tai_mjd", 1,
    {**_LSST_BANDS, "Y": "y"}, "lsst",
    (
        PriorList("prvDiaSources", Kind.DETECTION, _RUBIN_POINT, _ELASTICC_FLUX),
        PriorList(
            "prvDiaForcedSources", Kind.FORCED,
            {"object": ("diaObjectId",), "time": ("midPointTai",), "band": ("filterName",),
             "flux": ("psFlux",), "flux_err": ("psFluxErr",)},
            _ELASTICC_FLUX,
        ),
        PriorList(
            "prvDiaNondetectionLimits", Kind.LIMIT,
            {"time": ("midPointTai",), "band": ("filterName",), "noise": ("diaNoise",)}, _ELASTICC_FLUX,
        ),
    ),
)  # fmt: skip

_ATLAS = PacketMapping(
    "atlas", "0.1", "0.99",
    {
        "id": ("candid", "candidate.candid"), "object": ("objectId",), "version": ("schemavsn",),
        **_inside("candidate", {
            "time": ("mjd",), "ra": ("RA",), "dec": ("Dec",), "band": ("filter",), "flux": ("flux",),
            "flux_err": ("Dflux",), "rb": ("rb",), "pid": ("pid",),
        }),
    },
    Photometry("flux", 1000.0), "utc_mjd", 0, {"c": "c", "o": "o"}, "atlas", text_ids=True,
)  # fmt: skip

#: ZTF fluxes of Babamul are in 1e-6 nJy: 1.0347e11 at magnitude 18.863.
_BABAMUL_FLUX = Photometry("flux", 1e-6)
_BABAMUL_POINT: Paths = {
    "time": ("jd",), "band": ("band",), "flux": ("psfFlux",), "flux_err": ("psfFluxErr",),
    "ra": ("ra",), "dec": ("dec",), "id": ("candid",),
}  # fmt: skip
_BABAMUL = PacketMapping(
    "ztf", "0", "99", {**_ZTF_FIELDS}, _MAGNITUDE, "utc_jd", 0, _ZTF_BANDS, "ztf",
    (
        PriorList("prv_candidates", Kind.FORCED, _BABAMUL_POINT, _BABAMUL_FLUX),
        PriorList(
            "prv_nondetections", Kind.LIMIT,
            {"time": ("jd",), "band": ("band",), "noise": ("psfFluxErr",)}, _BABAMUL_FLUX,
        ),
        PriorList("fp_hists", Kind.FORCED, _BABAMUL_POINT, _BABAMUL_FLUX),
    ),
    broker="babamul",
)  # fmt: skip

_AMPEL_POINT: Paths = {
    "id": ("id",), "time": ("time",), "band": ("band",), "flux": ("flux",), "flux_err": ("fluxerr",),
    "zero_point": ("zp",), "ra": ("ra",), "dec": ("dec",),
}  # fmt: skip
_AMPEL = PacketMapping(
    "lsst", "0", "99",
    {**_inside("photometry", _AMPEL_POINT), "object": ("object.id",), "ra": ("object.ra",),
     "dec": ("object.dec",)},
    Photometry(), "tai_jd", 1, {f"lsst{band}": band for band in "ugrizy"}, "lsst",
    (PriorList("photometry", Kind.DETECTION, _AMPEL_POINT, Photometry()),),
    alert_list="photometry", broker="ampel",
)  # fmt: skip

_LASAIR = PacketMapping(
    "lsst", "0", "99",
    {
        **_inside("diaSourcesList", _RUBIN_POINT), "object": ("diaObject.diaObjectId",),
        "ra": ("diaSourcesList.ra", "diaObject.ra"),
        "dec": ("diaSourcesList.dec", "diaSourcesList.decl", "diaObject.decl", "diaObject.dec"),
    },
    Photometry(), "tai_mjd", 1, {**_LSST_BANDS, "Y": "y"}, "lsst",
    (
        PriorList("diaSourcesList", Kind.DETECTION, _RUBIN_POINT, Photometry()),
        PriorList(
            "diaForcedSourcesList", Kind.FORCED,
            {"time": ("midpointMjdTai", "midPointTai"), "band": ("band", "filterName"),
             "flux": ("psfFlux", "psFlux"), "flux_err": ("psfFluxErr", "psFluxErr")},
            Photometry(),
        ),
        PriorList(
            "diaNondetectionLimitsList", Kind.LIMIT,
            {"time": ("midpointMjdTai", "midPointTai"), "band": ("band", "filterName"),
             "noise": ("diaNoise",)},
            Photometry(),
        ),
    ),
    alert_list="diaSourcesList", broker="lasair", scale={"pos_err": 3600.0},
)  # fmt: skip

_ANTARES = PacketMapping(
    "ztf", "0", "99",
    {
        **{name: tuple(f"properties.ztf_{path}" for path in paths) for name, paths in _ZTF_POINT.items()},
        "id": ("native_id",), "object": ("properties.ztf_object_id",), "time": ("mjd",),
        "maglim": ("properties.ant_maglim", "properties.ztf_diffmaglim"), "kind": ("kind",),
    },
    _MAGNITUDE, "utc_mjd", 0, _ZTF_BANDS, "ztf", broker="antares",
)  # fmt: skip

_ALERCE = PacketMapping(
    "ztf", "0", "99",
    {
        **_same("", *_ZTF_EXTRA), "id": ("candid",), "object": ("oid",), "time": ("mjd",),
        "ra": ("ra", "meanra"), "dec": ("dec", "meandec"), "band": ("fid",), "mag": ("magpsf", "mag"),
        "mag_err": ("sigmapsf", "e_mag"),
        "positive": ("isdiffpos",), "maglim": ("diffmaglim",), "kind": ("kind",),
    },
    _MAGNITUDE, "utc_mjd", 0, _ZTF_BANDS, "ztf", broker="alerce",
)  # fmt: skip

MAPPINGS: Mapping[str, tuple[PacketMapping, ...]] = {
    "ztf": (_ZTF_3, _ZTF_4),
    "lsst": (_RUBIN,),
    "elasticc": (_ELASTICC,),
    "atlas": (_ATLAS,),
    "babamul": (_BABAMUL,),
    "ampel": (_AMPEL,),
    "lasair": (_LASAIR,),
    "antares": (_ANTARES,),
    "alerce": (_ALERCE,),
}


def version_key(version: str) -> tuple[int, ...]:
    """Version as numbers that compare: `10_0` and `10.0` are (10, 0)."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3]) or (0,)


def mapping_for(family: str, version: str) -> tuple[PacketMapping, str | None]:
    """The table of a family of packets for a version, and a warning where the version is not known.

    Raises PacketError for a family that no table knows.
    """
    tables = MAPPINGS.get(family)
    if not tables:
        message = f"packets of {family!r} are not known: {', '.join(sorted(MAPPINGS))}"
        raise PacketError(Stage.SCHEMA, Reason.UNKNOWN_SCHEMA, message)
    wanted = version_key(version)
    for table in tables:
        if version_key(table.first) <= wanted <= version_key(table.last):
            return table, None
    newest = max(tables, key=lambda table: version_key(table.last))
    return newest, f"schema version {version} of {family} is not known; read as {newest.last}"


def family_of_schema(schema: Mapping[str, object], versions: Mapping[str, object]) -> tuple[str, str]:
    """Family and version of an Avro record schema; `versions` are texts that the packet itself carries.

    Raises PacketError for a schema that is none of those known.
    """
    name = str(schema.get("name", ""))
    namespace = str(schema.get("namespace", "")) or name.rpartition(".")[0]
    full = name if "." in name else f"{namespace}.{name}"
    top = {str(f["name"]) for f in schema.get("fields", ())}  # type: ignore[attr-defined]
    version = str(versions.get("schemavsn") or schema.get("version") or "0")
    if match := re.match(r"lsst\.v(\d+)_(\d+)", full):
        return "lsst", f"{match[1]}.{match[2]}"
    if match := re.match(r"elasticc\.v(\d+)_(\d+)", full):
        return "elasticc", f"{match[1]}.{match[2]}"
    if full == "atlas.alert":
        return "atlas", version
    if "Babamul" in name:
        return "babamul", version
    if name.endswith("LSSTReport"):
        return "ampel", version
    if full == "ztf.alert" or (name == "topLevelRecord" and {"objectId", "candidate"} <= top):
        return "ztf", version
    message = f"record {full!r} with fields {', '.join(sorted(top)[:8])} is of no known survey"
    raise PacketError(Stage.SCHEMA, Reason.UNKNOWN_SCHEMA, message)
