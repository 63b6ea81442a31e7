"""A worker for which time passes faster, so that a storm of refunds with all their pauses fits into a test.

``python tests/storm_worker.py`` works until it is killed. STORM_EPOCH is the instant at which its clock was right, and
STORM_SPEED how many of its seconds pass in one. How long an order may be on its way stays as long as it really is.
"""

import os
import threading
from datetime import UTC, datetime, timedelta

from webapp.config import load
from webapp.effects.worker import Worker
from webapp.parts import assemble

IN_FLIGHT = timedelta(seconds=2.5)
"""By the clock on the wall: the call's own time-out of a second, and what the machine may take besides."""


class FastClock:
    """Begins at ``epoch`` and runs ``speed`` times as fast as the clock on the wall since ``real``."""

    def __init__(self, epoch: datetime, real: datetime, speed: float) -> None:
        self.epoch, self.real, self.speed = epoch, real, speed

    def __call__(self) -> datetime:
        return self.epoch + (datetime.now(UTC) - self.real) * self.speed

    def as_environment(self) -> dict[str, str]:
        """The same clock for a process of its own."""
        return {
            "STORM_EPOCH": self.epoch.isoformat(),
            "STORM_REAL": self.real.isoformat(),
            "STORM_SPEED": str(self.speed),
        }


def main() -> None:
    """Work until killed."""
    clock = FastClock(
        datetime.fromisoformat(os.environ["STORM_EPOCH"]),
        datetime.fromisoformat(os.environ["STORM_REAL"]),
        float(os.environ["STORM_SPEED"]),
    )
    settings = load()
    parts = assemble(settings, clock)
    assert parts.payments.alipay is not None
    parts.payments.alipay.in_flight = IN_FLIGHT * clock.speed
    Worker(parts, settings).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
