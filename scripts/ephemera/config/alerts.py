"""Options of the alert branch, one section a step: `alerts.night` configures the rule `alerts_night`."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field, field_validator

from ephemera.config.section import Section, option, subsection

Positive = Annotated[float, Gt(0)]
Radius = Annotated[float, Ge(0.1), Le(30.0)]
InjectedClass = Literal["nova", "supernova", "microlensing", "dip", "flare", "moving"]

#: Filters that run unless the configuration names others.
FILTERS = [
    "everything", "quality_basic", "quality_strict", "jump", "nuclear_transient", "variable_star",
    "nightly_brightening", "young", "moving_object", "long_lived", "single_point", "negative_only",
    "new_band",
]  # fmt: skip


#: All filters that come along.
SHIPPED_FILTERS = (
    *FILTERS, "not_star", "oddball", "watch_static", "watch_dynamic", "feature_extract", "anomaly",
)  # fmt: skip


class Simulate(Section):
    """`alerts_simulate`: makes the alerts of deliveries of kind simulate."""

    light_curves: list[str] = option(
        [], "Light curves to draw from: an OGLE folder, PyTables, CSV or Parquet; none invents Cepheids."
    )
    cepheids: int = option(60, "Number of invented Cepheids.", ge=1, le=100_000)
    fake: str | None = option(
        "invented",
        "The fake source in each packet: invented, or a table with columns t, V, I; null for none.",
    )
    inject: dict[InjectedClass, Annotated[int, Ge(0)]] = option(
        {}, "Number of sources of each injected class."
    )
    epochs: int = option(10, "Nights with visits, every second one.", ge=1, le=10_000)
    visits: int = option(2, "Visits a night, an hour apart.", ge=1, le=20)
    bands: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,8}$")]] = option(
        ["I", "V"], "Bands of a visit, ten minutes apart."
    )
    background: int = option(5, "Background alerts of each packet.", ge=0, le=100_000)
    first: float = option(0.5, "Time of the first packet.", unit="d", ge=0)
    start_mjd: float = option(60000.0, "Day at which the survey starts (MJD).", unit="d", ge=0)
    clock: Literal["regular", "notebook"] = option(
        "regular", "Times of the packets; the notebook's clock drifts by 0.1111 d an epoch."
    )
    hold: bool = option(False, "Repeat the last value of a light curve after its end, as the notebook does.")
    noise: bool = option(True, "Scatter magnitudes by their errors.")
    dither_arcsec: float = option(1.0, "Scatter of positions per axis.", unit="arcsec", ge=0, le=60)
    faintest: float = option(22.0, "Fainter sources send no alert.", unit="mag")
    avro: bool = option(False, "Also write the alerts as packets like ZTF's.")


class Decode(Section):
    """`alerts_decode`: brings packets of any survey into one table."""

    priors: Literal["read", "skip"] = option(
        "read", "Read the measurements that packets repeat, or skip them."
    )
    keep_cutouts: bool = option(False, "Keep the cutouts of packets in files of their own.")
    schemas: str | None = option(None, "Folder of schemas by number, for messages without a schema.")
    simulated: list[str] = option([], "Surveys whose times may be anything, such as those of simulations.")
    night_offset_d: dict[str, float] = option(
        {"lsst": 0.5}, "Nights begin this part of a day after midnight UTC, by survey.", unit="d"
    )
    elasticc_zero_point: float = option(27.5, "Zero point of ELAsTiCC fluxes.", unit="mag")
    own_columns: dict[str, str] = option(
        {}, "Columns of a table of your own by canonical name (id, time, ra, dec, band, mag or flux, ...)."
    )
    own_survey: str = option("own", "Survey name of your own table.", pattern=r"^[a-z][a-z0-9]{0,15}$")
    own_time: Literal["utc_mjd", "utc_jd", "tai_mjd", "tai_jd"] = option(
        "utc_mjd", "Time scale of your table."
    )
    own_flux_njy: Positive = option(1.0, "Unit of the fluxes of your own table.", unit="nJy")


class Night(Section):
    """`alerts_night`: each alert of a night once, in one order."""

    good_procstatus: list[str] = option(["0"], "States of forced photometry that count as good.")


class Associate(Section):
    """`alerts_associate`: joins alerts to loci."""

    radius_arcsec: Radius = option(2.0, "Largest separation from the mean of a locus.", unit="arcsec")
    radius_by_survey: dict[str, Radius] = option({}, "Radii of single surveys.", unit="arcsec")
    weight: Literal["count", "error"] = option("count", "Weight in the mean: one each, or 1 / error^2.")
    merge: Literal["report", "yes"] = option(
        "report", "Loci within half a radius: report them, or merge them."
    )
    split: str | None = option(None, "CSV (alert_key, group) of alerts that get a locus of their own.")


class Catalogue(Section):
    """A local catalogue: where it is and what its columns are called."""

    name: str = option("stars", "Name by which filters ask for it.", pattern=r"^[a-z][a-z0-9_]{0,31}$")
    file: str = option("catalogue.parquet", "File: Parquet, CSV, FITS, HDF5 or VOTable.", min_length=1)
    radius_arcsec: Annotated[float, Gt(0), Le(3600)] = option(2.0, "Rows this near match.", unit="arcsec")
    columns: list[str] = option([], "Columns that filters and pages see.")
    ra: str = option("ra", "Column of right ascension, degrees.")
    dec: str = option("dec", "Column of declination, degrees.")
    pm_ra: str | None = option(None, "Column of proper motion in RA with cos dec, mas/yr.")
    pm_dec: str | None = option(None, "Column of proper motion in declination, mas/yr.")
    epoch: float = option(2000.0, "Epoch of the positions, Julian year.", unit="yr", ge=1800, le=2200)
    error_major: str | None = option(None, "Column of the major semi-axis of the error ellipse, arcsec.")
    error_minor: str | None = option(None, "Column of its minor semi-axis, arcsec.")
    error_angle: str | None = option(None, "Column of its position angle, degrees.")


class Crossmatch(Section):
    """`alerts_crossmatch`: matches loci to local catalogues."""

    catalogues: list[Catalogue] = option([], "Catalogues; docs/alerts.md shows an entry.")

    @field_validator("catalogues")
    @classmethod
    def _own_names(cls, value: list[Catalogue]) -> list[Catalogue]:
        names = [catalogue.name for catalogue in value]
        if len(set(names)) != len(names):
            message = f"catalogues need names of their own, got {', '.join(names)}"
            raise ValueError(message)
        return value


class Filters(Section):
    """`alerts_filter`: runs filters over the loci of a night."""

    run: list[str] = option(FILTERS, "Filters: names of shipped ones, file.py:Name, package.module:Name.")
    options: dict[str, dict[str, Any]] = option({}, "Options by filter name.")
    files: dict[str, dict[str, str]] = option({}, "Files by filter name, such as watch lists.")
    trigger: Literal["night", "alert"] = option(
        "night", "Run once a night on each touched locus, or at each of its new alerts."
    )
    time_limit_s: Positive = option(1.0, "Time that one locus may take.", unit="s")
    memory_limit_mb: int = option(2000, "Memory of the process of a user's filter.", unit="MB", ge=200)
    max_error_fraction: float = option(
        0.05, "Larger fractions of errors switch a filter off for the night.", ge=0, le=1
    )

    @field_validator("run")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if ":" not in name and name not in SHIPPED_FILTERS:
                near = difflib.get_close_matches(name, SHIPPED_FILTERS, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                message = f"filter {name!r} is not known: {', '.join(SHIPPED_FILTERS)}, or file.py:Name{hint}"
                raise ValueError(message)
        return value


class Stream(Section):
    """`alerts_stream`: writes one stream per tag and night."""

    once: bool = option(False, "Send a locus a single time per tag.")
    kafka_servers: str | None = option(None, "Kafka brokers to send the streams to (host:port, ...).")
    kafka_prefix: str = option("ephemera.", "Prefix of the topics.", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    kafka_timeout_s: Positive = option(30.0, "Longest wait for a broker.", unit="s")


class Pages(Section):
    """`alerts_pages`: a page for each locus of the night, and an index."""

    enabled: bool = option(True, "Make pages.")
    max_pages: int = option(200, "Loci with a page, tagged ones first.", ge=0, le=100_000)


class Report(Section):
    """`alerts_report`: the account of a night."""

    nights_compared: int = option(7, "Nights whose rate is compared with this night's.", ge=1, le=365)
    rate_factor: float = option(3.0, "A rate this much larger or smaller is worth a warning.", gt=1)


class Benchmark(Section):
    """`alerts_benchmark`: how well filters find what was injected."""

    training_set: str | None = option(
        None, "Tar file of light curves (t pb flux dflux) whose ten oddest objects are wanted."
    )


class Alerts(Section):
    """Survey alerts: loci, filters, streams, pages and a nightly account."""

    samples: str | None = option(
        None, "Sheet of deliveries (delivery, source, location); null leaves the branch out."
    )
    rebuild_from: int | None = option(
        None, "Night from which late alerts may change loci again.", ge=-(10**6)
    )
    simulate: Simulate = subsection(Simulate, "Simulated deliveries.")
    decode: Decode = subsection(Decode, "Packets.")
    night: Night = subsection(Night, "Nights.")
    associate: Associate = subsection(Associate, "Loci.")
    crossmatch: Crossmatch = subsection(Crossmatch, "Catalogues.")
    filter: Filters = subsection(Filters, "Filters.")
    stream: Stream = subsection(Stream, "Streams.")
    pages: Pages = subsection(Pages, "Pages.")
    report: Report = subsection(Report, "Report.")
    benchmark: Benchmark = subsection(Benchmark, "Benchmark.")
