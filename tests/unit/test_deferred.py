"""What no step uses is not loaded, and is there when asked for."""

import subprocess
import sys

import pytest

#: Modules that a deferred one runs when it is loaded.
BEHIND = ("numpy.f2py.f2py2e", "numpy.testing._private.utils", "matplotlib.patches")


def in_a_process(code):
    command = [sys.executable, "-c", f"import sys\nfrom ephemera.deferred import defer\n{code}"]
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
