"""How asking an archive for a file can fail, and what each failure allows next."""

from __future__ import annotations


class ArchiveError(Exception):
    """The file was not got from this server, and asking it again will not help."""


class TransientError(ArchiveError):
    """The file was not got this time; asking again may help. `wait` is the server's wish, in s."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class NotInArchiveError(ArchiveError):
    """The server answered that it has no such product."""


class WrongObservationError(ArchiveError):
    """The server sent a file of another observation."""


class OfflineError(ArchiveError):
    """The product is in no folder, and the web was not to be asked."""
