"""A folder of results with two versions, and the command run in it."""

from __future__ import annotations

import pytest

from builders.results_folder import Results
from ephemera.command import main


@pytest.fixture
def results(tmp_path, monkeypatch) -> Results:
    """Two versions of project p: thresholds 5 and 10; the working folder is the one around the results."""
    monkeypatch.chdir(tmp_path)
    made = Results(tmp_path / "results")
    made.first = made.run(5)
    made.second = made.run(10)
    return made


@pytest.fixture
def ephemera(capsys):
    """Run the command; returns exit code, output and errors."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
