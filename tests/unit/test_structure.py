"""The structure of the package: branches stand apart, the trunk knows none of them, no circles."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

BRANCHES = ("xmm", "survey", "alerts", "cosmic", "jwst")


def imports(path: Path) -> set[str]:
    """Modules of the package that a file imports at any time, also inside functions; not those for types."""
    found = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
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
            for other in imports(path)
            if branch_of(other) not in (None, branch_of(module))
        ]
    assert wrong == []


def test_no_import_goes_in_a_circle(modules):
    graph = {
        name: {other for other in imports(path) if other in modules and other != name}
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


SECTIONS = ("input", "output", "log", "benchmark", "threads", "resources", "params", "message", "script")
_RULE = re.compile(r"^(?:rule|checkpoint) (?P<name>\w+):\n(?P<body>(?:[ \t].*\n|\n)+)", re.MULTILINE)
_SECTION = re.compile(r"^ {4}(?P<name>\w+):[ \n](?P<body>.*\n(?: {8}.*\n|\n)*)", re.MULTILINE)


def rules_of(repository):
    """Sections of every rule that runs a step, by its name."""
    for path in sorted((repository / "rules").glob("*.smk")):
        for rule in _RULE.finditer(path.read_text() + "\n"):
            yield rule["name"], {s["name"]: s["body"] for s in _SECTION.finditer(rule["body"])}


def test_all_rules_speak_one_grammar(repository, modules):
    rules = dict(rules_of(repository))
    assert len(rules) > 60
    for name, sections in rules.items():
        branch, _, step = name.partition("_")
        recipe = name.upper()
        assert f"ephemera.{branch}.{step}" in modules, name
        assert list(sections) == [section for section in SECTIONS if section in sections], name
        assert set(SECTIONS) - set(sections) <= {"input", "threads"}, name
        for section in ("input", "output"):
            lines = re.findall(r"^ {8}(\S.*)$", sections.get(section, ""), re.MULTILINE)
            unnamed = [line for line in lines if not re.match(r"\w+=|unpack\(|[)\]}]", line)]
            assert unnamed == [], name
        unit = re.fullmatch(rf"\s*{recipe}\.log\((.*)\),?\s*", sections["log"])
        assert unit, name
        assert sections["benchmark"].strip() == f"{recipe}.benchmark({unit[1]})", name
        assert re.match(r"\s*mem_mb=.*\n\s*runtime=\d+,\s*$", sections["resources"], re.DOTALL), name
        assert re.match(rf"\s*recipe=.*{recipe}\b", sections["params"], re.DOTALL), name
        assert sections["message"].strip()[1].isupper(), name
        assert sections["script"].strip() == '"../scripts/step.py"', name


def test_no_rule_shows_a_folder_of_pages_in_the_report(repository):
    # `snakemake --report report.html` refuses a folder with an index and writes nothing.
    for rules in sorted((repository / "rules").glob("*.smk")):
        assert "htmlindex" not in rules.read_text(), rules.name


def test_rooms_are_small_and_functions_fit_a_screen(repository):
    folders = ("scripts", "workflow", "rules")
    files = [p for f in folders for p in (repository / f).rglob("*") if p.suffix in (".py", ".smk", ".js")]
    assert [p.name for p in files if p.read_text().count("\n") > 400] == []
    functions = [
        f"{path.name}: {node.name}"
        for path in files
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= 60
    ]
    assert functions == []
