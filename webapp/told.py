"""Being told to stop, by a signal or by a thread of one's own."""

import contextlib
import os
import select
import signal


class Told:
    """Whether this process was told to stop; made once, in the main thread, before anything is begun.

    Python runs a signal's handler in the main thread, between two of its instructions. A signal that comes when the
    main thread is about to wait for a lock, or that another thread receives, leaves it waiting there for ever; under
    load that was one signal in a hundred. So it waits at a pipe, which Python writes to when the signal arrives.
    """

    def __init__(self) -> None:
        self._heard, self._said = os.pipe()
        for end in (self._heard, self._said):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._said, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            # Without a handler the signal would end the process, and nothing would be written.
            signal.signal(number, lambda _signal, _frame: None)

    def set(self) -> None:
        """Tell it from a thread."""
        with contextlib.suppress(BlockingIOError):  # Full of what it was told before.
            os.write(self._said, b"\0")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is told, or for so many seconds; true if it was. Once told, it stays so."""
        # Nothing is taken out of the pipe, so whoever waits again hears it again.
        heard, _, _ = select.select([self._heard], [], [], seconds)
        return bool(heard)
