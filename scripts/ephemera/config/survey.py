"""Options of the survey branch, one section a step: `survey.reduce` configures the rule `survey_reduce`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt
from pydantic import AfterValidator, Field, model_validator

from ephemera.config.section import Section, TableFormat, option, subsection

Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]


def _plugin(value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[\w./-]+:[A-Za-z_]\w*", value):
        message = f"a plug-in is package.module:Name or path/file.py:Name, got {value!r}"
        raise ValueError(message)
    return value


Plugin = Annotated[str | None, AfterValidator(_plugin)]


class Columns(Section):
    """Columns of the catalogue file; null and absent ones are null in the table of sources."""

    name: str = option("name", "Name of the source; 64-bit numbers stay whole.")
    ra: str = option("ra", "Right ascension, degrees or sexagesimal hours.")
    dec: str = option("dec", "Declination, degrees or sexagesimal degrees.")
    pmra: str | None = option(None, "Proper motion in right ascension, times cos(dec).", unit="mas/yr")
    pmdec: str | None = option(None, "Proper motion in declination.", unit="mas/yr")
    parallax: str | None = option(None, "Parallax.", unit="mas")
    mag: str | None = option("mag", "Magnitude.", unit="mag")
    mag_err: str | None = option(None, "Error of the magnitude.", unit="mag")
    mags: dict[str, str] = option({}, "Columns of other magnitudes, by band: {Gaia_RP: phot_rp_mean_mag}.")
    alias: str | None = option(
        None, "Another name: a TIC number (`TIC 12`) or ZTF objects (`ZTF 686103400067717 ...`)."
    )


class Catalogue(Section):
    """`survey_catalogue`: reads the list of sources, checks it, deals it out to batches."""

    default: Literal["WD", "test"] | None = option(
        None, "WD: white dwarfs of Gaia EDR3; test: seeded random sources."
    )
    file: str | None = option(None, "File: csv, tsv, fits(.gz), h5, hdf5, parquet, vot.")
    url: str | None = option(None, "Address from which the file is fetched once.")
    format: Literal["csv", "fits", "hdf5", "parquet", "votable"] | None = option(
        None, "Format of the file; null: by its suffix."
    )
    columns: Columns = subsection(Columns, "Columns of the file.")
    frame: Literal["icrs", "fk5", "fk4", "galactic"] = option("icrs", "Frame of the positions.")
    epoch: float = option(2000.0, "Epoch of the positions, Julian year.", unit="yr", ge=1800, le=2200)
    mag_band: str = option("R", "Band of the magnitude.")
    range: str | list[str] = option(
        "all", "Rows used: all, first:last (from 0), a list of names, or an SQL condition."
    )
    test_sources: int = option(10, "Sources of the catalogue `test`.", ge=1, le=10_000_000)


class Gaia(Section):
    """`survey_gaia`: motions, parallaxes and magnitudes that the catalogue lacks, from the Gaia archive."""

    enabled: bool = option(False, "Ask the Gaia archive for every source.")
    table: str = option("gaiadr3.gaia_source", "Table of the archive.", pattern=r"^[A-Za-z0-9_.]+$")
    mag_limit: float = option(20.5, "Faintest candidates, G.", unit="mag")
    cone_arcsec: Positive = option(30.0, "Cone asked for: wide enough for stars that move.", unit="arcsec")
    match_arcsec: Positive = option(2.0, "Farthest candidate at the catalogue's epoch.", unit="arcsec")


class Network(Section):
    """How servers are asked; nothing here changes a result."""

    offline: bool = option(False, "No network at all: what is not on disk is `missing`.")
    connect_timeout_s: Positive = option(10.0, "Longest wait for a connection.", unit="s")
    read_timeout_s: Positive = option(120.0, "Longest silence of a server.", unit="s")
    retries: int = option(6, "How often a failed request is repeated.", ge=0, le=20)
    requests_per_s: Positive = option(5.0, "Most requests per second to one host.", unit="1/s")
    connections: int = option(4, "Most connections to one host.", ge=1, le=32)
    irsa_url: str = option(
        "https://irsa.ipac.caltech.edu/cgi-bin/ZTF/nph_light_curves", "Light-curve service of IRSA."
    )
    mast_url: str = option("https://mast.stsci.edu/api/v0", "Services of MAST.")
    ztf_forced_url: str = option("https://ztfweb.ipac.caltech.edu", "Forced-photometry service of IPAC.")
    gaia_url: str = option("https://gea.esac.esa.int/tap-server/tap/sync", "Gaia archive.")


class Ztf(Section):
    """What is asked of ZTF."""

    release: str = option("ztf_dr24", "Data release (COLLECTION).", pattern=r"^ztf_dr\d+$")
    radius_arcsec: Positive = option(2.0, "Cone around a source that does not move.", unit="arcsec")
    bands: str = option("g,r,i", "Bands asked for.", pattern=r"^[gri](,[gri])*$")
    years: NotNegative = option(3.0, "Years of proper motion by which the cone grows.", unit="yr")
    mjd_range: list[float] | None = option(None, "First and last MJD asked for.", unit="d")
    nobs_min: int | None = option(None, "Least epochs of an object.", ge=1)


class ZtfForced(Section):
    """What is asked of ZTF's forced photometry."""

    mjd_range: list[float] = option(
        [58194.0, 61041.0], "First and last MJD asked for.", unit="d", min_length=2, max_length=2
    )


