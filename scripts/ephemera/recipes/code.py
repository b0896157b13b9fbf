"""Digest of a step's code: the syntax trees of its module and of all it imports inside the package.

Comments, docstrings, formatting and file times do not count. Neither do blocks that never run inside
a step: `if TYPE_CHECKING:` and `if __name__ == "__main__":`. Nor does what runs a step: `ephemera.job`
moves files and writes logs, but makes no number.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = "ephemera"


def package_folder() -> Path:
    """Folder of the package that runs."""
    return Path(__file__).resolve().parents[1]


def module_digests(module: str, package: Path | None = None) -> dict[str, str]:
    """Digest of `module` (dotted name) and of each module of the package that it imports, transitively.

    Imports inside functions count. Raises ValueError when `module` is not in the package.
    """
    folder = package or package_folder()
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _path_of(name, folder)
        if path is None:
            message = f"{name} is not a module of {folder}"
            raise ValueError(message)
        digest, imported = _parsed(path, path.stat().st_mtime_ns)
        found[name] = digest
        waiting += [m for candidate in imported for m in _existing(candidate, folder)]
    return dict(sorted(found.items()))


def code_digest(modules: Mapping[str, str]) -> str:
    """One digest for a set of modules and their digests."""
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(modules.items()))
    return hashlib.sha256(text.encode()).hexdigest()


def _path_of(name: str, folder: Path) -> Path | None:
    head, *rest = name.split(".")
    if head != PACKAGE:
        return None
    base = folder.joinpath(*rest)
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.is_file():
            return path
    return None


def _existing(name: str, folder: Path) -> list[str]:
    """Modules that run when `name` is imported: it and the packages around it, where they exist."""
    parts = name.split(".")
    names = [".".join(parts[: k + 1]) for k in range(len(parts))]
    return [n for n in names if _path_of(n, folder) is not None]


@cache
def _parsed(path: Path, _modified: int) -> tuple[str, tuple[str, ...]]:
    """Digest of one file's tree and the dotted names it may import; read once for each change."""
    tree = _Stripped().visit(ast.parse(path.read_bytes(), filename=str(path)))
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return digest, tuple(sorted(set(_imports(tree))))


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
