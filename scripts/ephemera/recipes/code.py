"""Digest of a step's code: the syntax trees of its module and of all it imports inside the package.

Comments, docstrings, formatting and file times do not count. Neither do blocks that never run inside
a step: `if TYPE_CHECKING:` and `if __name__ == "__main__":`. Nor does what runs a step: `ephemera.job`
moves files and writes logs, but makes no number. Scripts and styles of pages count where a module names
a file that lies beside it, such as "table.js".
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "ephemera"
#: Names of files that are code of the pages that a module writes.
_ASSET = re.compile(r"[\w-]+\.(?:css|js)")


@cache
def package_folder() -> Path:
    """Folder of the package that runs."""
    return Path(__file__).resolve().parents[1]


class Parsed(NamedTuple):
    """Digest of one file's tree, the dotted names it may import, the scripts and styles it names."""

    digest: str
    imports: tuple[str, ...]
    assets: tuple[str, ...] = ()


class SourceTree:
    """Modules of the package as they are when first asked for.

    Each file is read once and parsed only when its content has not been parsed before: `memory` (None
    for none) is a file in which `save` keeps what is known, by the content of the sources.
    """

    def __init__(self, package: Path | None = None, memory: Path | None = None) -> None:
        self.folder = package or package_folder()
        self.memory = memory
        self._remembered = _read_memory(memory)
        self._used: dict[str, Parsed] = {}
        self._paths: dict[str, str | None] = {}
        self._modules: dict[str, tuple[str, list[str]]] = {}

    def digests(self, module: str) -> dict[str, str]:
        """Digest of `module` (dotted name) and of each module of the package it imports, transitively.

        Imports inside functions count. Raises ValueError when `module` is not in the package.
        """
        if self._path_of(module) is None:
            message = f"{module} is not a module of {self.folder}"
            raise ValueError(message)
        found: dict[str, str] = {}
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name], imported = self._module(name)
                waiting += imported
        return dict(sorted(found.items()))

    def save(self) -> None:
        """Keep what was parsed for the next process; a place that cannot be written to is no error."""
        if self.memory is None or self._used.keys() <= self._remembered.keys():
            return
        fresh = self.memory.with_name(f"{self.memory.name}.{os.getpid()}")
        with suppress(OSError):
            self.memory.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps({"maker": _maker(), "sources": self._used}), encoding="utf-8")
            fresh.replace(self.memory)

    def _module(self, name: str) -> tuple[str, list[str]]:
        """Digest of a module and the modules of the package that run when it is imported."""
        known = self._modules.get(name)
        if known is None:
            path = self._path_of(name)
            assert path is not None
            parsed = self._parsed(path)
            imported = [m for candidate in parsed.imports for m in self._existing(candidate)]
            known = _with_assets(parsed, Path(path).parent), imported
            self._modules[name] = known
        return known

    def _parsed(self, path: str) -> Parsed:
        content = Path(path).read_bytes()
        key = hashlib.sha256(content).hexdigest()
        if key not in self._used:
            self._used[key] = self._remembered.get(key) or parse(content, path)
        return self._used[key]

    def _path_of(self, name: str) -> str | None:
        if name not in self._paths:
            head, *rest = name.split(".")
            base = os.path.join(self.folder, *rest)  # noqa: PTH118  thousands of names at each start
            places = (os.path.join(base, "__init__.py"), f"{base}.py") if head == PACKAGE else ()  # noqa: PTH118
            self._paths[name] = next((p for p in places if os.path.isfile(p)), None)  # noqa: PTH113
        return self._paths[name]

    def _existing(self, name: str) -> list[str]:
        """Modules that run when `name` is imported: it and the packages around it, where they exist."""
        parts = name.split(".")
        names = [".".join(parts[: k + 1]) for k in range(len(parts))]
        return [n for n in names if self._path_of(n) is not None]


def memory_of(package: Path) -> Path:
    """Where digests of a package's sources are kept between runs: beside its byte code."""
    return package / "__pycache__" / f"digests.{sys.implementation.cache_tag}.json"


def _read_memory(path: Path | None) -> dict[str, Parsed]:
    """What was saved by the same code and the same Python; nothing when it cannot be read."""
    if path is None:
        return {}
    try:
        content = json.loads(path.read_bytes())
        if content["maker"] != _maker():
            return {}
        return {
            key: Parsed(digest, tuple(imports), tuple(assets))
            for key, (digest, imports, assets) in content["sources"].items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@cache
def _maker() -> str:
    """What a remembered digest depends on besides the source: this module and the version of Python."""
    return f"{sys.version} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"


def code_digest(modules: Mapping[str, str]) -> str:
    """One digest for a set of modules and their digests."""
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(modules.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def parse(content: bytes, path: str) -> Parsed:
    """Digest and imports of a source file; `path` stands in the message of a SyntaxError."""
    tree = _Stripped().visit(ast.parse(content, filename=path))
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    constants = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assets = sorted(text for text in constants if isinstance(text, str) and _ASSET.fullmatch(text))
    return Parsed(digest, tuple(sorted(set(_imports(tree)))), tuple(assets))


def _with_assets(parsed: Parsed, folder: Path) -> str:
    """Digest of a module and of the scripts and styles beside it that it names."""
    found = [folder / name for name in parsed.assets if (folder / name).is_file()]
    if not found:
        return parsed.digest
    digest = hashlib.sha256(parsed.digest.encode())
    for path in found:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                message = f"relative import in line {node.lineno}: write the full name"
                raise ValueError(message)
            if node.module and node.module.split(".")[0] == PACKAGE:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


class _Stripped(ast.NodeTransformer):
    """Removes docstrings and the blocks that never run inside a step."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
        return super().generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if _never_runs(node.test) else self.generic_visit(node)


def _never_runs(test: ast.expr) -> bool:
    if isinstance(test, ast.Name):
        return test.id == "TYPE_CHECKING"
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value == "__main__"
    )
