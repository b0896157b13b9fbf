"""The digest of a step changes with its code, and with nothing else."""

import json
import os

import pytest

from ephemera.recipes import code
from ephemera.recipes.code import SourceTree, code_digest

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


def module_digests(module, package):
    return SourceTree(package).digests(module)


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


def remembered(package, memory):
    tree = SourceTree(package, memory)
    digests = tree.digests("ephemera.step")
    tree.save()
    return digests


def test_what_was_parsed_before_is_not_parsed_again(package, tmp_path, monkeypatch):
    memory = tmp_path / "cache" / "digests.json"
    first = remembered(package, memory)
    assert first == module_digests("ephemera.step", package)
    parsed = []
    monkeypatch.setattr(code, "parse", lambda content, path: parsed.append(path) or code.Parsed("x", ()))
    assert remembered(package, memory) == first
    assert parsed == []
    (package / "shared.py").write_text("def helper(x):\n    return x + 1\n")
    assert remembered(package, memory) != first
    assert parsed == [str(package / "shared.py")]


def test_memory_follows_content_and_not_time_or_place(package, tmp_path):
    memory = tmp_path / "digests.json"
    first = remembered(package, memory)
    path = package / "shared.py"
    moments = path.stat()
    path.write_text("def helper(x):\n    return 2 * x\n")
    os.utime(path, ns=(moments.st_atime_ns, moments.st_mtime_ns))
    second = remembered(package, memory)
    assert second == module_digests("ephemera.step", package) != first


@pytest.mark.parametrize("content", ["", "{", "[]", '{"maker": "another", "sources": {}}', '{"sources": 1}'])
def test_a_memory_that_cannot_be_used_is_made_again(package, tmp_path, content):
    memory = tmp_path / "digests.json"
    memory.write_text(content)
    assert remembered(package, memory) == module_digests("ephemera.step", package)
    assert json.loads(memory.read_text())["sources"]


def test_a_place_that_cannot_be_written_to_is_no_error(package, tmp_path):
    (tmp_path / "file").write_text("")
    assert remembered(package, tmp_path / "file" / "digests.json")


def test_scripts_and_styles_of_pages_count_where_a_module_names_them(package):
    before = digest(package)
    (package / "step.py").write_text(STEP.replace("lazy.VALUE", 'lazy.VALUE + len("page.js")'))
    (package / "unnamed.js").write_text("let x = 0\n")
    named = digest(package)
    assert named != before
    (package / "page.js").write_text("let x = 1\n")
    there = digest(package)
    assert there != named
    (package / "page.js").write_text("let x = 2\n")
    assert digest(package) != there
    (package / "page.js").write_text("let x = 1\n")
    (package / "unnamed.js").write_text("let x = 3\n")
    assert digest(package) == there
