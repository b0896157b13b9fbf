"""The catalogue side of the XMM branch through Snakemake: a crossmatch service that is down, then up."""

from __future__ import annotations

import json
from collections import Counter

import pyarrow.parquet as pq

from ephemera.tables import read
from ephemera.xmm.catalogue_columns import SOURCES
from ephemera.xmm.sample_columns import COMBINATIONS, SUBSET_MATRIX
from ephemera.xmm.simulate import small_case
from servers.xmatch import Fault, Table, XMatchService

OVERLAY = """\
project: many
xmm:
  samples: sheet.tsv
  cube: {{time_bins_s: [50.0], bands_kev: [[0.2, 12.0]]}}
  figures: {{enabled: false}}
  pages: {{enabled: false}}
  sample: {{enabled: false}}
  spectra: {{enabled: false}}
  sample_products: [export, filters, subset_matrix]
  crossmatch:
    service: {url}
    retries: 0
    sets: [{{name: simbad}}]
"""


def test_the_rest_of_the_run_finishes_without_the_service_which_is_asked_again_later(checkout):
    small_case(checkout.root / "data", obsid="0000000001", duration=1500.0)
    (checkout.root / "sheet.tsv").write_text("obsid\tsource\tlocation\n0000000001\tfolder\tdata\n")
    arguments = ("--configfile", "overlay.yaml")
    current = checkout.root / "results" / "current" / "xmm"
    star = Table([{"main_id": "far away", "main_type": "Star", "ra": 1.0, "dec": 80.0}], "ra", "dec")
    with XMatchService({"simbad": star}) as service:
        (checkout.root / "overlay.yaml").write_text(OVERLAY.format(url=service.url))
        service.faults.append(Fault.BUSY)
        checkout.snakemake(*arguments)
        status = json.loads((current / "crossmatch/many/simbad.status.json").read_text())
        assert status["outcome"] == "unavailable"
        assert "503" in status["detail"]
        sources = read(current / "catalogue/many/sources.parquet", SOURCES)
        assert len(sources) > 0
        complete = pq.read_table(current / "export/many/sources.parquet")
        assert complete["simbad_id"].null_count == len(complete) == len(sources)
        combinations = read(current / "filters/many/combinations.parquet", COMBINATIONS)
        assert (len(combinations), combinations["n_sources"][0].as_py()) == (1600, len(sources))
        assert read(current / "subset_matrix/many/matrix.parquet", SUBSET_MATRIX)["fraction"].to_pylist() == [
            1.0
        ]
        # The service is back: only what depends on it is made again.
        first = sources.to_pylist()[0]
        star.rows.append({"main_id": "here", "main_type": "Star", "ra": first["ra"], "dec": first["dec"]})
        plan = checkout.planned(*arguments)
        made = ("crossmatch", "export", "filters", "subset_matrix", "otypes")
        assert plan == Counter({f"xmm_{step}": 1 for step in made})
        checkout.snakemake(*arguments)
        asked = len(service.asked)
        assert asked == 1
        complete = pq.read_table(current / "export/many/sources.parquet").to_pylist()
        assert [row["simbad_id"] for row in complete if row["srcid"] == first["srcid"]] == ["here"]
        assert checkout.planned(*arguments) == Counter()
