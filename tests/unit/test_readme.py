"""The README keeps its word: its files are there, its make targets exist; its code runs in test_documents."""

from __future__ import annotations

import re

import pytest
import yaml


@pytest.fixture(scope="module")
def readme(repository):
    return (repository / "README.md").read_text()


def test_links_and_images_lead_somewhere(readme, repository):
    for target in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (repository / target).exists(), target


def test_make_targets_exist(readme, repository):
    makefile = (repository / "Makefile").read_text()
    blocks = " ".join(re.findall(r"```bash\n(.*?)```", readme, re.DOTALL))
    for target in re.findall(r"\bmake ([a-z-]+)", blocks):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_numbers_of_the_library_example(readme):
    from ephemera.xmm.bayes import eclipse_limit, log10_bayes_peak, peak_limit

    assert f"{float(log10_bayes_peak(5, 0.1)):.2f}" in readme
    assert list(peak_limit([0.01, 1.0], 3.0)) == [3, 9]
    assert eclipse_limit(30.0, 5.0) == 0


def test_configurations_are_valid(readme, repository):
    from ephemera.config.project import Configuration

    blocks = re.findall(r"cat > \S+ <<'EOF'\n(.*?)EOF", readme, re.DOTALL)
    blocks += re.findall(
        r"```yaml\n(# mine.yaml.*?)```", (repository / "docs/survey.md").read_text(), re.DOTALL
    )
    assert len(blocks) >= 3
    for block in blocks:
        Configuration.model_validate(yaml.safe_load(block))
