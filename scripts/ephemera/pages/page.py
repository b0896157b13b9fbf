"""The frame of a page: head, style, sections, figures, links, data for scripts."""

from __future__ import annotations

import base64
import html
import json
import os
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ephemera.files import final_path

#: Nothing is loaded from anywhere: what a page needs is in it, or in files beside it.
POLICY = (
    "default-src 'none'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; font-src data:; form-action 'none'"
)


class Markup(str):
    """HTML that is already safe; other text is escaped wherever it enters a page."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """`value` as safe HTML: text is escaped (quotes too), markup stays, None is empty."""
    if isinstance(value, Markup):
        return value
    return Markup("" if value is None else html.escape(str(value), quote=True))


def page(
    title: str,
    body: Markup,
    *,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
    policy: str = POLICY,
) -> str:
    """A complete page; `scripts` and `styles` are sources written by us, inlined as they are.

    `policy` is its Content-Security-Policy; only a page that comes from a server needs another one.
    """
    style = "\n".join([asset("page.css"), *styles])
    script = "\n".join([asset("table.js"), *scripts])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>
{style}
</style>
</head>
<body>
<header><h1>{escape(title)}</h1></header>
<main>
{body}
</main>
<script>
{script}
</script>
</body>
</html>
"""


def section(title: str, *parts: Markup, anchor: str | None = None) -> Markup:
    """A section with a heading; `anchor` is the name by which links reach it."""
    name = f' id="{escape(anchor)}"' if anchor else ""
    return Markup(f"<section{name}>\n<h2>{escape(title)}</h2>\n" + "\n".join(parts) + "\n</section>\n")


def link(target: str, text: object) -> Markup:
    """A link to a file beside the page or an anchor in it.

    Raises ValueError for a target with a scheme or a host: pages never lead to a script or to strangers.
    """
    if target.startswith(("/", "\\")) or ":" in target.split("/", maxsplit=1)[0].split("#", maxsplit=1)[0]:
        message = f"a link goes to a file or an anchor, not to {target!r}"
        raise ValueError(message)
    return Markup(f'<a href="{escape(target)}">{escape(text)}</a>')


def address(target: Path, page_path: Path) -> str:
    """Address of the output `target` of another step of a branch, from a page that is written at `page_path`.

    It goes by the folder of all results, one above what the two share, so that it leads to the same file from
    the page itself and through the links of `results/current`, which lie as deep.
    """
    here, there = final_path(page_path).absolute().parent, target.absolute()
    root = Path(os.path.commonpath([here, there])).parent
    return "../" * len(here.relative_to(root).parts) + there.relative_to(root).as_posix()


def figure_tag(image: bytes | str, caption: str, *, alt: str | None = None) -> Markup:
    """A figure with a caption: PNG bytes are inlined, text is the path of an image beside the page."""
    if isinstance(image, bytes):
        source = "data:image/png;base64," + base64.b64encode(image).decode()
    else:
        source = image
    text = escape(alt or caption)
    return Markup(
        f'<figure><img loading="lazy" src="{escape(source)}" alt="{text}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>\n"
    )


def embed_json(name: str, content: Any) -> Markup:
    """Data for scripts, as `JSON.parse(document.getElementById(name).textContent)`.

    `<`, `>` and `&` are written as escapes, so that no text in the data can end the element. Raises
    ValueError for NaN and infinities, which JSON does not have.
    """
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(f'<script type="application/json" id="{escape(name)}">{text}</script>\n')


@cache
def asset(name: str, room: str = "ephemera.pages") -> str:
    """Text of a script or style that lies beside the modules of a room; it counts as code of who names it."""
    return resources.files(room).joinpath(name).read_text(encoding="utf-8")
