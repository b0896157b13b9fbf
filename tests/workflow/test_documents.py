"""Every code block of every document is run: commands, Python, SQL, configurations, sessions of a terminal."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from document_blocks import LANGUAGES, blocks_of, commands_of, run_shell
from workflow_checkout import copy_checkout

pytestmark = pytest.mark.xdist_group("documents")
ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *(name for name in ("README.md", "CONTRIBUTING.md") if (ROOT / name).exists()),
    "config/README.md",
    "profiles/README.md",
    "resources/README.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
]
#: Folders of other people's data that the documents speak of, by what stands there in the demo.
ELSEWHERE = ("/data", "/archive")


@pytest.fixture(scope="module")
def demo(repository, tmp_path_factory):
    """A checkout in which the demo has run, with what the documents find in a reader's folder."""
    checkout = copy_checkout(repository, tmp_path_factory.mktemp("documents") / "checkout")
    for name in ("envs", "docs"):
        shutil.copytree(repository / name, checkout.root / name)
    checkout.snakemake("--configfile", "config/demo/demo.yaml")
    (checkout.root / ".venv/bin").mkdir(parents=True)
    (checkout.root / ".venv/bin/activate").write_text("")
    (checkout.root.parent / "home").mkdir()
    (checkout.root.parent / "home" / "ephemera").symlink_to(checkout.root)
    (checkout.root / "results").symlink_to("demo/results")
    furnish(checkout.root)
    return checkout


def furnish(root):
    """Files and names that the documents use, made of what the demo made."""
    raw = root / "demo" / "raw"
    recording = next(raw.glob("cosmic/*/simulated"))
    for path in recording.iterdir():
        (root / re.sub(rf"^{recording.parent.name}", "X", path.name)).symlink_to(path)
    for step in ("gallery", "events"):
        folder = root / "demo/results/current/cosmic" / step
        (folder / "X").symlink_to(next(folder.iterdir()).name)


def placed(text, root):
    """The text with other people's folders brought into the reader's."""
    for folder in ELSEWHERE:
        text = re.sub(rf"(?<![\w.]){folder}/", f"{root}{folder}/", text)
    return text


def run_python(code, folder, names):
    here = Path.cwd()
    os.chdir(folder)
    try:
        exec(compile(code, "document", "exec"), names)
    finally:
        os.chdir(here)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_run(document, demo, tmp_path, repository):
    names = {}
    for block in blocks_of(repository, document):
        assert block.language in LANGUAGES, f"{block.document}:{block.line} names no language"
        code = placed(block.code, demo.root)
        try:
            if block.language == "python":
                run_python(code, demo.root, names)
            elif block.language == "yaml":
                write_configuration(code, demo.root)
            elif block.language == "sql":
                run_sql(code, demo.root)
            else:
                commands = code if block.language == "bash" else commands_of(code)
                run_shell(commands, demo.root, repository, tmp_path / "stand_ins")
        except BaseException as error:
            error.add_note(f"in the block at {block.document}:{block.line}")
            raise


def write_configuration(code, root):
    """Check a configuration and leave it under the name in its first line, for the commands that use it."""
    from ephemera.config.load import load

    values = yaml.safe_load(code)
    named = re.match(r"# ([\w./-]+\.yaml)", code)
    if named:
        path = root / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    if not (named and named[1].startswith("profiles/")):
        load(values)


def run_sql(code, root):
    from ephemera.survey.database import connect

    connection = connect(root / "demo/results/current/survey/tables/demo")
    for statement in re.sub(r"--.*", "", code).split(";"):
        if statement.strip():
            connection.execute(statement).fetchall()
