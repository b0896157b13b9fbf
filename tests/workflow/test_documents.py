"""Every code block of every document is run: commands, Python, SQL, configurations, terminal sessions."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from document_blocks import LANGUAGES, blocks_of, commands_of, run_shell
from survey_data import WASP_4
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
#: Folders of other people's data that the documents speak of.
ELSEWHERE = ("/data", "/archive")
#: Projects that the documents speak of, by the results of the demo that stand for them.
PROJECTS = {"survey/tables/mine": "survey/tables/demo", "catalogue/NAME": "catalogue/demo"}
#: Blocks that tests of their own run, with data of their own.
ELSEWHERE_TESTED = {("docs/alerts.md", "python"), ("docs/cosmic.md", "python")}
#: The walk through versions is made in earnest; elsewhere `snakemake` plans.
IN_EARNEST = {"docs/versions.md": ("snakemake",)}


@pytest.fixture(scope="module")
def demo(repository, tmp_path_factory):
    """A checkout in which the demo has run, with what the documents find in a reader's folder."""
    checkout = copy_checkout(repository, tmp_path_factory.mktemp("documents") / "checkout")
    for name in ("envs", "docs"):
        shutil.copytree(repository / name, checkout.root / name)
    checkout.snakemake("--configfile", "config/demo/demo.yaml")
    furnish(checkout.root)
    return checkout


def pretend_installed(root):
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/activate").write_text("")


def furnish(root):
    """Files and names that the documents use, made of what the demo made."""
    pretend_installed(root)
    (root.parent / "home").mkdir()
    (root.parent / "home" / "ephemera").symlink_to(root)
    (root / "results").symlink_to("demo/results")
    (root / "path").mkdir()
    recording = next((root / "demo/raw/cosmic").glob("*/simulated")).resolve()
    series = next((root / "demo/raw/jwst").rglob("*x1dints*.fits")).resolve()
    for folder in ("data/cosmic/2023-12-17", "data/recipes", "data/wasp39b", "archive/ztf/202406",
                   "archive/ztf/202407", "my/lists"):  # fmt: skip
        (root / folder).mkdir(parents=True)
    for path in recording.iterdir():
        (root / "data/cosmic/2023-12-17" / path.name).symlink_to(path)
    for name in ("data/wasp39b/jw_x1dints.fits", "data/a_x1dints.fits", "jw01366_x1dints.fits"):
        (root / name).symlink_to(series)
    for name in ("data/b.zip", "archive/late.tar.gz", "archive/one.avro", "acisf28229_repro_evt2.fits"):
        (root / name).write_bytes(b"")
    (root / "targets.csv").write_text("source_id,ra,dec,phot_g_mean_mag,pmra,pmdec\n1,10.0,20.0,15.0,0,0\n")
    (root / "nights.tsv").write_text("delivery\tsource\tlocation\njune\tfolder\tarchive/ztf/202406\n")
    (root / "fast_riser.py").write_text("")
    (root / "my.tsv").write_text("dataset\tsource\tlocation\nwasp-39b\tfolder\tdata/wasp39b\n")
    shutil.copy(root / "config/demo/demo.yaml", root / "overlay.yaml")


def prelude(document, root, request):
    """Names that the Python of a document takes for granted, as code."""
    if document == "docs/xmm-completeness.md":
        return f"path = {str(next((root / 'demo/results/current/xmm/events').glob('*.h5')))!r}"
    if document == "docs/survey.md":
        folder = request.getfixturevalue("shared_data") / "survey"
        (root / "tess...-s_lc.fits").symlink_to(folder / WASP_4)
        return f"import pandas; table = pandas.read_csv({str(folder / 'ztf' / 'ZTF_lightcurve.csv')!r})"
    return ""


def placed(text, root):
    """The text with other people's folders brought into the reader's."""
    for folder in ELSEWHERE:
        text = re.sub(rf"(?<![\w./]){folder}/", f"{root}{folder}/", text)
    for theirs, ours in PROJECTS.items():
        text = text.replace(theirs, ours)
    return text


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_run(document, demo, tmp_path, repository, request):
    root = demo.root
    if document == "CONTRIBUTING.md":  # it changes the code
        root = copy_checkout(repository, tmp_path / "checkout").root
        pretend_installed(root)
    python = [prelude(document, root, request)]
    for block in blocks_of(repository, document):
        assert block.language in LANGUAGES, f"{block.document}:{block.line} names no language"
        if (document, block.language) in ELSEWHERE_TESTED:
            continue
        code = placed(block.code, root)
        try:
            if block.language == "python":
                python.append(code)
            elif block.language == "yaml":
                write_configuration(code, root)
            elif block.language == "toml":
                tomllib.loads(code)
            elif block.language == "sql":
                run_sql(code, root)
            else:
                commands = code if block.language == "bash" else commands_of(code)
                run_shell(commands, root, repository, tmp_path / "bin", IN_EARNEST.get(document, ()))
        except BaseException as error:
            error.add_note(f"in the block at {block.document}:{block.line}")
            raise
    run_shell("exec python - <<'END'\n" + "\n".join(python) + "\nEND", root, repository, tmp_path / "bin")


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
