"""Subcommands of `ephemera jwst`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

#: Names under which this machine reaches itself; the first is the usual one.
LOCAL = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve = commands.add_parser(
        "serve", help="open a page on this machine that takes a ZIP, FITS or HDF5 file"
    )
    serve.add_argument("--host", default=LOCAL[0], help="address to listen on (default: this machine only)")
    serve.add_argument("--port", type=int, default=8787, help="port to listen on (default 8787)")
    serve.add_argument("--max-upload-gb", type=float, default=5.0, help="largest upload, GB (default 5)")
    serve.add_argument("--cores", type=int, default=2, help="cores of a job (default 2)")
    serve.add_argument(
        "--keep-hours", type=float, default=24.0, help="results are removed after this (default 24 h)"
    )
    serve.add_argument(
        "--checkout", type=Path, help="folder with workflow/Snakefile (default: that of the package)"
    )
    serve.set_defaults(run=serve_pages)


def serve_pages(options: argparse.Namespace) -> int:
    """Serve until interrupted; returns 2 when something needed is not there."""
    try:
        from ephemera.jwst.web import serve
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{error.name} is not installed: run make install-web in the checkout\n")
        return 2
    if options.host not in LOCAL:
        sys.stderr.write(
            f"Anyone who reaches {options.host}:{options.port} can upload and read: there is no password.\n"
        )
    try:
        serve(options, LOCAL)
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0