class Tess(Section):
    """What is asked of TESS, and how its files are read."""

    cone_arcsec: Positive = option(360.0, "Cone of the TIC around each source.", unit="arcsec")
    match_arcsec: Positive = option(10.0, "Farthest TIC star taken.", unit="arcsec")
    match_mag: Positive = option(0.75, "Largest difference of magnitude.", unit="mag")
    cadence: list[Literal[20, 120]] = option([120, 20], "Cadences in order of preference.", unit="s")
    sectors: list[int] | None = option(None, "Sectors asked for; null: all.")


class Files(Section):
    """FILES: light curves in files of one's own."""

    pattern: str | None = option(None, "Path of a source's file, with {name} where the name stands.")
    layout: Literal["table", "macho", "ogle", "antares", "kepler", "alerce", "peer"] = option(
        "table", "Layout of the files."
    )
    columns: dict[str, str] = option(
        {}, "Columns: time, mag, mag_err, flux, flux_err, filter, flag, ra, dec, exptime."
    )
    time: str | None = option(None, "Meaning of an ambiguous time column: jd, mjd, btjd, MJD-50000, ...")
    zero_point: float = option(23.9, "Magnitude of flux 1 where fluxes are given.", unit="mag")
    exptime_s: Positive = option(30.0, "Exposure where the file does not say.", unit="s")


class Demo(Section):
    """DEMO: light curves made on the spot."""

    epochs: int = option(100, "Epochs of a light curve.", ge=1, le=1_000_000)
    mag: float = option(18.0, "Mean magnitude.", unit="mag")
    shuffled: bool = option(False, "Times drawn at random instead of evenly spread.")
    flares: float = option(0.0, "Share of sources with a flare of 10 to 30 sigma.", ge=0, le=1)
    wait_s: NotNegative = option(0.0, "Pause before each answer.", unit="s")
    failures: list[Literal["ok", "timeout", "empty", "truncated"]] = option(
        [], "Pattern of answers, dealt to the sources in turn."
    )


class Fetch(Section):
    """`survey_fetch`: brings the raw rows of each source to the store."""

    ztf: Ztf = subsection(Ztf, "ZTF light curves from IRSA.")
    ztf_forced: ZtfForced = subsection(ZtfForced, "ZTF forced photometry from IPAC (survey ZTFFORCED).")
    tess: Tess = subsection(Tess, "TESS light curves from MAST.")
    files: Files = subsection(Files, "Files of one's own.")
    demo: Demo = subsection(Demo, "Made-up light curves.")
    refetch: Literal["never", "params"] = option(
        "never", "Fetch again what was asked for with other parameters (params)."
    )
    max_failures: float = option(0.01, "Share of sources that may fail by a plug-in.", ge=0, le=1)


class Populate(Section):
    """`survey_populate`: finds raw files already on disk, by name, else by position."""

    enabled: bool = option(False, "Look through the raw store before fetching.")
    radius_arcsec: Positive = option(2.0, "Farthest recorded position.", unit="arcsec")


class Reduce(Section):
    """`survey_reduce`: raw rows to light curves."""

    gap_days: Positive | None = option(40.0, "Longer gaps end a season; null never.", unit="d")
    mag_range: Positive | None = option(
        0.75, "Largest difference from the catalogue's magnitude; null any.", unit="mag"
    )
    radius_arcsec: Positive | None = option(3.0, "Largest distance of an object; null any.", unit="arcsec")
    drop_bad: bool = option(False, "Remove flagged rows once seasons are cut.")
    bad_bits: dict[str, int] = option(
        {}, "Bits that flag an epoch, by survey; a survey not named: all its bits."
    )
    filter_map: dict[str, str] = option({}, "Canonical names of filters, beside those built in.")
    tess_flux: Literal["PDCSAP", "SAP"] = option("PDCSAP", "Flux column of TESS.")
    tess_position: Literal["MOM_CENTR", "PSF_CENTR", "POS_CORR"] = option(
        "MOM_CENTR", "Position columns of TESS."
    )


class Quality(Section):
    """Which epochs are not to be trusted."""

    offset_threshold: Positive = option(3.5, "Offset score above which an epoch is flagged.")


