"""The optional packages: one way to install them, in locked versions, and texts that name it."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib

import pytest

EXTRAS = ("anomaly", "features", "kafka", "periods", "postgres", "slurm", "web")


def planned(repository, *arguments):
    """What make would run; nothing is run."""
    command = ["make", "--dry-run", "--no-print-directory", *arguments]
    alone = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}  # not part of `make test`
    done = subprocess.run(command, cwd=repository, env=alone, check=True, capture_output=True, text=True)
    return done.stdout


def declared(repository):
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def test_every_extra_can_be_installed(repository):
    assert sorted({*declared(repository)} - {"dev"}) == list(EXTRAS)
    assert f"EXTRAS := {' '.join(EXTRAS)}\n" in (repository / "Makefile").read_text()


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_is_installed_from_a_lock_with_hashes(repository, extra):
    (line,) = [
        line for line in planned(repository, "install-extra", f"EXTRA={extra}").splitlines() if "'." in line
    ]
    assert f"-e '.[{extra}]'" in line
    assert "--no-verify-hashes" not in line
    (lock,) = re.findall(r"--constraint (\S+)", line)
    locked = (repository / lock).read_text()
    for requirement in declared(repository)[extra]:
        name = re.match(r"[\w-]+", requirement).group()
        assert re.search(rf"^{name}(\[\w+\])?==\S+ \\\n    --hash=sha256:", locked, re.MULTILINE), name


@pytest.mark.parametrize("extra", ["slurm", "web"])
def test_short_names_are_the_same(repository, extra):
    ends = [
        planned(repository, *wanted).splitlines()[-1]
        for wanted in ([f"install-{extra}"], ["install-extra", f"EXTRA={extra}"])
    ]
    assert ends[0] == ends[1]


@pytest.mark.parametrize("wanted", [[], ["EXTRA=nonsense"], ["EXTRA=dev"]])
def test_another_extra_is_refused(repository, wanted):
    lines = planned(repository, "install-extra", *wanted).splitlines()
    (check,) = [line for line in lines if line.startswith("test -n")]
    done = subprocess.run(["sh", "-c", check], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"EXTRA must be one of: {' '.join(EXTRAS)}\n"


def test_texts_name_extras_that_are_there(repository):
    texts = [repository / "README.md", *repository.glob("docs/*.md"), *repository.glob("scripts/**/*.py")]
    named = {name for path in texts for name in re.findall(r"EXTRA=(\w+)", path.read_text())}
    assert {"kafka", "postgres"} <= named <= {*EXTRAS, "name"}
    assert not [path for path in texts if "ephemera[" in path.read_text()]
