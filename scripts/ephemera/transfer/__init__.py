"""Asking web services patiently and politely: repeats with pauses, limits per host, checked answers."""

from ephemera.transfer.web import Answer, BadAnswer, NotThere, Refused, Web, WebError

__all__ = ["Answer", "BadAnswer", "NotThere", "Refused", "Web", "WebError"]
