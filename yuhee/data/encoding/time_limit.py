"""An end for what may run for ever."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from yuhee.errors import UserError


class TooLongError(UserError):
    """It did not come to its end in time."""


@contextmanager
def time_limit(seconds: float, message: str) -> Iterator[None]:
    """End what is inside after so many seconds.

    Only what runs in the main thread of a process can be ended so, and not on Windows; elsewhere nothing is.

    Raises:
        TooLongError: with the message.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> NoReturn:
        raise TooLongError(message)

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
