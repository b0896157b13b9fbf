"""Options of the XMM branch, one section a step: `xmm.cube` configures the rule `xmm_cube`."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Len
from pydantic import field_validator, model_validator

from ephemera.config.section import Section, option, subsection
from ephemera.config.xmm_catalogue import (
    Catalogue,
    Crossmatch,
    Filters,
    HotRegions,
    LongTerm,
    Otypes,
    Rates,
    SubsetMatrix,
)
from ephemera.config.xmm_completeness import FalseAlarms, Inject, Recover

Positive = Annotated[float, Gt(0)]
Counted = Annotated[int, Ge(0)]
EnergyBand = Annotated[list[Annotated[float, Ge(0.2)]], Len(2, 2)]


class Download(Section):
    """`xmm_download`: gets the files of an observation and writes its manifest."""

    archive_url: str = option(
        "http://nxsa.esac.esa.int/nxsa-sl/servlet/data-action-aio",
        "Address of the XMM-Newton archive's product service.",
    )
    mirrors: list[str] = option(
        [], "Addresses or folders that are asked, in this order, when the archive fails."
    )
    offline: bool = option(False, "Never use the network: files must already be in the raw folder.")
    optional_products: list[Literal["FBKTSR", "IMAGE_8000", "EXPMAP8000", "ATTTSR"]] = option(
        [], "Products fetched beside event lists and source list."
    )
    retries: int = option(4, "How often a failed request is repeated.", ge=0, le=20)
    connect_timeout_s: Positive = option(20.0, "Longest wait for a connection.", unit="s")
    read_timeout_s: Positive = option(120.0, "Longest silence of the server.", unit="s")
    total_timeout_s: Positive = option(7200.0, "Longest time for one product, retries included.", unit="s")


class BadTimeThreshold(Section):
    """Rates in 10-12 keV above which a camera's time is called bad."""

    pn: Positive = option(0.5, "Threshold of EPIC-pn.", unit="ct/s")
    m1: Positive = option(0.5, "Threshold of MOS1.", unit="ct/s")
    m2: Positive = option(0.5, "Threshold of MOS2.", unit="ct/s")


class EventSelection(Section):
    """`xmm_events`: selects events, groups simultaneous lists into subsets, finds bad times."""

    pn_soft_singles: bool = option(False, "Below 500 eV keep single-pixel events of EPIC-pn only.")
    hot_pixels: str | None = option(
        None,
        "Folder with hotpix_PN.csv, hotpix_M1.csv, hotpix_M2.csv "
        "(columns RAWX, RAWY, CCDNR, REV1, REV2); null drops no pixel by table.",
    )
    strict_revolutions: bool = option(
        False, "Hot-pixel rows apply strictly between their revolutions, as in EXOD2."
    )
    find_hot_pixels: bool = option(
        False, "Also drop raw pixels whose counts exceed their column's by chance below 1e-9."
    )
    missions: str = option(
        "resources/xmm/missions.toml",
        "Table of missions other than XMM-Newton, which the sample sheet names in its column mission.",
    )
    span: Literal["common", "union"] = option(
        "common", "Search the time that all cameras share, or the time that any camera covers."
    )
    bti: Literal["he", "fbktsr", "none"] = option(
        "he", "Bad times from the 10-12 keV curve, from the pipeline's flare curve, or none."
    )
    bti_threshold_ct_s: BadTimeThreshold = subsection(
        BadTimeThreshold, "Rate per camera above which a window is bad."
    )
    bti_window_s: Annotated[float, Ge(1)] | None = option(
        None, "Window of the flare curve; null means the frame length, at most 100 s.", unit="s"
    )