class Finder(Section):
    """Which epochs make events."""

    snr_threshold: Positive = option(5.0, "Least |score| of an event's peak.")
    sideband: float = option(-2.0, "Least |score| of its epochs; negative: below the threshold.")
    max_per_curve: int | None = option(None, "Most events kept of a light curve; null: all.", ge=1)
    signs: Literal["both", "positive", "negative"] = option("both", "Brightenings, dips or both.")
    min_points: int = option(1, "Least epochs of an event.", ge=1)
    max_gap_days: dict[str, float | None] = option(
        {"TESS": 0.5}, "Longest step within an event, by survey; null or absent: any.", unit="d"
    )
    remove_failed: bool = option(False, "Leave out epochs that fail the quality check.")
    method: Literal["runs", "matched"] = option("runs", "Single epochs, or a bank of templates.")
    shape: Literal["gaussian", "box", "flare", "transit"] = option("gaussian", "Shape of the bank.")
    min_width: Positive = option(0.01, "Narrowest template of the bank (FWHM).", unit="d")
    max_width: Positive = option(30.0, "Widest template of the bank (FWHM).", unit="d")
    overlap: float = option(0.95, "Least overlap of neighbours in the bank.", gt=0, lt=1)


class Search(Section):
    """`survey_search`: scores, quality, events, properties."""

    quality: Quality = subsection(Quality, "Quality of epochs.")
    finder: Finder = subsection(Finder, "Events.")


class Inject(Section):
    """`survey_inject`: known events put into real light curves, and what the search makes of them."""

    enabled: bool = option(True, "Inject events.")
    n_per_source: NotNegative = option(1.0, "Mean number per source and survey.")
    seed: int = option(1, "Seed of the injections.", ge=0, lt=2**63)
    shapes: list[Literal["gaussian", "box", "flare", "transit"]] = option(
        ["gaussian"], "Shapes, chosen with equal chance.", min_length=1
    )
    signs: Literal["both", "positive", "negative"] = option("both", "Brightenings, dips or both.")
    min_width: Positive = option(0.01, "Narrowest event (FWHM).", unit="d")
    max_width: Positive = option(30.0, "Widest event (FWHM).", unit="d")
    widths: Literal["log", "bank"] | list[Positive] = option(
        "log", "Log-uniform widths, those of a bank, or the ones given.", unit="d"
    )
    overlap: float = option(0.95, "Least overlap of neighbours in the bank.", gt=0, lt=1)
    amplitude_unit: Literal["noise", "mean", "mag"] = option("noise", "Unit of the amplitude.")
    min_amplitude: Positive = option(1.0, "Smallest amplitude, log-uniform.")
    max_amplitude: Positive = option(30.0, "Largest amplitude, log-uniform.")
    gain: dict[str, float] = option(
        {}, "Flux per photon by survey: extra variance of brightenings is flux times gain."
    )


class Features(Section):
    """`survey_features`: numbers that describe each light curve."""

    library: Literal["auto", "never"] = option("auto", "Use the package light-curve where installed.")
    periods: bool = option(False, "Search for periods by Lomb-Scargle and box fits.")
    period_terms: int = option(1, "Sines of a periodic light curve: 1, or more for steep ones.", ge=1, le=5)
    min_period: Positive = option(0.05, "Shortest period.", unit="d")
    max_period: Positive = option(100.0, "Longest period.", unit="d")


class Axis(Section):
    """An axis by the centres of its bins."""

    start: float = option(0.0, "First centre.")
    step: Positive = option(1.0, "Width of a bin.")
    stop: float = option(1.0, "Last centre.")

    @model_validator(mode="after")
    def _ordered(self) -> Axis:
        if self.stop < self.start:
            message = f"stop must be at least start, got {self.start} and {self.stop}"
            raise ValueError(message)
        return self


def _axis(start: float, step: float, stop: float, description: str) -> Any:
    return Field(default_factory=lambda: Axis(start=start, step=step, stop=stop), description=description)


class Histogram(Section):
    """`survey_histogram`, `survey_histogram_sum`: additive histograms of scores."""

    snr: Axis = _axis(-20.0, 0.1, 20.0, "Excursion in units of the noise.")
    dmag: Axis = _axis(-3.0, 0.1, 3.0, "Brightening, mag.")
    quality: Axis = _axis(-5.0, 0.1, 5.0, "Quality values.")
    mag: Axis = _axis(15.0, 0.5, 21.0, "Catalogue magnitude.")
    exptime_start: float = option(30.0, "Centre of the first bin of exposure time.", unit="s")
    exptime_step: Positive = option(1.0, "Width of a bin of exposure time.", unit="s")
    dtype: Literal["uint16", "uint32", "uint64"] = option("uint32", "Type of the counts.")


