"""The command `ephemera`: one function for each group of subcommands, imported when it is called.

    ephemera jwst serve      a page on this machine that makes JWST products from uploaded files
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

#: Group of subcommands, its module and what it is for. The module has `add_arguments(parser)`, which sets the
#: function that runs as the default `run`: it takes the parsed arguments and returns an exit code.
GROUPS: Mapping[str, tuple[str, str]] = {
    "jwst": ("ephemera.jwst.command", "JWST time series: a local page"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; returns the exit code."""
    listed = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="ephemera", description="Finds what comes and goes in the sky")
    groups = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, text) in GROUPS.items():
        group = groups.add_parser(name, help=text, description=text)
        if listed[:1] == [name]:
            import_module(module).add_arguments(group)
    options = parser.parse_args(listed)
    run: Callable[[argparse.Namespace], int] = options.run
    return run(options)
