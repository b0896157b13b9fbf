"""The documentation builds without a warning and asks no other host for anything."""

from __future__ import annotations

import re
import subprocess
import sys


def test_the_site_builds_and_needs_no_network(repository, tmp_path):
    answer = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    pages = {path.name: path.read_text() for path in (tmp_path / "site").glob("*.html")}
    assert {"index.html", "xmm.html", "steps.html", "contributing.html"} <= set(pages)
    for text in pages.values():
        assert not re.search(r"<(script|img|iframe|source)[^>]*src=\"(https?:)?//", text)
        assert not re.search(r"<link[^>]*href=\"(https?:)?//[^\"]*\.(css|js)", text)
    styles = "".join(path.read_text() for path in (tmp_path / "site").rglob("*.css"))
    assert not re.search(r"url\(['\"]?(https?:)?//", styles)
