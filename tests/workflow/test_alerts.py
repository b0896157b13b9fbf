"""The alert branch through Snakemake: a simulated survey, new nights, deliveries that come again or late."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.alerts import container, packet
from ephemera.alerts.light_curves import invented_cepheids, invented_fake
from ephemera.alerts.simulate import simulate_survey
from ephemera.seeds import generator
from workflow_checkout import copy_checkout

SMALL = ("--configfile", "overlay.yaml")
OVERLAY = """\
project: small
alerts:
  samples: sheet.tsv
  decode: {{simulated: [sim]}}
  associate: {{radius_arcsec: 4.0}}
  filter: {{trigger: alert, run: [everything, jump, single_point], {filters}}}
  pages: {{max_pages: 3}}
  {more}
"""


def write_sheet(checkout, rows, filters="options: {}", more=""):
    lines = ["delivery\tsource\tlocation", *("\t".join(row) for row in rows)]
    (checkout.root / "sheet.tsv").write_text("\n".join(lines) + "\n")
    (checkout.root / "overlay.yaml").write_text(OVERLAY.format(filters=filters, more=more))


def tables(checkout, step, suffix):
    folder = checkout.root / "results" / "current" / "alerts" / step / "small"
    return {int(path.name.split(".")[0]): path for path in sorted(folder.glob(f"*.{suffix}"))}


def digests(checkout):
    """What the branch found, night by night, but for where it was read."""
    found = {}
    for step, suffix in (
        ("associate", "association.parquet"),
        ("filter", "verdicts.parquet"),
        ("filter", "loci.parquet"),
    ):
        for night, path in tables(checkout, step, suffix).items():
            found[step, suffix, night] = pq.read_table(path).to_pylist()
    for night, path in tables(checkout, "associate", "state").items():
        files = sorted(path.glob("loci/*.arrow"))
        assert files
        found["state", night] = [pa.ipc.open_file(file).read_all().to_pylist() for file in files]
    return found


@pytest.fixture(scope="module")
def survey(repository):
    """A survey of the fake source and a few stars: nights 60000, 60002, 60004."""
    sources = [*invented_cepheids(8, generator(3)), invented_fake()]
    return simulate_survey(
        sources, {"seed": 3, "epochs": 3, "visits": 1, "background": 3, "start_mjd": 60000.0}
    ).alerts


def deliver(checkout, name, alerts):
    """Put alerts into a folder that is a delivery."""
    folder = checkout.root / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(alerts, folder / "alerts.parquet")
    return (name, "folder", f"data/{name}")


def night(alerts, number):
    return alerts.filter(pa.array([n == number for n in alerts["night"].to_pylist()]))


@pytest.fixture(scope="module")
def live(repository, tmp_path_factory, survey):
    """A checkout in which the nights were delivered one after the other, a run for each."""
    checkout = copy_checkout(repository, tmp_path_factory.mktemp("live") / "checkout")
    rows, jobs = [], []
    for number in (60000, 60002, 60004):
        rows.append(deliver(checkout, f"n{number}", night(survey, number)))
        write_sheet(checkout, rows)
        jobs.append(checkout.ran(*SMALL))
    return checkout, jobs, rows


def test_a_new_night_makes_only_its_own_jobs(live):
    _, jobs, _ = live
    chain = (
        "collect",
        "decode",
        "night",
        "associate",
        "crossmatch",
        "filter",
        "stream",
        "pages",
        "report",
        "summary",
    )
    for done in jobs:
        assert done == Counter({f"alerts_{name}": 1 for name in chain})


def test_nothing_to_do_afterwards(live):
    checkout, _, rows = live
    write_sheet(checkout, rows)
    assert checkout.planned(*SMALL) == Counter()


def test_replay_in_one_go_equals_night_by_night(live, survey, repository, tmp_path):
    replay = copy_checkout(repository, tmp_path / "replay")
    order = list(reversed(range(len(survey))))
    rows = [
        deliver(replay, "archive", survey.take(order[:20])),
        deliver(replay, "rest", survey.take(order[20:])),
    ]
    write_sheet(replay, rows)
    replay.snakemake(*SMALL, cores=1)
    assert digests(replay) == digests(live[0])


def copy_of(live, tmp_path):
    checkout, _, rows = live
    root = tmp_path / "checkout"
    shutil.copytree(checkout.root, root, symlinks=True)
    return type(checkout)(root), list(rows)


def test_delivering_a_night_again_changes_nothing(live, survey, tmp_path):
    checkout, rows = copy_of(live, tmp_path)
    before = digests(checkout)
    rows.append(deliver(checkout, "again", night(survey, 60002)))
    write_sheet(checkout, rows)
    checkout.snakemake(*SMALL)
    assert digests(checkout) == before
    account = json.loads(tables(checkout, "report", "json")[60002].read_text())
    assert account["packets"]["duplicates"] == len(night(survey, 60002))
    assert account["packets"]["in"] == 2 * account["packets"]["out"]


def test_a_late_night_is_refused_unless_asked_for(live, survey, tmp_path):
    checkout, rows = copy_of(live, tmp_path)
    late = night(survey, 60002).slice(0, 1)
    moved = late.set_column(
        late.column_names.index("alert_key"), late.schema.field("alert_key"), pa.array(["sim:777"])
    )
    rows.append(deliver(checkout, "late", moved))
    write_sheet(checkout, rows)
    answer = checkout.snakemake(*SMALL, check=False)
    assert answer.returncode != 0
    assert "rebuild_from: 60002" in answer.stdout + answer.stderr
    write_sheet(checkout, rows, more="rebuild_from: 60002")
    checkout.snakemake(*SMALL)
    keys = pq.read_table(tables(checkout, "associate", "association.parquet")[60002])["alert_key"].to_pylist()
    assert "sim:777" in keys


def test_an_edited_filter_associates_nothing_again(live, tmp_path):
    checkout, rows = copy_of(live, tmp_path)
    write_sheet(checkout, rows, filters="options: {jump: {threshold_mag: 2.0}}")
    (checkout.root / "mine.py").write_text("")
    # The dry run knows the nights, because decoding is done.
    planned = checkout.planned(*SMALL)
    again = {f"alerts_{name}": 3 for name in ("filter", "stream", "pages", "report")}
    assert planned == Counter(again | {"alerts_summary": 1})


def test_damaged_packets_among_good_ones(repository, tmp_path):
    checkout = copy_checkout(repository, tmp_path / "checkout")
    folder = checkout.root / "data" / "night"
    folder.mkdir(parents=True)
    (folder / "good.avro").write_bytes(container([packet(k, ra=10.0 + k, jd=2460000.7) for k in range(1, 6)]))
    (folder / "text.avro").write_text("no packet")
    (folder / "empty.avro").write_bytes(b"")
    (checkout.root / "broken.py").write_text("raise RuntimeError('at import')\n")
    (checkout.root / "data" / "useless.avro").write_text("no packet either")
    write_sheet(checkout, [("night", "folder", "data/night"), ("useless", "files", "data/useless.avro")])
    overlay = (
        (checkout.root / "overlay.yaml")
        .read_text()
        .replace("single_point]", "single_point, 'broken.py:Mine']")
    )
    (checkout.root / "overlay.yaml").write_text(overlay)
    checkout.snakemake(*SMALL)
    (path,) = tables(checkout, "report", "json").values()
    report = json.loads(path.read_text())
    assert report["packets"] == {"in": 7, "out": 5, "duplicates": 0, "rejected": {"not_avro": 2}}
    assert any("broken.py:Mine did not run" in text for text in report["warnings"])
    assert report["filters"]["single_point"]["passed"] == 5
    page = path.with_suffix(".html").read_text()
    assert "at import" in page
    (deliveries,) = checkout.root.glob("results/current/alerts/summary/*/deliveries.csv")
    assert deliveries.read_text().splitlines()[1:] == [
        '"night",7,5,2,"not_avro 2",1',
        '"useless",1,0,1,"not_avro 1",0',
    ]
    assert "useless" in (deliveries.parent / "index.html").read_text()


def test_the_notebooks_survey_flags_the_fake_source_once(repository, shared_data, tmp_path):
    checkout = copy_checkout(repository, tmp_path / "checkout")
    fake = f"alerts={{simulate: {{fake: {shared_data / 'alerts/antares/fake.csv'}}}}}"
    checkout.snakemake("--configfile", "config/test/alerts.yaml", "--config", fake, "--quiet", "all")
    truth = pq.read_table(checkout.root / "raw/alerts/survey/truth.parquet").to_pylist()
    by_key = {row["alert_key"]: row for row in truth}
    folder = checkout.root / "results/current/alerts/filter/alerts-test"
    verdicts = [
        row for path in sorted(folder.glob("*.verdicts.parquet")) for row in pq.read_table(path).to_pylist()
    ]
    flagged = [by_key[row["alert_key"]] for row in verdicts if "jump" in (row["tags"] or ())]
    assert [(r["source_id"], r["epoch"], r["visit"], r["band"]) for r in flagged] == [("999999", 8, 1, "V")]
    (objects,) = checkout.root.glob("results/alerts/benchmark/*/alerts-test/objects.csv")
    with objects.open(newline="") as handle:
        (fake,) = csv.DictReader(handle)
    assert fake["source_id"] == "999999"
    assert int(fake["rank"]) <= 10
    (index,) = checkout.root.glob("results/alerts/summary/*/alerts-test/index.html")
    assert "60016" in index.read_text()
