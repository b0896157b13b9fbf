"""Page of all steps, read from the rules and the code: what each makes, its options, its tables.

The rule files are read as text, a line at a time: they are written in one form (`rule NAME:`, sections in
the order input, output, log, ..., one output a line), which a test holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from ephemera.config.project import Configuration
from ephemera.config.section import Section
from ephemera.recipes.code import package_folder
from ephemera.tables.declaration import TableDeclaration
from ephemera.tables.markdown import markdown, schema_markdown

_RULE = re.compile(r"^(?:rule|checkpoint) (?P<name>\w+):\n(?P<body>(?:[ \t].*\n|\n)+)", re.MULTILINE)
_SECTION = re.compile(r"^ {4}(?P<name>\w+):\n(?P<body>(?: {8}.*\n|\n)+)", re.MULTILINE)
#: `name=f"path"`, `name=STEP.output("path")`, both perhaps inside report(), directory() and the like.
_OUTPUT = re.compile(
    r"^ {8}(?P<name>\w+)=(?P<wrapped>[^\"]*?)(?P<step>[A-Z_]+)?(?:\.output\()?(?P<f>f?)\"(?P<path>[^\"]*)\"",
    re.MULTILINE | re.DOTALL,
)
INTRODUCTION = """\
One step is one rule, one module of the package, one section of the configuration, one folder of
results and one folder of logs, all of the same name. `<key>` is the content key of the recipe; what a step
reads and which options count is in `recipe.json` beside its outputs. A folder ends with `/`.
"""


@dataclass(frozen=True)
class Step:
    """A rule as its file declares it: `outputs` are (name, path) with wildcards in braces."""

    branch: str
    name: str
    message: str
    outputs: tuple[tuple[str, str], ...]

    @property
    def rule(self) -> str:
        """Name of the rule, `<branch>_<step>`."""
        return f"{self.branch}_{self.name}"

    @property
    def module(self) -> str:
        """Dotted name of the step's module."""
        return f"ephemera.{self.branch}.{self.name}"


def steps_of(rules: Path) -> list[Step]:
    """All steps of a folder of rule files, in the order of the files and of the rules in them.

    Rules that run no module of the package, such as those that only gather targets, are left out.
    """
    found = []
    for path in sorted(rules.glob("*.smk")):
        for match in _RULE.finditer(path.read_text(encoding="utf-8") + "\n"):
            sections = {s["name"]: s["body"] for s in _SECTION.finditer(match["body"])}
            if "step.py" in sections.get("script", ""):
                branch, _, name = match["name"].partition("_")
                message = " ".join(re.findall(r'"([^"]*)"', sections["message"]))
                found.append(Step(branch, name, message, tuple(_outputs(branch, name, sections["output"]))))
    return found


def _outputs(branch: str, name: str, text: str) -> Iterator[tuple[str, str]]:
    for match in _OUTPUT.finditer(text):
        path = match["path"]
        if match["f"]:
            path = path.replace("{{", "{").replace("}}", "}").replace("{RAW}", "raw")
        if match["step"]:
            path = f"results/{branch}/{name}/<key>/{path}"
        yield match["name"], path + ("/" if "directory(" in match["wrapped"] else "")


def section_of(step: Step) -> str | None:
    """Dotted name of the section that configures a step, None where it has no options of its own."""
    section: Any = Configuration()
    for part in (step.branch, step.name):
        section = getattr(section, part, None)
    return f"{step.branch}.{step.name}" if isinstance(section, Section) else None


Table: TypeAlias = TableDeclaration | pa.Schema


def tables_of(module: str) -> dict[str, Table]:
    """Declared tables that a module speaks of, by their names."""
    values = vars(import_module(module)).values()
    tables = [value for value in values if isinstance(value, TableDeclaration | pa.Schema)]
    return {_name(table): table for table in sorted(tables, key=_name)}


def tables_of_branch(branch: str) -> dict[str, Table]:
    """All tables that modules of a branch declare; of several of one name that with most columns."""
    folder = package_folder() / branch
    found: dict[str, Table] = {}
    for path in sorted(folder.rglob("*.py")):
        module = ".".join(("ephemera", branch, *path.relative_to(folder).with_suffix("").parts))
        for name, table in tables_of(module.removesuffix(".__init__")).items():
            if name not in found or len(list(found[name])) < len(list(table)):
                found[name] = table
    return dict(sorted(found.items()))


def _name(table: Table) -> str:
    if isinstance(table, TableDeclaration):
        return table.name
    name: bytes = table.metadata[b"name"]
    return name.decode()


def steps_page(rules: Path, note: str) -> str:
    """Markdown page of all steps and, after those of a branch, of the columns of its tables."""
    parts = [f"# Steps, results, columns\n\n<!-- {note} -->\n", INTRODUCTION]
    steps = steps_of(rules)
    for branch in dict.fromkeys(step.branch for step in steps):
        parts.append(f"## `{branch}`\n")
        parts += [_described(s, sorted(tables_of(s.module))) for s in steps if s.branch == branch]
        parts += [
            markdown(table) if isinstance(table, TableDeclaration) else schema_markdown(table)
            for table in tables_of_branch(branch).values()
        ]
    return "\n".join(parts)


def _described(step: Step, tables: list[str]) -> str:
    section = section_of(step)
    anchor = (section or "").replace(".", "")
    message = re.sub(r"\{wildcards\.(\w+)\}", r"*\1*", step.message)
    lines = [f"### Step `{step.rule}`", "", f"{message}.", ""]
    lines.append(f"- options: [`{section}`](configuration.md#{anchor})" if section else "- options: none")
    lines += [f"- `{name}`: `{path}`" for name, path in step.outputs]
    if tables:
        lines.append(f"- tables: {', '.join(f'`{name}`' for name in tables)}")
    return "\n".join([*lines, ""])
