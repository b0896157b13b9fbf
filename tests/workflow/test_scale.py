"""Planning touches no data, whatever the number of observations, and sees at once that all is done."""

from __future__ import annotations

from collections import Counter

import pytest

from scale_archive import audited, finished, write_sheet

STEPS = ("download", "events", "cube", "expectation", "detect", "regions", "features")
#: What holds data, and the libraries that read it.
DATA = (".h5", ".parquet", ".fits", ".FTZ", ".vot", ".reg", ".csv", ".png", ".gz")
READERS = {"h5py", "astropy", "pyarrow", "scipy", "pandas", "matplotlib", "xarray"}


@pytest.fixture(scope="module")
def archive(repository, tmp_path_factory):
    """A checkout with forty finished observations, and the arguments that name them."""
    from workflow_checkout import copy_checkout

    checkout = copy_checkout(repository, tmp_path_factory.mktemp("scale") / "checkout")
    return checkout, finished(checkout, 40)


pytestmark = pytest.mark.xdist_group("scale")


def data_files(opened):
    """Those of the files that hold data; small tables in resources/ are part of the recipes."""
    return {path for path in opened if path.endswith(DATA) and not path.startswith("resources/")}


def test_nothing_is_planned_when_all_is_done_and_no_data_file_is_opened(archive):
    checkout, arguments = archive
    assert checkout.planned(*arguments) == Counter()
    opened, imported = audited(checkout, "-n", "-q", "all", *arguments)
    assert data_files(opened) == set()
    notes = {path for path in opened if path.startswith(("raw/", "results/", "data/"))}
    assert notes
    assert {path.rsplit(".", 1)[1] for path in notes} <= {"json", "jsonl"}
    assert READERS & {name.split(".")[0] for name in imported} == set()


def test_a_run_with_nothing_to_do_opens_no_data_file(archive):
    checkout, arguments = archive
    checkout.snakemake("-q", "all", *arguments)  # notes the version and writes the front page
    opened, _ = audited(checkout, "--cores", "1", "-q", "all", *arguments)
    assert data_files(opened) == set()


def test_a_plan_of_an_archive_opens_no_data_file(checkout):
    arguments = write_sheet(checkout, 150, kind="archive", location="")
    opened, imported = audited(checkout, "-n", "-q", "all", *arguments)
    assert data_files(opened) == set()
    assert READERS & {name.split(".")[0] for name in imported} == set()
    assert checkout.planned(*arguments) == Counter(
        {f"xmm_{step}": 150 for step in STEPS} | {"xmm_catalogue": 1}
    )


def test_a_plan_opens_the_same_number_of_files_for_each_observation(checkout):
    numbers = []
    for number in (20, 40):
        arguments = write_sheet(checkout, number, kind="archive", location="")
        (checkout.root / "opened.log").unlink(missing_ok=True)
        opened, _ = audited(checkout, "-n", "-q", "all", *arguments)
        numbers.append(len([path for path in opened if path.startswith("raw/")]) / number)
    assert numbers[0] == numbers[1] <= 3
