"""How each survey is asked for the rows of a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ephemera.survey import demo
from ephemera.survey.store import Raw


class Asker(Protocol):
    """A survey that can be asked.

    `request` is what determines the answer and nothing else; `fetch` raises SourceError when a source
    cannot be had and StopSurvey when no source can.
    """

    survey: str
    needs_network: bool
    is_plugin: bool

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked for a source, as JSON types."""
        ...

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """The rows of a source."""
        ...


class DemoAsker:
    """DEMO."""

    survey, needs_network, is_plugin = "DEMO", False, False

    def __init__(self, settings: Any) -> None:
        self.settings = settings.demo

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked for."""
        return {"name": row["name"], **demo.request(self.settings)}

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """Rows made on the spot."""
        return Raw(demo.fetch(row, self.settings), {"reader": "demo 1"})


def make_asker(survey: str, settings: Any) -> Asker:
    """The survey of that name as the options ask for."""
    if survey == "DEMO":
        return DemoAsker(settings)
    if survey == "ZTF":
        from ephemera.survey.ztf_archive import ZtfAsker

        return ZtfAsker(settings)
    if survey == "ZTFFORCED":
        from ephemera.survey.ztf_forced_archive import ForcedAsker

        return ForcedAsker(settings)
    if survey == "TESS":
        from ephemera.survey.tess_archive import TessAsker

        return TessAsker(settings)
    if survey == "FILES":
        from ephemera.survey.own_files import FilesAsker

        return FilesAsker(settings)
    from ephemera.survey.plugins import PluginAsker

    return PluginAsker(survey, settings)
