"""A limit on the time that a filter takes for one locus."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any, Self


class FilterTimeoutError(Exception):
    """A filter took longer than it may."""


class Alarm:
    """Ends calls that take too long, by an alarm of the operating system.

    The alarm needs the main thread; in any other, calls have no limit.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.works = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self.works:
            self.before = signal.signal(signal.SIGALRM, self._late)
        return self

    def __exit__(self, *_: object) -> None:
        if self.works:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.before)

    def _late(self, *_: object) -> None:
        message = f"took longer than {self.seconds} s"
        raise FilterTimeoutError(message)

    def call(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Call a function, and raise FilterTimeoutError when it takes longer than it may."""
        if not self.works:
            return function(argument)
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            return function(argument)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