class Rates(Section):
    """`survey_rates`: efficiencies and rates or limits."""

    width_edges: list[Positive] = option([0.01, 0.1, 1.0, 10.0, 100.0], "Edges of width bins.", unit="d")
    amplitude_edges: list[Positive] = option(
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0], "Edges of amplitude bins."
    )
    seed: int = option(1, "Seed of the draws of efficiencies.", ge=0, lt=2**63)


class Tables(Section):
    """`survey_tables`: the tables of all batches together."""

    formats: list[TableFormat] = option([], "Formats of all tables beside Parquet.")
    light_curves_hdf5: bool = option(False, "Also write light curves as HDF5, group photometry.")


class ExportPostgres(Section):
    """`survey_export_postgres`: the same tables in a PostgreSQL schema."""

    enabled: bool = option(False, "Load the tables into PostgreSQL.")
    conninfo_env: str = option(
        "EPHEMERA_POSTGRES", "Environment variable with the connection string (never in a file)."
    )


class Report(Section):
    """`survey_report`: figures and a page."""

    max_light_curves: int = option(12, "Light curves of detections drawn.", ge=0)


class Plugins(Section):
    """Code of one's own: `package.module:Name` or `path/file.py:Name`."""

    survey: Plugin = option(None, "A survey: fetch and reduce.")
    quality: Plugin = option(None, "Quality columns.")
    finder: Plugin = option(None, "Scores and events.")
    simulator: Plugin = option(None, "Injected events.")
    options: dict[str, Any] = option({}, "Options of the plug-ins, checked against what they declare.")


class Survey(Section):
    """The survey branch."""

    surveys: list[str] = option(
        [], "Any of ZTF, ZTFFORCED, TESS, DEMO, FILES, or a plug-in's name; none: no branch."
    )
    data_root: str | None = option(
        None, "Shared store of raw rows; null: EPHEMERA_DATA, else <raw_folder>/survey."
    )
    ra_minutes: bool = option(False, "Sub-folders of the store by minutes of right ascension.")
    ra_seconds: bool = option(False, "Further sub-folders by seconds.")
    batch: int = option(200, "Most sources of a job; batches also end where a slice of RA ends.", ge=1)
    batch_degrees: int = option(
        1, "Width of the slices of RA at whose ends batches end.", unit="deg", ge=1, le=360
    )
    data_types: list[Literal["photometry", "spectra", "images"]] = option(
        ["photometry"], "Kinds of data; spectra and images are reserved names."
    )
    network: Network = subsection(Network, "Servers.")
    catalogue: Catalogue = subsection(Catalogue, "Sources.")
    gaia: Gaia = subsection(Gaia, "What the Gaia archive adds.")
    fetch: Fetch = subsection(Fetch, "Raw rows.")
    populate: Populate = subsection(Populate, "Raw rows already on disk.")
    reduce: Reduce = subsection(Reduce, "Light curves.")
    search: Search = subsection(Search, "Events.")
    inject: Inject = subsection(Inject, "Injections.")
    features: Features = subsection(Features, "Features.")
    histogram: Histogram = subsection(Histogram, "Histograms.")
    rates: Rates = subsection(Rates, "Efficiencies and rates.")
    tables: Tables = subsection(Tables, "Tables.")
    export_postgres: ExportPostgres = subsection(ExportPostgres, "PostgreSQL.")
    report: Report = subsection(Report, "Report.")
    plugins: Plugins = subsection(Plugins, "Plug-ins.")

    @model_validator(mode="after")
    def _complete(self) -> Survey:
        reserved = [kind for kind in self.data_types if kind != "photometry"]
        if reserved:
            message = f"survey.data_types: {', '.join(reserved)} is a reserved name: only photometry is read"
            raise ValueError(message)
        if self.surveys and not (self.catalogue.default or self.catalogue.file or self.catalogue.url):
            message = "survey.catalogue needs default, file or url: which sources are to be looked at?"
            raise ValueError(message)
        known = {"ZTF", "ZTFFORCED", "TESS", "DEMO", "FILES"}
        strange = sorted(set(self.surveys) - known)
        if strange and self.plugins.survey is None:
            message = f"survey.surveys: {', '.join(strange)} is none of {', '.join(sorted(known))}"
            raise ValueError(message)
        by_survey: dict[str, dict[str, Any]] = {
            "reduce.bad_bits": self.reduce.bad_bits,
            "search.finder.max_gap_days": self.search.finder.max_gap_days,
            "inject.gain": self.inject.gain,
        }
        for where, values in by_survey.items():
            strange = sorted(set(values) - known - set(self.surveys))
            if strange:
                message = (
                    f"survey.{where}: {', '.join(strange)} is no survey; allowed: {', '.join(sorted(known))}"
                )
                raise ValueError(message)
        return self