class Cube(Section):
    """`xmm_cube`: bins events into sparse cells (pixel x frame) for all frame lengths and bands."""

    size_arcsec: Annotated[float, Ge(0.1)] = option(
        20.0, "Pixel size, a multiple of 0.05 arcsec.", unit="arcsec"
    )
    time_bins_s: list[Annotated[float, Ge(0.1)]] = option(
        [5.0, 50.0, 200.0], "Frame lengths searched.", unit="s", min_length=1
    )
    bands_kev: list[EnergyBand] = option(
        [[0.2, 2.0], [2.0, 12.0], [0.2, 12.0]], "Energy bands searched.", unit="keV", min_length=1
    )
    mask_partial_ccd: bool = option(True, "Leave out frames in which a CCD was off.")
    mask_frame_before: bool = option(True, "Leave out the frame before such a frame too.")
    bti_min_overlap: float = option(
        0.5, "Share of a frame's exposed time that must be bad for the frame to be bad.", gt=0, le=1
    )
    gti_only: bool = option(False, "Leave out bad-time frames altogether.")
    shifted_grids: Literal["none", "time", "all"] = option(
        "none", "Repeat the search on grids shifted by half a frame, or by half a frame and half a pixel."
    )

    @field_validator("size_arcsec")
    @classmethod
    def _whole_units(cls, value: float) -> float:
        units = value / 0.05
        if not math.isclose(units, round(units), abs_tol=1e-6):
            message = f"must be a multiple of 0.05 arcsec (the unit of X and Y); {value} is {units:g} units"
            raise ValueError(message)
        return value

    @field_validator("time_bins_s")
    @classmethod
    def _whole_milliseconds(cls, values: list[float]) -> list[float]:
        for value in values:
            if not math.isclose(value * 1000, round(value * 1000), abs_tol=1e-6):
                message = f"frame lengths are whole milliseconds, {value} s is not"
                raise ValueError(message)
        if len(set(values)) != len(values):
            message = "each frame length once"
            raise ValueError(message)
        return values

    @field_validator("bands_kev")
    @classmethod
    def _ordered_bands(cls, values: list[list[float]]) -> list[list[float]]:
        whole_ev = [(round(1000 * low), round(1000 * high)) for low, high in values]
        for (low, high), (first, last) in zip(values, whole_ev, strict=True):
            if not (first < last and high <= 12.0):
                message = f"a band is [low, high] with 0.2 <= low < high <= 12 keV, got [{low}, {high}]"
                raise ValueError(message)
        if len(set(whole_ev)) != len(values):
            message = "each band once (edges count to the eV)"
            raise ValueError(message)
        return values


class SourceMaskRadii(Section):
    """Radii around point sources by their total rate."""

    faint: Positive = option(20.0, "Up to 0.1 ct/s (and where the rate is unknown).", unit="arcsec")
    medium: Positive = option(40.0, "From 0.1 to 1 ct/s.", unit="arcsec")
    bright: Positive = option(80.0, "Above 1 ct/s.", unit="arcsec")


class Expectation(Section):
    """`xmm_expectation`: predicts the counts of every cell from background templates and sources."""

    source_det_ml: Positive = option(8.0, "Detection likelihood above which a listed source is masked.")
    radii_arcsec: SourceMaskRadii = subsection(SourceMaskRadii, "Radii masked around listed sources.")
    percentile_factor: Positive = option(3.0, "A pixel above this factor times P75 is called a source.")
    min_source_counts: Positive = option(10.0, "Least counts of such a pixel.", unit="count")
    fill: Literal["laplace", "navier_stokes"] = option(
        "laplace", "How the background under masked pixels is filled in."
    )
    smooth_sigma_pix: float = option(0.5, "Gaussian smoothing of templates.", unit="pixel", ge=0, le=2)
    smooth_below_counts: Positive | None = option(
        None,
        "Smooth templates only where they are made of fewer counts a pixel than this; null smooths all.",
        unit="count",
    )


class Detect(Section):
    """`xmm_detect`: cells whose counts the expectation cannot explain."""

    detector: Literal["bayes", "varimage", "varimage_published"] = option(
        "bayes",
        "Bayes factors of cells; or the variability image of pixels; or that of raw pn pixels of 2020.",
    )
    varimage_sigma: float = option(
        4.0, "Threshold of the variability image above its mean.", unit="sigma", gt=0, le=20
    )
    threshold_sigma: float = option(3.0, "Significance of peaks and eclipses.", unit="sigma", gt=0, le=30)
    n_min: int = option(2, "Least counts of a peak.", unit="count", ge=1)
    mu_floor: Positive = option(1e-6, "Expected counts are at least this.", unit="count")
    gauss_above_1000: bool = option(
        False, "Above 1000 expected counts compare by the two-Poisson rule, as EXOD2 does."
    )
    clean_up: bool = option(True, "Reject cells that a flaring CCD edge or a partial exposure explains.")
    second_pass: bool = option(
        False, "Search again with the cells found left out of templates and source terms."
    )

    @model_validator(mode="after")
    def _second_pass_of_bayes_factors(self) -> Detect:
        if self.second_pass and self.detector != "bayes":
            message = f"a second pass needs the detector bayes, got {self.detector}"
            raise ValueError(message)
        return self


class Regions(Section):
    """`xmm_regions`: joins significant pixels, gives positions and light curves."""

    connectivity: Literal[4, 8] = option(8, "Neighbours that join pixels into a region.")
    max_area: int = option(36, "More pixels than this set the flag filt_large.", unit="pixel", ge=1)
    light_curve_area: Literal["bbox", "pixels"] = option(
        "bbox", "Light curves over the bounding box or the pixels of a region."
    )
    event_position: bool = option(True, "Refine positions with the events of significant frames.")
    astrometric_shift: bool = option(
        False, "Move positions by the median correction that the source list applies to its own."
    )


class Features(Section):
    """`xmm_features`: numbers and flags that describe each detection."""

    min_gap_s: Positive = option(5000.0, "Significant frames further apart are separate peaks.", unit="s")
    bad_observations: str | None = option(
        "resources/xmm/bad_observations.csv",
        "Table of observations to flag (columns obsid, reason, evidence, comment); null flags none.",
    )
    flux: bool = option(
        True, "Turn count rates into fluxes by those of the listed sources at a like off-axis angle."
    )


