"""The description of an exported version as an RO-Crate 1.1: `ro-crate-metadata.json`.

What a reader without this software finds there: every file with its format, size and SHA-256, the steps as
actions with their recipes and results, the software with its versions.
https://www.researchobject.org/ro-crate/1.1/
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

METADATA = "ro-crate-metadata.json"

#: Media types by suffix; what is not here is `application/octet-stream`.
FORMATS: Mapping[str, str] = {
    ".bib": "application/x-bibtex",
    ".csv": "text/csv",
    ".ecsv": "text/csv",
    ".fits": "application/fits",
    ".h5": "application/x-hdf5",
    ".html": "text/html",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".reg": "text/plain",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
    ".vot": "application/x-votable+xml",
    ".yaml": "application/yaml",
}


@dataclass(frozen=True)
class CrateFile:
    """A file of the crate: its path there, what it is, size in bytes, SHA-256."""

    path: str
    description: str
    size: int
    sha256: str


@dataclass(frozen=True)
class CrateStep:
    """A step: its recipe, the path of the recipe in the crate, and the paths of what it made."""

    recipe: Mapping[str, Any]
    recipe_path: str
    results: Sequence[str]


def metadata(
    *, name: str, description: str, date: str, licence: str, files: Sequence[CrateFile],
    steps: Sequence[CrateStep], version: str, commit: str | None,
) -> str:  # fmt: skip
    """Text of the description; the same content gives the same text. `date` is ISO 8601."""
    libraries = {
        (library, release) for step in steps for library, release in step.recipe["libraries"].items()
    } | {("python", step.recipe["python"]) for step in steps}
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": description,
        "datePublished": date,
        "license": licence,
        "hasPart": [_link(file.path) for file in files],
        "mentions": [{"@id": _action_id(step.recipe)} for step in steps],
    }
    graph: list[Mapping[str, Any]] = [
        {
            "@id": METADATA,
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        root,
        *(_file(file) for file in files),
        *(_action(step, date) for step in steps),
        *_software(sorted(libraries), version, commit),
    ]
    context = [
        "https://w3id.org/ro/crate/1.1/context",
        {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
    ]
    return json.dumps({"@context": context, "@graph": graph}, indent=1, ensure_ascii=False) + "\n"


def _link(path: str) -> dict[str, str]:
    return {"@id": quote(path)}


def _file(file: CrateFile) -> dict[str, Any]:
    suffix = file.path[file.path.rfind(".") :] if "." in file.path else ""
    return {
        **_link(file.path),
        "@type": "File",
        "name": file.path.rpartition("/")[2],
        "description": file.description,
        "encodingFormat": FORMATS.get(suffix, "application/octet-stream"),
        "contentSize": str(file.size),
        "sha256": file.sha256,
    }


def _action_id(recipe: Mapping[str, Any]) -> str:
    return f"#{recipe['step']}-{recipe['key']}"


def _action(step: CrateStep, date: str) -> dict[str, Any]:
    return {
        "@id": _action_id(step.recipe),
        "@type": "CreateAction",
        "name": f"{step.recipe['step']} {step.recipe['key']}",
        "instrument": {"@id": "#ephemera"},
        "object": [_link(step.recipe_path)],
        "result": [_link(path) for path in step.results],
        "endTime": date,
    }


def _software(
    libraries: Sequence[tuple[str, str]], version: str, commit: str | None
) -> Iterator[dict[str, Any]]:
    yield {
        "@id": "#ephemera",
        "@type": "SoftwareApplication",
        "name": "Ephemera",
        "version": version,
        "softwareVersion": commit or "outside git",
        "softwareRequirements": [{"@id": f"#{name}-{release}"} for name, release in libraries],
    }
    for name, release in libraries:
        yield {
            "@id": f"#{name}-{release}",
            "@type": "SoftwareApplication",
            "name": name,
            "version": release,
        }
