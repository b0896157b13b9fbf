"""The documents keep their word: what they lead to is there, and numbers they give are those of the code."""

from __future__ import annotations

import re


def documents(repository):
    folders = ("", "config", "profiles", "resources", "docs")
    return sorted(path for folder in folders for path in (repository / folder).glob("*.md"))


def test_links_and_images_lead_somewhere(repository):
    found = 0
    for path in documents(repository):
        for target in re.findall(r"\]\(([\w./-]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path}: {target}"
            found += 1
    assert found > 50


def test_every_image_is_shown(repository):
    shown = "".join(path.read_text() for path in documents(repository))
    images = [path.name for path in (repository / "docs" / "images").iterdir()]
    assert [name for name in images if f"images/{name}" not in shown] == []


def test_numbers_of_the_library_example(repository):
    from ephemera.xmm.bayes import eclipse_limit, log10_bayes_peak, peak_limit

    readme = (repository / "README.md").read_text()
    assert f"{float(log10_bayes_peak(5, 0.1)):.2f}" in readme
    assert list(peak_limit([0.01, 1.0], 3.0)) == [3, 9]
    assert eclipse_limit(30.0, 5.0) == 0
