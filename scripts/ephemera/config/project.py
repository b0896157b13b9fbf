"""The whole configuration: the project, where things are, and the branches."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

from ephemera.config.alerts import Alerts
from ephemera.config.cosmic import Cosmic
from ephemera.config.jwst import Jwst
from ephemera.config.section import Section, option, subsection
from ephemera.config.survey import Survey
from ephemera.config.xmm import Xmm


def _shard(value: str) -> str:
    match = re.fullmatch(r"(\d+)/(\d+)", value)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        message = f"a shard is i/n with 1 <= i <= n, such as 3/10; got {value!r}"
        raise ValueError(message)
    return value


class Configuration(Section):
    """All options of a run."""

    project: str = option(
        "ephemera",
        "Name of this run in the list of versions.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    )
    results_folder: str = option("results", "Where results are written.", min_length=1)
    raw_folder: str = option(
        "raw", "Where downloads and manifests are kept; projects may share it.", min_length=1
    )
    shard: Annotated[str, AfterValidator(_shard)] = option(
        "1/1", "Share i/n of the units of every branch that this run works on."
    )
    early_cut_off: bool = option(
        True,
        "Run a step whose code alone changed before all others; where its results are the same, nothing "
        "that reads them is made again.",
    )
    seed: int = option(0, "Seed of everything random.", ge=0, lt=2**63)
    xmm: Xmm = subsection(Xmm, "X-ray event lists.")
    survey: Survey = subsection(Survey, "Survey light curves.")
    jwst: Jwst = subsection(Jwst, "JWST time-series spectroscopy.")
    cosmic: Cosmic = subsection(Cosmic, "Hits and stamps of narrow-band searches.")
    alerts: Alerts = subsection(Alerts, "Survey alerts.")
