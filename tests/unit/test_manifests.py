"""Manifests say the same of the same files, whatever they are called, and only what was looked at."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from ephemera.alerts import collect
from ephemera.cosmic import find
from ephemera.files import sha256_of
from ephemera.jwst import scan
from ephemera.manifests import manifest_file, manifest_text
from ephemera.versions.lineage import manifest_files
from ephemera.xmm import download

#: A name that is no Unicode, as disks may hold; what a branch looks for follows.
STRANGE = os.fsdecode(b"caf\xe9")


def test_the_order_of_the_files_does_not_count(tmp_path):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        path.write_text(path.name)
    files = [manifest_file(path, "packets", url=f"http://archive/{path.name}") for path in paths]
    text = manifest_text("ok", "", files, obsid="1")
    assert manifest_text("ok", "", files[::-1], obsid="1") == text
    assert json.loads(text)["files"][1]["sha256"] == sha256_of(paths[1])
    assert json.loads(text)["obsid"] == "1"


@pytest.mark.parametrize(
    ("step", "unit", "name", "settings"),
    [
        (download, "0000000001", "P0000000001M1S001MIEVLI0000.FTZ", {"optional_products": []}),
        (scan, "planet", f"{STRANGE}_x1dints.fits", {}),
        (find, f"{STRANGE}", f"{STRANGE}.hits", {}),
        (collect, "night", f"{STRANGE}.avro", {}),
    ],
)
def test_names_that_are_no_unicode_come_back_as_they_are(tmp_path, step, unit, name, settings):
    folder = tmp_path / STRANGE
    folder.mkdir()
    (folder / name).write_bytes(b"content")
    kind, location = ("files", str(folder / name)) if step is find else ("folder", str(folder))
    note = {"unit": unit, "kind": kind, "location": location}
    (tmp_path / "source.json").write_text(json.dumps(note))
    output = tmp_path / "manifest.json"
    step.main(
        SimpleNamespace(
            input=SimpleNamespace(source=tmp_path / "source.json"),
            output=SimpleNamespace(manifest=output),
            settings=SimpleNamespace(**settings),
            wildcards=SimpleNamespace(prefix=unit),
        )
    )
    (file,) = manifest_files(output)
    assert Path(file.path) == folder / name
    assert (file.size, file.sha256) == (7, sha256_of(folder / name))


def test_a_file_whose_content_was_not_read_has_no_checksum_that_could_be_wrong(tmp_path):
    path = tmp_path / "X.seticore.hits.tmp"
    path.write_bytes(b"being written")
    assert find.describe(path).sha256 is None
    assert find.describe(tmp_path / "gone.hits").sha256 is None
