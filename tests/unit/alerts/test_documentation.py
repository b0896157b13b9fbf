"""docs/alerts.md keeps its word: its sheet and configuration are valid, its filter and its Python run."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

import pytest
import yaml

from builders.alerts import container, packet, write
from ephemera.alerts.filters.shipped import SHIPPED
from ephemera.config.alerts import SHIPPED_FILTERS, Alerts


@pytest.fixture(scope="module")
def document(repository):
    return (repository / "docs" / "alerts.md").read_text()


def test_the_readme_shows_how_to_filter_an_archive(repository):
    readme = (repository / "README.md").read_text()
    (block,) = (text for text in blocks(readme, "bash") if "nights.tsv" in text)
    configuration = re.search(r"<<'EOF'\n(.*?)EOF", block, re.DOTALL)
    Alerts.model_validate(yaml.safe_load(configuration[1])["alerts"])
    assert "delivery\\tsource\\tlocation" in block


def blocks(document, kind):
    return re.findall(rf"```{kind}\n(.*?)```", document, re.DOTALL)


def test_the_sheet_is_read(document, repository, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "workflow"))
    from samples import read_samples

    (tmp_path / "nights.tsv").write_text(blocks(document, "text")[0])
    found = read_samples(tmp_path / "nights.tsv", "delivery", r"[A-Za-z0-9][A-Za-z0-9_-]*")
    assert [one.unit for one in found] == ["extra", "july", "june"]


def test_configurations_are_valid(document):
    written = blocks(document, "yaml")
    assert written
    for block in written:
        assert Alerts.model_validate(yaml.safe_load(block)["alerts"]) != Alerts()


def test_all_shipped_filters_are_named(document):
    assert [name for name in SHIPPED if f"`{name}`" not in document] == []


def test_the_filter_and_the_session_run(document, tmp_path, monkeypatch):
    """The filter of the document, tried as the document says: one locus rises by 1.6 mag, one does not."""
    declaration, session = blocks(document, "python")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast_riser.py").write_text(declaration)
    start = 2460000.7
    rising = [packet(k, ra=150.0, jd=start + 0.8 * k, magpsf=20.0 - 0.8 * k) for k in range(1, 4)]
    steady = [packet(k, ra=10.0, jd=start + 0.8 * k, magpsf=18.0) for k in range(11, 14)]
    single = [packet(21, ra=30.0, jd=start)]
    (tmp_path / "packets").mkdir()
    write(tmp_path / "packets" / "night.avro", container([*rising, *steady, *single]))
    names: dict[str, object] = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(session, "docs/alerts.md", "exec"), names)
    assert "{'duplicates': 0, 'in': 7, 'out': 7, 'rejected': {}}" in printed.getvalue()
    rows = [row for row in names["result"].verdicts.to_pylist() if row["filter"] == "fast_riser"]
    assert sorted((row["outcome"], row["passed"]) for row in rows) == [
        ("skipped", False),
        ("succeeded", False),
        ("succeeded", True),
    ]
    (tagged,) = (row for row in names["result"].loci.to_pylist() if row["tags"])
    assert tagged["ra"] == pytest.approx(150.0)
    assert dict(tagged["properties"])["fast_riser_mag"]["float"] == pytest.approx(1.6, abs=1e-4)


def test_filters_are_named_in_the_configuration():
    assert set(SHIPPED_FILTERS) == set(SHIPPED)
    with pytest.raises(ValueError, match=r"'jmup' is not known: .* did you mean jump\?"):
        Alerts.model_validate({"filter": {"run": ["jmup"]}})
