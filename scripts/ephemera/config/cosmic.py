"""Options of the COSMIC branch, one section a step: `cosmic.stamps` configures the rule `cosmic_stamps`."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt
from pydantic import field_validator, model_validator

from ephemera.config.section import Section, TableFormat, option, subsection

Positive = Annotated[float, Gt(0)]


class SignalCounts(Section):
    """Stamps of each kind of signal, at each SNR."""

    sky: int = option(3, "A source in a beam.", ge=0)
    sky_polarised: int = option(0, "The same in one polarisation.", ge=0)
    zero_drift: int = option(0, "The same without drift.", ge=0)
    elsewhere: int = option(0, "A source in the sky, but in no beam.", ge=0)
    one_antenna: int = option(3, "Interference in one antenna.", ge=0)
    three_antennas: int = option(2, "Interference in three antennas.", ge=0)
    random_phases: int = option(2, "In all antennas, with random phases.", ge=0)
    transmitter: int = option(0, "A transmitter among the antennas.", ge=0)
    broad_band: int = option(0, "Noise that all antennas share, over many channels.", ge=0)
    bright_pixel: int = option(0, "One bright pixel.", ge=0)
    crossing: int = option(0, "Two tones that cross.", ge=0)
    leaving: int = option(0, "A tone that leaves the stamp.", ge=0)
    noise: int = option(10, "Noise alone, in all.", ge=0)


class Simulate(Section):
    """`cosmic_simulate`: makes observations of an array with known signals."""

    observations: int = option(0, "Simulated observations; 0 makes none.", ge=0, le=1000)
    files: int = option(2, "Stamps files of each observation.", ge=1, le=9999)
    counts: SignalCounts = subsection(SignalCounts, "Stamps of each kind of signal.")
    snr: list[Positive] = option([8.0, 12.0, 20.0, 50.0, 100.0], "SNRs of the signals.", min_length=1)
    antennas: int = option(25, "Antennas; the first 25 stand where those of the VLA stood.", ge=1, le=100)
    beams: int = option(2, "Coherent beams.", ge=0, le=64)
    time_steps: int = option(16, "Time steps of a stamp.", ge=1, le=1024)
    channels: int = option(524, "Channels of a stamp.", ge=1, le=65536)
    polarisations: int = option(2, "Polarisations.", ge=1, le=2)
    foff_hz: float = option(1.9073486328125, "Width of a channel; negative counts downwards.", unit="Hz")
    tsamp_s: Positive = option(0.524288, "Length of a time step.", unit="s")
    gain_scatter: float = option(0.0, "Scatter of the gains that the recipe knows.", ge=0, le=1)
    lone_hits: int = option(40, "Hits without a stamp, repeats and copies among them.", ge=0)
    cut_out: bool = option(True, "Hits carry the power around them.")

    @field_validator("foff_hz")
    @classmethod
    def _has_width(cls, value: float) -> float:
        if value == 0:
            message = "a channel has a width that is not 0"
            raise ValueError(message)
        return value


class Index(Section):
    """`cosmic_index`: finds the messages of all files, checks them, chooses recipes."""

    max_message_mb: int = option(1024, "Largest message that is read.", unit="MiB", ge=1, le=8192)


class Hits(Section):
    """`cosmic_hits`: the table of hits, with their local SNR where they carry data."""

    edge_columns: int = option(20, "Columns of each side that tell the noise.", ge=5, le=100)


class Stamps(Section):
    """`cosmic_stamps`: powers, beams, SNR, features and verdict of each stamp of a file."""

    edge_columns: int = option(20, "Columns of each side that tell the noise.", ge=5, le=100)
    snr_min: Positive = option(6.0, "SNR from which a signal is confirmed.")
    antenna_snr: Positive = option(5.0, "SNR from which an antenna counts as seeing the signal.")
    single_frac: float = option(0.5, "Share of one antenna that makes it the only one.", ge=0, le=1)
    few_antennas: float = option(
        0.2, "Effective antennas, as share of all, below which few see it.", ge=0, le=1
    )
    gain_index_min: float = option(0.5, "Gain index of a source in the beam.", ge=0, le=1)


class Band(Section):
    """Frequencies that are left out."""

    name: str = option(..., "What is known to transmit there.", min_length=1)
    low_mhz: Positive = option(..., "Lower end.", unit="MHz")
    high_mhz: Positive = option(..., "Upper end.", unit="MHz")

    @model_validator(mode="after")
    def _ordered(self) -> Band:
        if not self.low_mhz < self.high_mhz:
            message = f"low_mhz must be less than high_mhz, got {self.low_mhz} and {self.high_mhz}"
            raise ValueError(message)
        return self


class Events(Section):
    """`cosmic_events`: joins hits and stamps, marks copies, repeats and signals in many beams."""

    snr_min: float = option(0.0, "Hits below are not kept.", ge=0)
    drift_min_hz_s: float = option(0.0, "Hits that drift less are not kept.", unit="Hz/s", ge=0)
    drift_max_hz_s: Positive | None = option(None, "Hits that drift more are not kept.", unit="Hz/s")
    drop_zero_drift: bool = option(False, "Hits that drift less than one step are not kept.")
    exclude_mhz: list[Band] = option([], "Bands in which hits are not kept.")
    repeat_tolerance_hz: Positive | None = option(
        None, "Distance of repeats; null means the drift span, at least one channel.", unit="Hz"
    )
    beam_tolerance: int = option(10, "Channels within which hits of several beams are one signal.", ge=0)
    formats: list[TableFormat] = option(
        ["fits", "votable"], "Formats of the tables beside Parquet, also of events of a cadence."
    )


class Cadence(Section):
    """`cosmic_cadence`: signals that are there when the target is and gone when it is not."""

    prefixes: list[str] = option([], "Observations in the order they were taken; empty looks for no events.")
    pattern: str = option(
        "ABACAD", "Target of each observation; those of the first letter are ON.", pattern=r"^[A-Z]{2,64}$"
    )
    snr_min: Positive = option(10.0, "SNR that an ON hit needs.")
    off_share: float = option(0.6, "An OFF hit counts from this share of it.", gt=0, le=1)
    drop_zero_drift: bool = option(True, "ON hits that drift less than one step are no events.")
    tolerance: int = option(10, "Channels around the extrapolated frequency.", unit="channel", ge=0)

    @model_validator(mode="after")
    def _one_letter_each(self) -> Cadence:
        if self.prefixes and len(self.prefixes) != len(self.pattern):
            message = f"{len(self.prefixes)} prefixes, but the pattern {self.pattern} has {len(self.pattern)}"
            raise ValueError(message)
        if len(set(self.prefixes)) != len(self.prefixes):
            message = "an observation is named twice"
            raise ValueError(message)
        return self


class Gallery(Section):
    """`cosmic_gallery`: pages and figures of an observation."""

    figures: Literal["none", "gallery", "all"] = option(
        "gallery", "No pages, pages with their pictures, or also figures as PNG and PDF."
    )
    gallery_max: int = option(2000, "Most stamps shown, best by SNR after the filters.", ge=1)
    per_page: int = option(200, "Stamps on a page.", ge=1, le=1000)
    title: str = option("", "Title of pages and figures; empty names the observation.")
    show_path: bool = option(True, "Draw the drift path beside the signal (pages can hide it).")


class Cosmic(Section):
    """The COSMIC branch."""

    inputs: list[str] = option(
        [], "Files, folders and patterns with .hits, .stamps and .bfr5; empty leaves the branch out."
    )
    recipes: list[str] = option([], "More files, folders and patterns with recipes.")
    simulate: Simulate = subsection(Simulate, "Simulated observations.")
    index: Index = subsection(Index, "Messages, checks, choice of recipes.")
    hits: Hits = subsection(Hits, "Table of hits.")
    stamps: Stamps = subsection(Stamps, "Features and verdicts of stamps.")
    events: Events = subsection(Events, "Matching and filters.")
    cadence: Cadence = subsection(Cadence, "ON/OFF cadence.")
    gallery: Gallery = subsection(Gallery, "Pages and figures.")
