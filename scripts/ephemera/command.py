"""The command `ephemera`: what people ask about results from a terminal.

    ephemera versions list   versions of the results (show, diff, prune, pin, export)
    ephemera trace FILE      what made a file
    ephemera verify          outputs against their recorded checksums
    ephemera jwst serve      a page on this machine that makes JWST products from uploaded files

Each subcommand is a module with a docstring and `add_arguments(parser)`. What runs is its `run(arguments)`,
or the default `run` that `add_arguments` sets; it returns the exit code: 0 when all is well, 1 when what
was asked for is not so, 2 when the question makes no sense. Only the module asked for is imported.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

#: Subcommands by their words: module and one line of help.
COMMANDS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("versions", "list"): ("ephemera.versions.list", "versions with date, commit, steps, keys, sizes"),
    ("versions", "show"): ("ephemera.versions.show", "what a key or a version is made of"),
    ("versions", "diff"): ("ephemera.versions.difference", "options, code and catalogue rows that differ"),
    ("versions", "prune"): ("ephemera.versions.prune", "remove what no kept version needs"),
    ("versions", "pin"): ("ephemera.versions.pin", "give a version a name under which it is kept"),
    ("versions", "export"): ("ephemera.versions.export", "one RO-Crate of a version, folder or zip"),
    ("trace",): ("ephemera.versions.trace", "what made a file, back to the raw files"),
    ("verify",): ("ephemera.versions.verify", "compare outputs with their recorded checksums"),
    ("jwst",): ("ephemera.jwst.command", "JWST time series: a local page"),
}

#: What stands behind a word that has subcommands of its own.
GROUPS: Mapping[str, str] = {"versions": "list, compare, keep and hand on versions of the results"}


class CommandError(Exception):
    """The question cannot be answered; the message says why and what would help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(words)
    arguments = parser.parse_args(words)
    try:
        code = int(arguments.run(arguments))
        sys.stdout.flush()  # here, where a reader that has gone is no error, and not when Python ends
    except CommandError as error:
        sys.stderr.write(f"ephemera: {error}\n")
        return 2
    except BrokenPipeError:
        # The reader, such as head, has seen enough; nothing more may be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Parser of all subcommands; only the one that `words` ask for knows its arguments."""
    parser = argparse.ArgumentParser(prog="ephemera", description="Finds what comes and goes in the sky.")
    places: dict[tuple[str, ...], argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    places[()] = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for path, (module, text) in COMMANDS.items():
        if path[:-1] not in places:
            group = places[()].add_parser(path[0], help=GROUPS[path[0]], description=GROUPS[path[0]])
            places[path[:-1]] = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
        command = places[path[:-1]].add_parser(path[-1], help=text)
        if tuple(words[: len(path)]) == path:
            loaded = import_module(module)
            command.description = loaded.__doc__
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            if hasattr(loaded, "run"):
                command.set_defaults(run=loaded.run)
            loaded.add_arguments(command)
    return parser
