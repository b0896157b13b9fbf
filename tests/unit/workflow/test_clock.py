"""Files from the future get the present time, in their order; nothing else changes."""

from __future__ import annotations

import os
import time

import pytest

import clock

DAY = 86400 * 10**9


@pytest.fixture
def made(tmp_path):
    """Make a file whose time is so many ns from now."""

    now = time.time_ns()

    def make(name, shift):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        moment = now + shift
        os.utime(path, ns=(moment, moment))
        return path

    return make


def mend(folder):
    return clock.mend_times(folder / "results", folder / "raw", folder / "log")


def test_no_log_no_set_back(tmp_path):
    assert not clock.was_set_back(tmp_path / "log")


@pytest.mark.parametrize(("shift", "expected"), [(-DAY, False), (10**9, False), (DAY, True)])
def test_a_log_from_the_future_tells_of_a_clock_set_back(made, tmp_path, shift, expected):
    made("log/old", -2 * DAY)
    made("log/new", shift)
    assert clock.was_set_back(tmp_path / "log") is expected


def test_order_is_kept_and_the_future_ends_now(made, tmp_path):
    old = made("results/old", -DAY)
    before = old.stat().st_mtime_ns
    third, first, second = (made(f"results/deep/{n}", DAY + n) for n in (30000, 10000, 20000))
    log = made("log/run", DAY)
    assert mend(tmp_path) == 3
    times = [path.stat().st_mtime for path in (old, first, second, third)]
    assert times == sorted(set(times))
    assert times[-1] <= time.time()
    assert old.stat().st_mtime_ns == before
    assert log.stat().st_mtime <= time.time()
    assert not clock.was_set_back(tmp_path / "log")


def test_equal_times_stay_equal(made, tmp_path):
    pair = [made(f"results/{name}", DAY) for name in "ab"]
    moment = pair[0].stat().st_mtime_ns
    os.utime(pair[1], ns=(moment, moment))
    mend(tmp_path)
    assert pair[0].stat().st_mtime_ns == pair[1].stat().st_mtime_ns


def test_raw_data_keep_their_times_and_links_are_not_followed(made, tmp_path):
    data, note = made("raw/1/list.FTZ", DAY), made("raw/1/manifest.json", DAY)
    outside = made("elsewhere/table.parquet", DAY)
    before = data.stat().st_mtime_ns, outside.stat().st_mtime_ns
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "current").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "results" / "table").symlink_to(outside)
    mend(tmp_path)
    assert (data.stat().st_mtime_ns, outside.stat().st_mtime_ns) == before
    assert note.stat().st_mtime <= time.time() + 0.1
