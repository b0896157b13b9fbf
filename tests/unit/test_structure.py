"""The structure of the package: branches stand apart, the trunk knows none of them, no circles."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BRANCHES = ("xmm", "survey", "alerts", "cosmic", "jwst")


def imports(path: Path, *, at_start_only: bool) -> set[str]:
    """Modules of the package that a file imports when it is imported, or at any time."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if at_start_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ephemera"):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("ephemera")}
    return found


@pytest.fixture(scope="module")
def modules(repository):
    root = repository / "scripts"
    return {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted((root / "ephemera").rglob("*.py"))
    }


def branch_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in BRANCHES else None


def test_branches_never_import_each_other_and_the_trunk_imports_none(modules):
    wrong = []
    for module, path in modules.items():
        # The command line and the configuration bring the branches together.
        if module == "ephemera.command" or module.startswith("ephemera.config"):
            continue
        wrong += [
            f"{module} imports {other}"
            for other in imports(path, at_start_only=False)
            if branch_of(other) not in (None, branch_of(module))
        ]
    assert wrong == []


def test_no_import_goes_in_a_circle(modules):
    graph = {
        name: {other for other in imports(path, at_start_only=True) if other in modules and other != name}
        for name, path in modules.items()
    }
    # A package's own face may import its modules; they do not need it back.
    graph = {name: {o for o in others if not name.startswith(o + ".")} for name, others in graph.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_every_step_of_the_workflow_has_its_module_its_log_and_its_message(repository, modules):
    for rules in sorted((repository / "rules").glob("*.smk")):
        blocks = rules.read_text().split("\nrule ")[1:]
        for block in blocks:
            name = block.split(":")[0].strip()
            branch, _, step = name.partition("_")
            assert f"ephemera.{branch}.{step}" in modules, name
            for part in ("log:", "benchmark:", "message:", "resources:", "script:"):
                assert f"    {part}" in block, f"{name} has no {part}"


def test_no_rule_shows_a_folder_of_pages_in_the_report(repository):
    # `snakemake --report report.html` refuses a folder with an index and writes nothing.
    for rules in sorted((repository / "rules").glob("*.smk")):
        assert "htmlindex" not in rules.read_text(), rules.name
