"""Pages whose elements must be closed."""

from __future__ import annotations

from html.parser import HTMLParser


class Checker(HTMLParser):
    """Counts elements, and fails on those that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that opens."""
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "img", "br", "circle", "path", "rect", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must be the last that was opened."""
        if tag not in ("circle", "path", "rect"):
            assert self.open.pop() == tag, tag


def checked(text: str) -> Checker:
    """Elements of a page, all of which must be closed."""
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker
