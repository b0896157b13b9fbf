"""Killed runs, a full disk, a second run, read-only folders, a clock set back, a broken download.

After each of them the next run must give what an undisturbed run gives, to the byte, and leave no
temporary file.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from ephemera.files import sha256_of
from workflow_checkout import sheet_of

OBSIDS = ("0000000001", "0000000002")  # of the fixture `finished`
CONFIGURED = ("--configfile", "overlay.yaml")
#: What says when or by which commit something was made.
NOT_COMPARED = {"recipe.json", "versions.jsonl"}

pytestmark = pytest.mark.xdist_group("faults")


def contents(checkout) -> dict[str, str]:
    """Checksum of every result by path, links and dates left out."""
    results = checkout.root / "results"
    return {
        str(path.relative_to(results)): sha256_of(path)
        for path in results.rglob("*")
        if path.is_file() and path.name not in NOT_COMPARED and "current" not in path.parts
    }


def leftovers(checkout) -> list[Path]:
    """Temporary files and folders of a checkout; records of checksums and of requests to hosts stay."""
    found = [path for part in ("results", "raw") for path in (checkout.root / part).rglob(".*")]
    return [path for path in found if path.name not in (".checksums", ".snakemake_timestamp", ".turnstile")]


@pytest.fixture
def fresh(complete):
    """A checkout in which nothing is made yet of two observations."""
    forget(complete)
    return complete


def forget(checkout):
    for part in ("results", "raw", "logs", "benchmarks", ".snakemake"):
        shutil.rmtree(checkout.root / part, ignore_errors=True)


@contextlib.contextmanager
def running(checkout, *arguments):
    """Snakemake in the background in a process group of its own; all of it is gone afterwards."""
    with (checkout.root / "background.txt").open("wb") as output:
        process = subprocess.Popen(
            ["snakemake", "--cores", "2", *CONFIGURED, *arguments],
            cwd=checkout.root,
            env=checkout.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(condition, seconds=60.0):
    """Wait for something; whether it came."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def steps_of(process) -> list[int]:
    """Processes of the session of a background run that run a step."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            session = (entry / "stat").read_text().rsplit(")", 1)[1].split()[3]
            if int(session) == process.pid and b".snakemake/scripts" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def unlock(checkout):
    """What Snakemake tells the user to do after a kill."""
    locks = checkout.root / ".snakemake" / "locks"
    if locks.is_dir() and any(locks.iterdir()):
        checkout.snakemake(*CONFIGURED, "--unlock")


def test_an_undisturbed_run_leaves_no_temporary_file(finished):
    assert leftovers(finished) == []


def test_killed_ten_times_at_any_moment_the_next_run_gives_the_same(fresh, finished):
    expected = contents(finished)
    dice = random.Random(20)
    kills = Counter()
    while sum(kills.values()) < 10:
        kind = ("workflow", "step", "both")[sum(kills.values()) % 3]
        with running(fresh) as process:
            started = until(lambda: steps_of(process) or process.poll() is not None)
            assert started
            time.sleep(dice.uniform(0.0, 4.0))
            steps = steps_of(process)
            if process.poll() is None:
                kills[kind] += 1
                kill([process.pid] * (kind != "step") + steps * (kind != "workflow"))
            process.wait(60)
            if kind == "workflow":
                # The step that was left alone goes on while the next run makes the same again.
                unlock(fresh)
                answer = fresh.snakemake(*CONFIGURED, check=False)
                assert answer.returncode == 0, answer.stdout + answer.stderr
        unlock(fresh)
        if process.returncode == 0 or kind == "workflow":
            assert contents(fresh) == expected
            assert leftovers(fresh) == []
            forget(fresh)
    fresh.snakemake(*CONFIGURED)
    assert contents(fresh) == expected
    assert leftovers(fresh) == []
    assert fresh.planned(*CONFIGURED) == Counter()
    assert len(kills) == 3


IN_MID_WRITE = """\
        if step == "xmm.detect" and Path("die").exists():
            half = list(partials.values())[0]
            half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
            import os
            os.kill(os.getpid(), 9)
"""
BETWEEN_OUTPUTS = """\
            if step == "xmm.detect" and Path("die").exists():
                import os
                os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize(
    ("place", "death", "with_workflow"),
    [
        ("        _note_checksums(snakemake, outputs, partials)\n", IN_MID_WRITE, False),
        ("            commit_file(partials[name], path)\n", BETWEEN_OUTPUTS, True),
    ],
    ids=["in mid-write", "between two outputs, with its workflow"],
)
def test_a_step_killed_while_it_writes_counts_as_not_done(fresh, finished, place, death, with_workflow):
    before_or_after = place + death if "commit" in place else death + place
    fresh.edit("scripts/ephemera/job.py", place, before_or_after)
    (fresh.root / "die").touch()
    if with_workflow:
        with running(fresh) as process:
            log = fresh.root / "background.txt"
            assert until(lambda: "Error in rule xmm_detect" in log.read_text() or process.poll() is not None)
            kill([process.pid, *steps_of(process)])
            process.wait(60)
        unlock(fresh)
    else:
        answer = fresh.snakemake(*CONFIGURED, check=False)
        assert answer.returncode != 0
        assert "xmm_detect" in answer.stdout + answer.stderr
        assert not list((fresh.root / "results/xmm/detect").glob("*/0*.h5"))
    (fresh.root / "die").unlink()
    fresh.snakemake(*CONFIGURED)
    assert contents(fresh) == contents(finished)
    assert leftovers(fresh) == []


