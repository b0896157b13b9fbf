"""Versions as people use them: run, change a threshold, compare, go back, pin, export, prune."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from ephemera.xmm.simulate import small_case
from workflow_checkout import copy_checkout, search_alone, sheet_of

HIGHER = ("--config", "xmm={detect: {threshold_sigma: 8}}")


def ephemera(checkout, *words, check=True):
    environment = os.environ | {"PYTHONPATH": str(checkout.root / "scripts")}
    code = "import sys; from ephemera.command import main; sys.exit(main())"
    answer = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=checkout.root, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if check and answer.returncode:
        raise AssertionError(answer.stdout + answer.stderr)
    return answer


@pytest.fixture(scope="module")
def night(repository, tmp_path_factory):
    """A checkout with two versions of one observation, at 3 and at 8 sigma."""
    checkout = copy_checkout(repository, tmp_path_factory.mktemp("versions") / "checkout")
    small_case(checkout.root / "data", obsid="0000000001", duration=1500.0)
    (checkout.root / "sheet.tsv").write_text(sheet_of([("0000000001", "folder", "data")]))
    (checkout.root / "overlay.yaml").write_text(search_alone("night", time_bins_s=(50.0, 200.0)))
    (checkout.root / "envs").mkdir()
    shutil.copy(repository / "envs" / "requirements.txt", checkout.root / "envs")
    checkout.snakemake("--configfile", "overlay.yaml")
    checkout.snakemake("--configfile", "overlay.yaml", *HIGHER)
    return checkout


pytestmark = pytest.mark.xdist_group("versions")


def test_the_walk_through(night):
    listed = ephemera(night, "versions", "list").stdout
    assert "  1  night" in listed
    assert "1 unit" in listed
    assert re.search(r"  2  night.*\[current\]", listed)

    differs = ephemera(night, "versions", "diff", "1", "2").stdout
    assert re.search(r"xmm\.detect\.threshold_sigma +3\.0 -> 8\.0", differs)
    assert "the same: " in differs
    n_a, n_b, appear, vanish, change, stay = map(
        int,
        re.search(
            r"/detections +(\d+) -> (\d+) rows: +(\d+) appear, (\d+) vanish, (\d+) change, (\d+) stay",
            differs,
        ).groups(),
    )
    assert n_b < n_a
    assert (appear, change + stay + vanish) == (0, n_a)
    assert change + stay == n_b

    ephemera(night, "verify")
    detections = "results/current/xmm/catalogue/night/detections.fits"
    trace = json.loads(ephemera(night, "trace", detections, "--json").stdout)
    steps = {job["step"] for job in trace["jobs"]}
    assert {f"xmm.{s}" for s in ("catalogue", "features", "detect", "events", "download")} <= steps
    assert {raw["path"] for raw in trace["raw"]} >= {
        f"data/{p.name}" for p in (night.root / "data").glob("*EVLI*")
    }
    assert trace["unknown"] == []

    assert night.planned("--configfile", "overlay.yaml") == {}
    night.snakemake("--configfile", "overlay.yaml")
    assert re.search(r"  3  night.*\[current\]", ephemera(night, "versions", "list").stdout)

    ephemera(night, "versions", "pin", "paper", "2")
    ephemera(night, "versions", "export", "paper")
    with zipfile.ZipFile(night.root / "paper.zip") as archive:
        names = set(archive.namelist())
    assert {"ro-crate-metadata.json", "citations.bib", "catalogue/xmm/catalogue/detections.fits"} <= names

    assert "0 keys to remove" in ephemera(night, "versions", "prune", "--keep-named").stdout
    ephemera(night, "versions", "pin", "paper", "--remove")
    assert "keys removed" in ephemera(night, "versions", "prune", "--keep", "1", "--delete").stdout
    ephemera(night, "verify")
    assert night.planned("--configfile", "overlay.yaml") == {}
    assert night.planned("--configfile", "overlay.yaml", *HIGHER) == {
        "xmm_detect": 1,
        "xmm_regions": 1,
        "xmm_features": 1,
        "xmm_catalogue": 1,
    }


def test_the_configuration_of_a_crate_runs(night):
    ephemera(night, "versions", "export", "1", "--output", "crate")
    assert night.planned("--configfile", "crate/config/config.yaml") == {}


def test_verify_finds_one_flipped_byte(night):
    path = next((night.root / "results/xmm/cube").rglob("*.h5"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    time = path.stat().st_mtime_ns
    path.write_bytes(content)
    os.utime(path, ns=(time, time))
    answer = ephemera(night, "verify", check=False)
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(time, time))
    assert answer.returncode == 1
    assert re.search(rf"^damaged +{path.relative_to(night.root)}", answer.stdout, re.MULTILINE)
    ephemera(night, "verify")
