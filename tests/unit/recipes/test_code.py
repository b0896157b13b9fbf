"""The digest of a step changes with its code, and with nothing else."""

import pytest

from ephemera.recipes.code import code_digest, module_digests

STEP = '''"""A step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemera.shared import helper

if TYPE_CHECKING:
    from ephemera.types import Job


def main(job: Job) -> int:
    """Do it."""
    from ephemera import lazy

    return helper(1) + lazy.VALUE  # the sum


if __name__ == "__main__":
    from ephemera.door import run_step

    run_step(main)
'''


@pytest.fixture
def package(tmp_path):
    files = {
        "__init__.py": '"""Package."""\n',
        "step.py": STEP,
        "shared.py": "def helper(x):\n    return x\n",
        "lazy.py": "VALUE = 1\n",
        "other.py": "VALUE = 1\n",
        "types.py": "class Job: ...\n",
        "door.py": "def run_step(main): ...\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(package):
    return code_digest(module_digests("ephemera.step", package))


def test_imports_count_transitively_also_inside_functions(package):
    assert list(module_digests("ephemera.step", package)) == [
        "ephemera",
        "ephemera.lazy",
        "ephemera.shared",
        "ephemera.step",
    ]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("step.py", "# the sum", "# another comment"),
        ("step.py", '"""Do it."""', '"""Do it well."""'),
        ("step.py", "helper(1) + lazy.VALUE", "(helper( 1 )\n            + lazy.VALUE)"),
        ("step.py", "    run_step(main)\n", "    run_step(main, 2)\n"),
        ("other.py", "1", "2"),
        ("types.py", "Job", "Work"),
        ("door.py", "...", "main()"),
    ],
)
def test_what_makes_no_number_does_not_count(package, file, old, new):
    before = digest(package)
    text = (package / file).read_text()
    assert old in text
    (package / file).write_text(text.replace(old, new))
    assert digest(package) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [("step.py", "helper(1)", "helper(2)"), ("shared.py", "return x", "return x + 1"), ("lazy.py", "1", "2")],
)
def test_one_changed_line_of_code_counts(package, file, old, new):
    before = digest(package)
    text = (package / file).read_text()
    (package / file).write_text(text.replace(old, new))
    assert digest(package) != before


def test_a_circle_of_imports_ends(package):
    (package / "shared.py").write_text("import ephemera.step\n\ndef helper(x):\n    return x\n")
    assert "ephemera.step" in module_digests("ephemera.step", package)


def test_a_relative_import_is_refused_because_it_would_be_missed(package):
    (package / "shared.py").write_text("from . import lazy\n")
    with pytest.raises(ValueError, match="line 1: write the full name"):
        digest(package)


def test_an_unknown_step_is_named(package):
    with pytest.raises(ValueError, match=r"ephemera\.nothing is not a module"):
        module_digests("ephemera.nothing", package)
