"""Plans of 100,000 jobs: what Snakemake keeps for each of them is shared where it is equal."""

import copy
import importlib.util
import pickle
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import InputFiles


@pytest.fixture(autouse=True)
def plans(repository):
    spec = importlib.util.spec_from_file_location("large_plans", repository / "workflow" / "large_plans.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.prepare()
    return module


def test_lists_of_files_share_their_guards():
    first, second = InputFiles(["a"]), InputFiles(["b", "c"])
    assert first.index is second.index
    assert first.sort is second.sort
    assert first.index is not first.sort


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda files: pickle.loads(pickle.dumps(files))]
)
def test_guards_still_guard_in_copies(copied):
    for name in ("index", "sort"):
        with pytest.raises(AttributeError, match=rf"{name}\(\) cannot be used"):
            getattr(copied(InputFiles(["a"])), name)()


def test_a_list_may_still_have_a_file_called_index():
    files = InputFiles(fromdict={"index": "a.bai"})
    assert files.index == "a.bai"
    with pytest.raises(AttributeError):
        InputFiles(["a"]).index()


@pytest.mark.parametrize("local", [True, False])
def test_only_jobs_of_this_machine_start_without_a_limit(local, plans):
    workflow = SimpleNamespace(local_exec=local, scheduler=SimpleNamespace(job_rate_limiter="limit"))
    plans.start_at_once(workflow)
    assert (workflow.scheduler.job_rate_limiter is None) == local
