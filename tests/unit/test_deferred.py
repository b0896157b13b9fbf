"""What no step uses is not loaded, and is there when asked for."""

import subprocess
import sys

import pytest

#: Modules that a deferred one runs when it is loaded.
BEHIND = (
    "numpy.f2py.f2py2e",
    "numpy.testing._private.utils",
    "matplotlib.patches",
    "networkx.classes",
)


def in_a_process(code):
    command = [
        sys.executable,
        "-c",
        f"import sys\nfrom ephemera.deferred import defer, without_pandas\n{code}",
    ]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("library", ["scipy.special, scipy.ndimage", "mocpy"])
def test_a_library_is_imported_without_what_no_step_uses(library):
    loaded = f"import {library}\nprint(*(name for name in {BEHIND} if name in sys.modules))"
    assert in_a_process(loaded).split(), "nothing left to defer"
    assert in_a_process(f"defer()\n{loaded}").split() == []


def test_a_deferred_module_is_there_at_its_first_use():
    code = "defer()\ndefer()\nimport numpy, mocpy\nnumpy.testing.assert_equal(1, 1)\n"
    assert (
        in_a_process(f"{code}print(numpy.f2py.__doc__[:1] != '', callable(mocpy.MOC.fill))") == "True True\n"
    )


def test_the_public_names_of_the_libraries_stay_the_same():
    names = "import numpy, scipy.special\nprint(sorted(dir(numpy)), sorted(dir(scipy.special)))"
    assert in_a_process(f"defer()\n{names}") == in_a_process(names)


#: What steps do with PyArrow, most of which has it look for pandas.
ARROW = """
import numpy as np, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet
table = pa.table({"x": pa.array(np.array([1.0, np.nan]), from_pandas=True), "y": pa.array(["a", None])})
print(table["x"].null_count, table["x"].to_numpy()[0], pc.equal(table["y"], "a").to_pylist())
"""
SERIES = """
import pandas as pd
series = pd.Series([1.0, np.nan, 3.0], dtype=object)
print(pa.array(series, from_pandas=True).null_count, table.to_pandas().shape)
print(pa.Table.from_pandas(pd.DataFrame({"when": pd.to_datetime(["2020-01-01", None])}))["when"].null_count)
print(pd.__spec__.loader is pd.__loader__, type(pd.__loader__).__name__)
"""


@pytest.mark.parametrize("hidden", ["without_pandas()", "import pyarrow\nwithout_pandas()\nwithout_pandas()"])
def test_pyarrow_works_without_pandas_and_with_it_when_it_comes(hidden):
    loaded = "print('pandas' in sys.modules)\n"
    usual = in_a_process(f"{ARROW}{loaded}{SERIES}")
    assert "True" in usual.splitlines()[1], "nothing left to hide"
    changed = in_a_process(f"{hidden}\n{ARROW}{loaded}{SERIES}")
    assert changed.splitlines()[1] == "False"
    assert changed.replace("False\n", "True\n", 1) == usual


def test_pandas_is_not_hidden_once_it_is_there():
    code = "import pyarrow as pa, pandas as pd\nprint(pa.array([pd.NaT, 1], from_pandas=True))"
    with pytest.raises(subprocess.CalledProcessError):
        in_a_process(f"without_pandas()\n{code}")
    assert "null" in in_a_process(f"import pandas\nwithout_pandas()\n{code}")
