"""What the status of an answer means, and how long a server wishes to be left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests

from ephemera.transfer.errors import BadAnswer, NotThere, Refused, WebError

#: Longest pause that a server may ask for, s.
LONGEST_PAUSE = 300.0
_AGAIN = frozenset({408, 416, 425, 429})
_REFUSED = frozenset({401, 403})
_ABSENT = frozenset({204, 404, 410})


def check_status(response: requests.Response) -> None:
    """Accept 200 and 206. Raises Refused, NotThere, BadAnswer for what may pass, else WebError."""
    status = response.status_code
    if status in (requests.codes.ok, requests.codes.partial_content):
        return
    if status in _REFUSED:
        msg = f"status {status}: access refused; the data are not public, or check the credentials"
        raise Refused(msg)
    if status in _ABSENT:
        msg = f"status {status}: there is no such thing"
        raise NotThere(msg)
    if status in _AGAIN or status >= requests.codes.server_error:
        msg = f"status {status}"
        raise BadAnswer(msg, wait=retry_after(response.headers.get("Retry-After")))
    msg = f"status {status}"
    raise WebError(msg)


def retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as a date, 0 to 300; None without."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(float(text), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    left = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(left, 0.0), LONGEST_PAUSE)
