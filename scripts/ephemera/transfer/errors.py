"""How asking a server can fail, and what each failure allows next."""

from __future__ import annotations


class WebError(Exception):
    """The answer was not got; asking this server again will not help, or has not helped."""


class NotThere(WebError):  # noqa: N818  names what the server said
    """The server answered that there is no such thing (204, 404, 410)."""


class Refused(WebError):  # noqa: N818
    """The server refused (401, 403): the data are not public, or credentials are missing or wrong."""


class BadAnswer(WebError):  # noqa: N818
    """What came is not what was asked for; worth asking again. `wait` is the server's wish, s."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait
