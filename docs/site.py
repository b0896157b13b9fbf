"""Hook of mkdocs: pages that live beside the code join the site, and links between files keep their meaning.

README.md, CONTRIBUTING.md and the READMEs of folders are read on a code host where they lie; the site shows
the same files. A link to a file that is no page becomes the file's path.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

#: Page of the site and the file of the repository that it shows.
PAGES = {
    "index.md": "README.md",
    "config.md": "config/README.md",
    "profiles.md": "profiles/README.md",
    "resources.md": "resources/README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
}
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#:]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie outside the folder of documents."""
    root = Path(config["docs_dir"]).parent
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(root / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Rewrite links from places in the repository to places in the site."""
    source = PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    return site_links(markdown, source, {file.src_uri for file in files})


def site_links(markdown: str, source: str, pages: set[str]) -> str:
    """Text of the file `source` of the repository with links as the site needs them."""
    shown = {origin: page for page, origin in PAGES.items()} | {f"docs/{page}": page for page in pages}
    here = posixpath.dirname(shown[source])

    def replaced(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match["target"]))
        if target not in shown:
            return f"{match['text']} (`{target}`)" if match["text"] != target else f"`{target}`"
        link = posixpath.relpath(shown[target], here or ".")
        return f"{match['image']}[{match['text']}]({link}{match['anchor'] or ''})"

    return _LINK.sub(replaced, markdown)
