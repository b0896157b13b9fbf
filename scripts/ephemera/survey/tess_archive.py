"""TESS light curves from MAST: the star in the TIC, its observations, one file a sector.

The star is the nearest within 10 arcsec whose Gaia magnitude agrees, or the one whose TIC number the
catalogue gives. Of each sector the file of the preferred cadence is taken (`s_lc.fits` 120 s,
`a_fast-lc.fits` 20 s). A product that is not there (404) leaves its sector out, and that is noted.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ephemera.survey import tess
from ephemera.survey.archive_web import AbsentError, Archive, kept, now
from ephemera.survey.nearest import at_epoch
from ephemera.survey.store import Raw
from ephemera.transfer import Answer, BadAnswer

#: End of a file's name by cadence, s.
ENDINGS: Mapping[int, str] = {120: "s_lc.fits", 20: "a_fast-lc.fits"}
PRODUCT = re.compile(r"tess\d+-s(?P<sector>\d{4})-(?P<tic>\d{16})-[\w-]+(?:s_lc|a_fast-lc)\.fits")
#: Epoch of positions in the TIC (Stassun et al. 2019, AJ 158, 138), Julian year.
TIC_EPOCH = 2000.0


def tic_of(row: Mapping[str, Any]) -> str | None:
    """TIC number that the catalogue gives, by name or alias (`TIC 402026209`); None without."""
    names = [row.get("name"), *[value for _, value in row.get("local_ids") or []]]
    for name in names:
        match = re.fullmatch(r"TIC\s*(\d{1,16})", str(name or "").strip(), re.IGNORECASE)
        if match:
            return str(int(match[1]))
    return None


def check_json(answer: Answer) -> None:
    """Check that an answer of MAST is complete. Raises BadAnswer."""
    try:
        document = json.loads(answer.body)
    except ValueError as error:
        msg = "the answer is no JSON"
        raise BadAnswer(msg) from error
    if not isinstance(document, dict) or document.get("status") != "COMPLETE" or "data" not in document:
        status = document.get("status") if isinstance(document, dict) else None
        told = str(document.get("msg", ""))[:100] if isinstance(document, dict) else ""
        msg = f"MAST says {status!r}: {told}"
        raise BadAnswer(msg)


def check_fits(answer: Answer) -> None:
    """Check that an answer is a complete light-curve file. Raises BadAnswer."""
    if not answer.body.startswith(b"SIMPLE  ="):
        msg = "the answer is no FITS file"
        raise BadAnswer(msg)
    try:
        tess.read_file(io.BytesIO(answer.body))
    except ValueError as error:
        raise BadAnswer(str(error)) from error


def magnitudes(row: Mapping[str, Any]) -> list[float]:
    """Magnitudes of a source that may be compared with Gaia's, the one in RP, TESS's own colour, first."""
    known = dict(row.get("mags") or ())
    found = [known["Gaia_RP"]] if "Gaia_RP" in known else []
    found += [known["Gaia_G"]] if "Gaia_G" in known else []
    mag = row.get("mag")
    return found + ([mag] if mag is not None and mag == mag else [])


def choose(
    stars: list[dict[str, Any]], mags: Sequence[float], match_arcsec: float, match_mag: float
) -> str | None:
    """TIC number of the nearest star with a Gaia magnitude near one of `mags`, any where there are none.

    None without such a star.
    """
    fits = []
    for star in stars:
        away, mag = star.get("dstArcSec"), star.get("GAIAmag")
        agrees = not mags or (mag is not None and min(abs(float(mag) - m) for m in mags) < match_mag)
        if away is not None and float(away) < match_arcsec and agrees:
            fits.append((float(away), str(star["ID"])))
    return min(fits)[1] if fits else None


def products(
    observations: list[dict[str, Any]], cadences: list[int], sectors: list[int] | None
) -> dict[int, str]:
    """File of the preferred cadence of each sector."""
    found: dict[int, dict[int, str]] = {}
    for observation in observations:
        name = str(observation.get("dataURL") or "").rpartition("/")[2]
        match = PRODUCT.fullmatch(name)
        if match is None:
            continue
        for cadence in cadences:
            if name.endswith(ENDINGS[cadence]):
                found.setdefault(int(match["sector"]), {})[cadence] = name
    chosen = {sector: files[min(files, key=cadences.index)] for sector, files in found.items()}
    return {sector: chosen[sector] for sector in sorted(chosen) if sectors is None or sector in sectors}


class TessAsker(Archive):
    """TESS at MAST."""

    survey, refused = "TESS", "MAST refused access"

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.settings, self.url = settings.tess, settings.mast_url.rstrip("/")

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What determines the answer: the star, and which of its files are taken."""
        star = tic_of(row)
        place = {"tic": star} if star else {**self._place(row), "mags": magnitudes(row)}
        chosen = ("cone_arcsec", "match_arcsec", "match_mag", "cadence", "sectors")
        return {**place, **{name: getattr(self.settings, name) for name in chosen}}

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """All sectors of a star in one table; empty with the reason where there are none."""
        started = now()
        tic, mags = tic_of(row), magnitudes(row)
        if tic is None and mags and mags[0] > tess.FAINT_LIMIT:
            return _empty("too_faint")
        tic = tic or self._star(row)
        if tic is None:
            return _empty("no_match")
        files = products(self._observations(tic), self.settings.cadence, self.settings.sectors)
        tables, cards, headers, missing = self._sectors(files)
        if not tables:
            return _empty("no_rows" if files else "outside_survey", missing)
        metadata = {
            "reader": "tess 1",
            "fetched_utc": started,
            "tic": tic,
            "files": {str(sector): name for sector, name in files.items()},
            "missing_sectors": missing,
            "sectors": cards,
            "headers": headers,
            "columns": {
                "time": "TIME",
                "flux": "PDCSAP_FLUX",
                "flux_err": "PDCSAP_FLUX_ERR",
                "flag": "QUALITY",
            },
            "time": {"column": "TIME", "scale": "TDB", "offset": 2457000},
            "time_told": "btjd",
        }
        return Raw(pa.concat_tables(tables, promote_options="default"), metadata)

    def _ask(self, service: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        request = {"service": service, "format": "json", "params": parameters}
        query = {"request": json.dumps(request, sort_keys=True)}
        return list(json.loads(self.ask(f"{self.url}/invoke", query, check_json).body)["data"])

    def _star(self, row: Mapping[str, Any]) -> str | None:
        radius = self.settings.cone_arcsec / 3600
        stars = self._ask("Mast.Catalogs.Tic.Cone", {**self._place(row), "radius": radius})
        return choose(stars, magnitudes(row), self.settings.match_arcsec, self.settings.match_mag)

    @staticmethod
    def _place(row: Mapping[str, Any]) -> dict[str, float]:
        """Position (deg) at the TIC's epoch, where its distances are taken."""
        ra, dec = at_epoch(row, TIC_EPOCH)
        return {"ra": ra, "dec": dec}

    def _observations(self, tic: str) -> list[dict[str, Any]]:
        wanted = {"obs_collection": "TESS", "dataproduct_type": "timeseries", "target_name": tic}
        filters = [{"paramName": name, "values": [value]} for name, value in wanted.items()]
        return self._ask("Mast.Caom.Filtered", {"columns": "*", "filters": filters})

    def _sectors(
        self, files: Mapping[int, str]
    ) -> tuple[list[pa.Table], dict[str, dict[str, Any]], dict[str, dict[str, str]], list[int]]:
        """Table, cards and response headers of each sector, and the sectors whose product is not there."""
        tables, cards, headers, missing = [], {}, {}, []
        for sector, name in files.items():
            query = {"uri": f"mast:TESS/product/{name}"}
            try:
                answer = self.ask(f"{self.url}.1/Download/file", query, check_fits)
            except AbsentError:
                missing.append(sector)
                continue
            columns, header = tess.read_file(io.BytesIO(answer.body))
            n = len(columns["TIME"])
            tables.append(pa.table({"SECTOR": np.full(n, sector, np.int32), **columns}))
            headers[str(sector)] = kept(answer.headers)
            cards[str(sector)] = {
                k: (v if isinstance(v, str | int | float) else str(v)) for k, v in header.items() if v == v
            }
        return tables, cards, headers, missing


def _empty(reason: str, missing: list[int] | None = None) -> Raw:
    table = pa.table({"SECTOR": pa.array([], pa.int32()), "TIME": pa.array([], pa.float64())})
    return Raw(table, {"reader": "tess 1", "reason": reason, "missing_sectors": missing or []})
