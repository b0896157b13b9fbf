"""The schema of hits and stamps as pycapnp knows it, from the project's own text in resources/cosmic."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

#: Folder of the schema text; part of the recipes of all steps that read messages.
SCHEMA_FOLDER = Path(__file__).resolve().parents[3] / "resources" / "cosmic"
#: The default limit of pycapnp is less than a large stamp.
TRAVERSAL_LIMIT = 2**30


@cache
def schema(name: str) -> Any:
    """The module of `hit.capnp` or `stamp.capnp`."""
    import capnp

    return _parser(capnp).load(str(SCHEMA_FOLDER / f"{name}.capnp"))


@cache
def _parser(capnp: Any) -> Any:
    return capnp.SchemaParser()
