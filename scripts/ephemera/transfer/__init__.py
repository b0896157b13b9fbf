"""Asking web services patiently and politely: repeats with pauses, limits per host, checked answers."""

from ephemera.transfer.errors import BadAnswer, NotThere, Refused, WebError
from ephemera.transfer.resume import Reply
from ephemera.transfer.web import Answer, Web

__all__ = ["Answer", "BadAnswer", "NotThere", "Refused", "Reply", "Web", "WebError"]