def test_a_full_disk_is_named_and_nothing_half_written_counts(fresh, finished):
    expected = contents(finished)
    results = fresh.root / "results"
    results.mkdir()
    used = sum(path.stat().st_size for path in (finished.root / "results").rglob("*") if path.is_file())
    mount = ["mount", "-t", "tmpfs", "-o", f"size={used // 2}", "none", str(results)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("SMALL DISK ABSENT: only root can mount one, so the full disk was not tried")
    try:
        answer = fresh.snakemake(*CONFIGURED, check=False)
        text = answer.stdout + answer.stderr
        assert answer.returncode != 0
        assert "No space left on device" in text
        assert contents(fresh).items() <= expected.items()
        assert leftovers(fresh) == []
        subprocess.run(["mount", "-o", "remount,size=100m", str(results)], check=True)
        fresh.snakemake(*CONFIGURED)
        assert contents(fresh) == expected
    finally:
        subprocess.run(["umount", str(results)], check=True)


def test_a_second_run_in_the_same_folder_says_so(fresh, finished):
    with running(fresh) as process:
        locks = fresh.root / ".snakemake" / "locks"
        assert until(lambda: locks.is_dir() and any(locks.iterdir()))
        answer = fresh.snakemake(*CONFIGURED, check=False)
        assert process.poll() is None, (fresh.root / "background.txt").read_text()
        assert answer.returncode != 0
        text = answer.stdout + answer.stderr
        assert "cannot be locked" in text
        assert "--unlock" in text
        assert process.wait(120) == 0
    assert contents(fresh) == contents(finished)


@pytest.mark.parametrize(
    ("folder", "options", "message"),
    [
        ("results", CONFIGURED, "results cannot be written by this user"),
        ("raw", CONFIGURED, "the raw folder raw cannot be written"),
        ("raw", ("--config", "cosmic={simulate: {observations: 1}}"), "the raw folder raw cannot be written"),
    ],
)
def test_a_folder_that_cannot_be_written_is_named(fresh, folder, options, message):
    (fresh.root / folder).mkdir()
    (fresh.root / folder).chmod(0o555)
    # Root may write anywhere, unless it gives that up.
    prefix = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] * (os.geteuid() == 0)
    command = [*prefix, "snakemake", "--cores", "1", *options]
    answer = subprocess.run(command, cwd=fresh.root, env=fresh.environment(), capture_output=True, text=True)
    text = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert message in text
    assert "Traceback" not in text


def shift_times(checkout, seconds):
    """Make all that the workflow wrote look as if made later: as after a clock was set back."""
    for part in ("results", "raw", ".snakemake/log"):
        for path in (checkout.root / part).rglob("*"):
            status = path.lstat()
            moment = status.st_mtime_ns + seconds * 10**9
            os.utime(path, ns=(moment, moment), follow_symlinks=False)


def test_with_a_clock_set_back_exactly_what_is_stale_is_made_again(complete):
    shift_times(complete, 86400)
    assert complete.planned(*CONFIGURED) == Counter()
    path = next((complete.root / "data" / OBSIDS[0]).glob("*M1*"))
    content = bytearray(path.read_bytes())
    content[4] ^= 1  # a byte of the gzip header: another file with the same events
    path.write_bytes(content)
    shift_times(complete, 86400)
    made = {obsid: newest(complete, obsid) for obsid in OBSIDS}
    complete.snakemake(*CONFIGURED)
    assert newest(complete, OBSIDS[0]) != made[OBSIDS[0]]
    assert complete.planned(*CONFIGURED) == Counter()


def newest(checkout, obsid):
    """Identity of the manifest of an observation: another one after it was made again."""
    return (checkout.root / "raw/xmm" / obsid / "manifest.json").stat().st_ino


def test_a_download_that_was_killed_goes_on_where_it_was(fresh):
    from servers.xmm_archive import Fault, XmmArchive

    (fresh.root / "sheet.tsv").write_text(sheet_of([(OBSIDS[0], "archive", "")]))
    with XmmArchive() as server:
        server.add_folder(fresh.root / "data" / OBSIDS[0])
        server.fail("PN PIEVLI", Fault.STALLED)
        options = ("--config", f"xmm={{download: {{archive_url: {server.url}}}}}", "--until", "xmm_download")
        with running(fresh, *options) as process:
            staged = fresh.root / "raw" / "xmm" / OBSIDS[0]
            assert until(lambda: any(p.stat().st_size > 0 for p in staged.rglob("body")))
            assert process.poll() is None
        unlock(fresh)
        asked_before = len(server.asked)
        fresh.snakemake(*CONFIGURED, *options)
        again = server.names_asked()[asked_before:]
        assert again.count("PN PIEVLI") == 1
        assert not set(server.names_asked()[: asked_before - 1]) & set(again)
        assert server.asked[asked_before + again.index("PN PIEVLI")].range is not None
    assert leftovers(fresh) == []
