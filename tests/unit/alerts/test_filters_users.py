"""Filters of users, in processes of their own: whatever they do, the stream goes on."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from builders.alerts import loci_and_alerts
from ephemera.alerts.filters import process, run_filters
from ephemera.alerts.filters.process import ProcessFilter

USER = """
from ephemera.alerts.filters.contract import Filter, Property, Tag, Verdict, declare

class Mine(Filter):
    name = "mine"
    version = "3"
    description = "of a user"
    output_tags = (Tag("mine", "mine"),)
    output_properties = (Property("n", int, None, "number"),)

    def setup(self, config, files):
        self.extra = config.get("extra", 0)

    def run(self, locus):
        print("noise on stdout")
        {body}
        return Verdict(["mine"], {{"n": locus.n_detections + self.extra}})

@declare(name="short", output_tags=(Tag("short", "of a function"),))
def short(locus):
    return ["short"]
"""


def user_file(folder, body="pass"):
    path = folder / "user.py"
    path.write_text(USER.format(body=body))
    return str(path)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_filter_of_a_user(tmp_path):
    path = user_file(tmp_path)
    result = run_filters(*loci_and_alerts(2), [f"{path}:Mine", f"{path}:short"], {"mine": {"extra": 10}})
    names = [[tag["name"] for tag in row] for row in result.loci["tags"].to_pylist()]
    assert names == [["mine", "short"]] * 2
    assert dict(result.loci["properties"][0].as_py())["n"]["int"] == 12
    assert result.tallies["mine"].version == "3"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("raise KeyError('x')", "KeyError"),
        ("import os; os._exit(3)", "SystemExit"),
        ("raise SystemExit", "SystemExit"),
        ("while True: pass", "FilterTimeoutError"),
        ("x = bytearray(10**10)", "MemoryError"),
        (
            "import signal; signal.setitimer(signal.ITIMER_REAL, 0)\n        while True: pass",
            "FilterTimeoutError",
        ),
        ("return ['other']", "ContractError"),
    ],
)
def test_a_filter_of_a_user_cannot_stop_the_stream(tmp_path, body, error):
    path = user_file(tmp_path, body)
    limits = {"seconds": 0.2, "memory_mb": 3000}
    result = run_filters(*loci_and_alerts(2), [f"{path}:Mine", "everything"], {"limits": limits})
    rows = [row for row in result.verdicts.to_pylist() if row["filter"] == "mine"]
    assert [row["outcome"] for row in rows] == ["errored", "errored"]
    assert {row["error"] for row in rows} == {error}
    assert result.tallies["everything"].succeeded == 2


def test_a_filter_that_closes_its_pipe_and_lives_on_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "LEAVING", 0.5)
    body = "import os, signal; signal.setitimer(0, 0); os.closerange(3, 99)\n        while True: pass"
    result = run_filters(*loci_and_alerts(2), [f"{user_file(tmp_path, body)}:Mine", "everything"])
    errors = [row["error"] for row in result.verdicts.to_pylist() if row["filter"] == "mine"]
    assert errors == ["FilterProcessError"] * 2
    assert result.tallies["everything"].succeeded == 2


@pytest.mark.parametrize(
    "text", ["import nothing_of_this_name", "this is no python", "class Mine: pass", "raise SystemExit(1)"]
)
def test_a_filter_that_does_not_import_is_reported(tmp_path, text):
    (tmp_path / "user.py").write_text(text)
    result = run_filters(*loci_and_alerts(1), [f"{tmp_path / 'user.py'}:Mine", "everything"])
    name = f"{tmp_path / 'user.py'}:Mine"
    assert result.tallies[name].problem
    assert result.tallies[name].errored == 1
    assert result.tallies["everything"].succeeded == 1


def test_a_filter_that_cannot_hold_the_night_is_reported(tmp_path):
    """The night is more than the memory that the filter's process may have."""
    text = USER.format(body="pass") + (
        "import sys\n"
        "def night(self, request):\n"
        "    raise MemoryError('too large')\n"
        "sys.modules['__main__'].Worker.night = night\n"
    )
    (tmp_path / "user.py").write_text(text)
    result = run_filters(*loci_and_alerts(2), [f"{tmp_path / 'user.py'}:Mine", "everything"])
    assert result.tallies["mine"].problem == "MemoryError: too large"
    assert result.tallies["mine"].errored == 2
    assert result.tallies["everything"].succeeded == 2


@pytest.mark.parametrize("where", ["setup", "module"])
def test_a_filter_of_a_user_that_lacks_something_for_the_night_is_skipped(tmp_path, where):
    text = USER.format(body="pass")
    raising = "raise RequirementMissingError('package flux_capacitor')"
    text = text.replace("Property, Tag", "Property, RequirementMissingError, Tag")
    if where == "setup":
        text = text.replace("self.extra = config", f"{raising}\n        self.extra = config")
    else:
        text += raising + "\n"
    (tmp_path / "user.py").write_text(text)
    spec = f"{tmp_path / 'user.py'}:Mine"
    result = run_filters(*loci_and_alerts(2), [spec, "everything"])
    tally = result.tallies["mine" if where == "setup" else spec]
    assert (tally.skipped, tally.errored, tally.problem) == (2, 0, "package flux_capacitor")
    missing = [row["missing"] for row in result.verdicts.to_pylist() if row["outcome"] == "skipped"]
    assert missing == ["package flux_capacitor"] * 2


def test_a_request_that_is_not_read_is_given_up(tmp_path):
    """More than a pipe holds, to a process that does not read."""
    one = ProcessFilter(f"{user_file(tmp_path)}:Mine", 0.1, 2000)
    try:
        os.kill(one.child.pid, 19)  # SIGSTOP
        start = time.monotonic()
        with pytest.raises(Exception, match="did not answer") as caught:
            one._request({"do": "setup", "config": {"text": "x" * 10**6}, "files": {}}, 0.3)
        assert caught.value.remote_name == "FilterTimeoutError"
        assert time.monotonic() - start < 5
    finally:
        one.close()


def test_processes_of_filters_that_failed_to_set_up_end(tmp_path):
    text = USER.format(body="pass").replace(
        "self.extra = config", "raise ValueError\n        self.extra = config"
    )
    (tmp_path / "user.py").write_text(text)
    before = open_files()
    for _ in range(3):
        run_filters(*loci_and_alerts(1), [f"{tmp_path / 'user.py'}:Mine"])
    assert open_files() == before


@pytest.mark.parametrize("name", ["resend", "a/b", "..", "", "x" * 61, "a b"])
def test_a_tag_that_cannot_name_a_stream_is_refused(tmp_path, name):
    text = USER.format(body="pass").replace('Tag("mine"', f'Tag("{name}"')
    (tmp_path / "user.py").write_text(text)
    spec = f"{tmp_path / 'user.py'}:Mine"
    result = run_filters(*loci_and_alerts(1), [spec, "everything"])
    (problem,) = (tally.problem for tally in result.tallies.values() if tally.problem)
    assert "output_tags must be Tags named with letters, digits, '_' and '-', not resend" in problem
    assert result.tallies["everything"].succeeded == 1
