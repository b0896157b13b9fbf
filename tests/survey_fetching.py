"""Steps of the survey branch that ask servers, run against the local ones."""

from __future__ import annotations

from ephemera.survey import fetch
from ephemera.survey.columns import SOURCE
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from survey_data import job, settings_of


def options_of(folder, archives, step="fetch", **options):
    """Options of a step that asks servers, the local ones."""
    settings = settings_of(step, **options)
    for name, value in vars(settings_of("network")).items():
        setattr(settings, name, value)
    given = {
        "data_root": str(folder / "raw"),
        "lock_folder": str(folder),
        "ra_minutes": False,
        "ra_seconds": False,
        "survey_plugin": None,
        "read_timeout_s": 0.7,
        "requests_per_s": 1e6,
    }
    if archives is not None:
        given |= {"irsa_url": archives.irsa_url, "mast_url": archives.mast_url}
        given |= {"ztf_forced_url": archives.forced_url, "gaia_url": archives.gaia_url}
    for name, value in given.items():
        setattr(settings, name, value)
    return settings


class Fetching:
    """Runs the step for some sources against the local server."""

    def __init__(self, folder, archives):
        self.folder, self.archives, self.options = folder, archives, {}
        self.out = folder / "out.parquet"

    def __call__(self, survey, *rows, **changes):
        settings = options_of(self.folder, self.archives, **self.options)
        for name, value in changes.items():
            setattr(settings, name, value)
        batch = self.folder / "batch.parquet"
        write_table(table_of_rows(SOURCE, rows), "source", batch)
        fetch.main(job(settings, {"batch": batch}, {"raw": self.out}, survey=survey, batch="RA000.0-x"))
        return {row["source"]: row for row in read_table(self.out).to_pylist()}

    @property
    def incomplete(self):
        return fetch.again_path(self.out).exists()

    def files(self):
        return sorted(p for p in (self.folder / "raw").rglob("*") if p.is_file())