class Spectra(Section):
    """`xmm_spectra`: spectra of bursts, and their hardness from frame to frame."""

    enabled: bool = option(False, "Make spectra and hardness curves of all peaks.")
    energy_edges_kev: list[Positive] = option(
        [0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0, 5.5, 8.0, 12.0],
        "Edges of the energy bins of spectra, rising.",
        unit="keV",
        min_length=2,
    )
    max_figures: int = option(6, "Most significant peaks drawn per observation.", ge=0)

    @field_validator("energy_edges_kev")
    @classmethod
    def _rising(cls, values: list[float]) -> list[float]:
        steps = [round(1000 * value) for value in values]
        if any(high <= low for low, high in pairwise(steps)):
            message = f"energies must rise by at least 1 eV, got {values}"
            raise ValueError(message)
        return values


class WideFeatures(Section):
    """`xmm_wide_features`: more numbers that describe the shape of light curves, for classification."""

    enabled: bool = option(False, "Make the table of wide features.")


class Figures(Section):
    """`xmm_figures`: pictures of each observation, drawn from saved products."""

    enabled: bool = option(True, "Draw figures.")
    max_light_curves: int = option(12, "Most significant detections drawn per observation.", ge=0)
    raw_images: bool = option(False, "Draw the events in raw pixels, by camera and CCD.")
    max_pixel_curves: int = option(
        0, "Most significant detections per observation whose pixels get light curves of their own.", ge=0
    )
    max_animations: int = option(
        0, "Most significant detections per observation shown as an animation of frames (GIF).", ge=0
    )


class Sample(Section):
    """`xmm_sample`: pictures of all observations together, drawn from saved products."""

    enabled: bool = option(False, "Draw figures of the sample.")


class Pages(Section):
    """`xmm_pages`: a report to browse, from saved products; it opens from files, without a server."""

    enabled: bool = option(False, "Write the report.")
    max_sources: int = option(500, "Most sources that get a page, the most significant first.", ge=0)
    max_filters: int = option(100, "Most combinations of filters that get a page.", ge=0)
    max_rows: int = option(2000, "Most rows of a table on a page.", ge=1)


class Xmm(Section):
    """The XMM branch."""

    samples: str | None = option(
        None, "Sample sheet (TSV: obsid, source, location); null leaves the branch out."
    )
    sample_products: list[Literal["export", "filters", "long_term", "subset_matrix"]] = option(
        ["export", "filters", "long_term", "subset_matrix"],
        "What is made of all observations together, beside the catalogue.",
    )
    download: Download = subsection(Download, "Getting files.")
    events: EventSelection = subsection(EventSelection, "Event selection, subsets, bad times.")
    cube: Cube = subsection(Cube, "Cells of pixel x frame.")
    expectation: Expectation = subsection(Expectation, "Expected counts.")
    detect: Detect = subsection(Detect, "Significant cells.")
    regions: Regions = subsection(Regions, "Regions, positions, light curves.")
    features: Features = subsection(Features, "Features and flags.")
    hot_regions: HotRegions = subsection(HotRegions, "Hot regions of the detectors.")
    catalogue: Catalogue = subsection(Catalogue, "Catalogue and exports.")
    crossmatch: Crossmatch = subsection(Crossmatch, "Matches with catalogues.")
    subset_matrix: SubsetMatrix = subsection(SubsetMatrix, "Searches compared with each other.")
    filters: Filters = subsection(Filters, "Selections of detections.")
    otypes: Otypes = subsection(Otypes, "SIMBAD types.")
    rates: Rates = subsection(Rates, "Rates of steady sources.")
    long_term: LongTerm = subsection(LongTerm, "Rates between observations.")
    inject: Inject = subsection(Inject, "Bursts and eclipses injected into events.")
    recover: Recover = subsection(Recover, "Found against simulated and injected.")
    false_alarms: FalseAlarms = subsection(FalseAlarms, "What is found where nothing is.")
    wide_features: WideFeatures = subsection(WideFeatures, "Shapes of light curves for classification.")
    spectra: Spectra = subsection(Spectra, "Spectra and hardness of bursts.")
    figures: Figures = subsection(Figures, "Figures.")
    sample: Sample = subsection(Sample, "Figures of the sample.")
    pages: Pages = subsection(Pages, "Report to browse.")

    @model_validator(mode="after")
    def _second_pass(self) -> Xmm:
        named = {"inject": self.inject.modes, "false_alarms": self.false_alarms.modes}
        for section, modes in named.items():
            if "second_pass" in modes and self.detect.detector != "bayes":
                message = (
                    f"{section}.modes: second_pass needs detect.detector bayes, got {self.detect.detector}"
                )
                raise ValueError(message)
        return self
