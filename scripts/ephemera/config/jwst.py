"""Options of the JWST branch, one section a step: `jwst.pages` configures the rule `jwst_pages`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Len
from pydantic import BeforeValidator, ValidationError, field_validator, model_validator

from ephemera.config.section import Section, option, subsection

Positive = Annotated[float, Gt(0)]
OpenRange = Annotated[list[float | None], Len(2, 2)]
ClosedRange = Annotated[list[float], Len(2, 2)]
ColourScale = Literal[
    "Viridis", "Plasma", "Inferno", "Magma", "Cividis", "Turbo", "Hot", "Spectral", "RdYlBu", "Picnic"
]


def _ordered(values: list[float | None] | None) -> list[float | None] | None:
    if values is not None and None not in values:
        low, high = (float(v) for v in values if v is not None)
        if not low < high:
            message = f"a range is [low, high] with low < high, or null for an open end; got {values}"
            raise ValueError(message)
    return values


class MaskedBox(Section):
    """Cells masked by hand."""

    wavelength_um: ClosedRange | None = option(None, "Range of wavelength; null means all.", unit="um")
    time_d: ClosedRange | None = option(None, "Range of time as in the data; null means all.", unit="d")


class Limits(Section):
    """Hard limits, so that a hostile or mistaken input cannot fill memory or disk."""

    integrations: int = option(200_000, "Most integrations of a series.", ge=1)
    channels: int = option(20_000, "Most channels of a series.", ge=1)
    cells: float = option(2e9, "Most cells of a series.", gt=0, le=1e11)
    zip_members: int = option(20_000, "Most members of a ZIP archive.", ge=1)
    unpacked_gb: Positive = option(20.0, "Most bytes that an archive unpacks to.", unit="GB")
    zip_ratio: Positive = option(1000.0, "Largest ratio of one big member of an archive.")


class Read(Section):
    """`jwst_read`: reads files into aligned, masked series."""

    orders: list[Annotated[int, Ge(-5)]] = option([], "Spectral orders read; empty reads all.")
    detectors: list[str] = option([], "Detectors read, such as NRS1; empty reads all.")
    stitch: list[str] = option([], "Detectors joined into one series, such as [NRS1, NRS2].")
    eureka_flux: Literal["auto", "calibrated_optspec", "optspec", "stdspec", "flux"] = option(
        "auto", "Flux of Eureka! files that is preferred; auto takes the first that is there."
    )
    axis_order: Literal["auto", "time_wavelength", "wavelength_time"] = option(
        "auto", "Order of axes of HDF5 files in which times and wavelengths are equally many."
    )
    dq_bits: list[Annotated[int, Ge(0)]] = option([0], "Bits of DQ that mask a cell; 0 is DO_NOT_USE.")
    outliers: bool = option(False, "Mask cells that stick out of a running median by 5 robust sigma.")
    masked: list[MaskedBox] = option([], "Cells masked by hand: ranges of wavelength and time.")
    limits: Limits = subsection(Limits, "Hard limits of what is read.")


class NamedBand(Section):
    """A band of wavelength."""

    name: str = option(..., "Name shown on buttons and in tables.", min_length=1, max_length=40)
    start: float = option(..., "First wavelength, inclusive.", unit="um")
    end: float = option(..., "Last wavelength, inclusive.", unit="um")


def _baseline(value: Any) -> Any:
    if isinstance(value, list):
        for pair in value:
            if not (isinstance(pair, list) and len(pair) == 2 and all(math.isfinite(v) for v in pair)):
                message = "intervals are [[start, stop], ...] in days"
                raise ValueError(message)
    return value


class SeriesOptions(Section):
    """`jwst_series`: normalisation, visits, light curves, quality metrics, cube."""

    baseline: Annotated[Literal["all", "out_of_transit"] | list[ClosedRange], BeforeValidator(_baseline)] = (
        option("all", "Integrations whose median is 1: all, out_of_transit, or intervals of time [d].")
    )
    normalise: Literal["series", "visit"] = option("series", "One median spectrum, or one a visit.")
    visit_gap_hours: Positive = option(0.5, "A longer gap begins a new visit.", unit="h")
    wavelength_range: OpenRange | None = option(None, "Range shown; null ends are open.", unit="um")
    time_range: OpenRange | None = option(None, "Range shown, from the first integration.", unit="h")
    bands: list[NamedBand] = option([], "Bands with light curves and buttons: {name, start, end}.")
    light_curve_weights: Literal["flux", "equal", "scatter"] = option(
        "flux", "Weights of channels in light curves: median flux, equal, or one over the variance."
    )
    transit: bool = option(False, "Fit a trapezoid to the white light, as a check.")
    formats: list[Literal["ecsv", "csv", "hdf5"]] = option(
        ["ecsv", "csv", "hdf5"], "Formats of light curves, spectra, matrix and cube."
    )

    @field_validator("wavelength_range", "time_range")
    @classmethod
    def _ranges(cls, values: list[float | None] | None) -> list[float | None] | None:
        return _ordered(values)


class Pages(Section):
    """`jwst_pages`: interactive surface, heatmap and combined page."""

    wavelength_unit: Literal["um", "nm", "Angstrom"] = option("um", "Unit of wavelength on pages.")
    flux_unit: Literal[
        "native",
        "Jy",
        "mJy",
        "MJy",
        "W m-2 Hz-1",
        "erg s-1 cm-2 Hz-1",
        "W m-2 um-1",
        "erg s-1 cm-2 Angstrom-1",
    ] = option("native", "Unit of flux on pages, of the same kind as that of the data.")
    z_mode: Literal["variability", "flux"] = option("variability", "What pages show first.")
    z_range: OpenRange | None = option(None, "Limits of colours; null takes percentiles.")
    max_integrations: int = option(1000, "Most columns shown; 0 shows all, up to 1000.", ge=0, le=1000)
    reduce: Literal["bin", "sample"] = option("bin", "How integrations become columns.")
    sigma_time: float = option(2.0, "Smoothing over columns.", unit="column", ge=0, le=50)
    sigma_wave: float = option(0.0, "Smoothing over rows.", unit="row", ge=0, le=50)
    interpolate_gaps: bool = option(False, "Show synthetic columns between visits, marked as such.")
    colorscale: ColourScale = option("Viridis", "Colour scale shown first.")
    reverse: bool = option(False, "Turn the colour scale round.")
    tour: bool = option(True, "Offer a guided tour.")

    @field_validator("z_range")
    @classmethod
    def _ranges(cls, values: list[float | None] | None) -> list[float | None] | None:
        return _ordered(values)


class Video(Section):
    """`jwst_video`: spectra through time, or light curves through wavelength, as a film."""

    enabled: bool = option(True, "Make a video.")
    fps: int = option(12, "Frames a second.", ge=1, le=120)
    quality: int = option(20, "Constant rate factor of H.264: 0 is without loss, 51 the worst.", ge=0, le=51)
    frames: int = option(600, "Most frames, evenly chosen with first and last.", ge=1, le=600)
    size: Annotated[list[Annotated[int, Ge(160)]], Len(2, 2)] = option(
        [1280, 720], "Width and height; odd values are made even.", unit="pixel"
    )
    mode: Literal["wavelength", "time"] = option(
        "wavelength", "x axis: spectra through time, or light curves through wavelength."
    )


class Figures(Section):
    """`jwst_figures`: light curves and quality as pictures."""

    pdf: bool = option(True, "Write light curves as PDF beside PNG.")


class Bundle(Section):
    """`jwst_bundle`: one ZIP with all products of a dataset."""

    zip: bool = option(True, "Write the ZIP.")


class Compare(Section):
    """`jwst_compare`: several datasets side by side."""

    datasets: list[str] = option([], "Names of datasets to compare; fewer than two compare nothing.")
    period_d: Positive | None = option(None, "Period for phases; null compares over hours.", unit="d")
    epoch_d: float | None = option(None, "Time of phase 0, on the scale of the data.", unit="d")

    @model_validator(mode="after")
    def _both(self) -> Compare:
        if (self.period_d is None) != (self.epoch_d is None):
            message = "phases need both period_d and epoch_d"
            raise ValueError(message)
        return self


#: Steps whose options a dataset may override.
_STEPS: Mapping[str, type[Section]] = {"read": Read, "series": SeriesOptions, "pages": Pages, "video": Video,
                                       "figures": Figures, "bundle": Bundle}  # fmt: skip


class Jwst(Section):
    """JWST time-series spectroscopy: files to pages, videos and light curves."""

    samples: str | None = option(
        None, "Sample sheet of datasets (dataset, source, location); null runs no JWST data."
    )
    datasets: dict[str, dict[str, Any]] = option(
        {}, "What single datasets have otherwise: {name: {series: {bands: [...]}}}."
    )
    read: Read = subsection(Read, "Reading of files.")
    series: SeriesOptions = subsection(SeriesOptions, "Normalisation and light curves.")
    pages: Pages = subsection(Pages, "Interactive pages.")
    video: Video = subsection(Video, "Videos.")
    figures: Figures = subsection(Figures, "Pictures.")
    bundle: Bundle = subsection(Bundle, "ZIP of all products.")
    compare: Compare = subsection(Compare, "Comparison of datasets.")

    @model_validator(mode="after")
    def _overrides(self) -> Jwst:
        for dataset, steps in self.datasets.items():
            for step, values in steps.items():
                if step not in _STEPS or not isinstance(values, Mapping):
                    message = f"datasets.{dataset}.{step}: allowed are blocks {', '.join(_STEPS)}"
                    raise ValueError(message)
                common = getattr(self, step).settings()
                try:
                    _STEPS[step].model_validate({**common, **values})
                except ValidationError as error:
                    wrong = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
                    known = ", ".join(_STEPS[step].model_fields)
                    message = f"datasets.{dataset}.{step}: {'; '.join(wrong)}; its options are {known}"
                    raise ValueError(message) from None
        return self

    def overrides(self, step: str) -> dict[str, Any]:
        """Options of a step that single datasets have otherwise.

        Outliers are looked for visit by visit as the files are read, so that reading has the gap of `series`.
        """
        found = {name: dict(steps.get(step, {})) for name, steps in sorted(self.datasets.items())}
        if step == "read":
            for name, steps in self.datasets.items():
                series = steps.get("series", {})
                found[name] |= {key: series[key] for key in ("visit_gap_hours",) if key in series}
        return {name: values for name, values in found.items() if values}
