"""What can be wrong with an archive's answer beside what can be wrong with any answer."""

from __future__ import annotations

from ephemera.transfer.errors import WebError


class WrongObservationError(WebError):
    """The server sent a file of another observation."""


class OfflineError(WebError):
    """The product is in no folder, and the web was not to be asked."""
