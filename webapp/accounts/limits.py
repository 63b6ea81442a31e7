"""How often a sign-in may fail: for an account, from an address, and overall.

Failures are counted, not requests: whoever types the right password is never held up by their own visits. An address
that nobody has is counted like one that somebody has, so the limit tells nothing about who has an account.
"""

import hashlib
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar, cast

from flask import current_app
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from webapp.accounts.settings import SignInSettings
from webapp.wording import _

T = TypeVar("T")
log = logging.getLogger(__name__)

PATIENCE = 2
"""Seconds that a store of another machine may take to answer."""
LINKS = 3
"""How many links to a new password one account is sent at most while failures are counted."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many of what is named by ``key`` fit into how much time."""

    item: RateLimitItem
    key: str


class Counter:
    """Counts in the store that is set, and in this process's memory while that one does not answer.

    Nobody is kept out because the store is away, and nobody may guess without limit meanwhile either.
    """

    def __init__(self, uri: str) -> None:
        self._own = FixedWindowRateLimiter(MemoryStorage())
        # The library's store in memory clears itself in a thread that it starts as it counts. Two who count at the same
        # instant would start one such thread twice, and the second of them would fail.
        self._busy = Lock()
        self._shared: FixedWindowRateLimiter | None = None
        if not uri.startswith("memory:"):
            patience = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE}
            shared = storage_from_string(uri, wrap_exceptions=True, **patience)
            self._shared = FixedWindowRateLimiter(cast(MemoryStorage, shared))

    def has_room(self, limit: Limit) -> bool:
        """Whether one more would fit."""
        return self._ask(lambda counter: counter.test(limit.item, limit.key))

    def count(self, limit: Limit) -> bool:
        """Count one more; whether it fitted."""
        return self._ask(lambda counter: counter.hit(limit.item, limit.key))

    def forget(self, limit: Limit) -> None:
        """Begin anew."""
        self._ask(lambda counter: counter.clear(limit.item, limit.key))

    def resets_at(self, limit: Limit) -> float:
        """From when it counts anew, in seconds of the epoch."""
        return self._ask(lambda counter: counter.get_window_stats(limit.item, limit.key).reset_time)

    def _ask(self, ask: Callable[[FixedWindowRateLimiter], T]) -> T:
        if self._shared is not None:
            try:
                return ask(self._shared)
            except StorageError as away:
                log.warning(
                    "Failures to sign in, and requests, are counted in this process alone: %s", away.storage_error
                )
        with self._busy:
            return ask(self._own)


class SignInLimits:
    """Counts failures, those ``about`` one thing apart from those about another.

    ``seconds`` is how long a limit lasts, for tests that cannot wait for minutes.
    """

    def __init__(self, settings: SignInSettings, seconds: int | None = None, about: str = "") -> None:
        self._about = about
        self._counter = Counter(settings.limit_storage)
        window = seconds or settings.limit_minutes * 60
        self._account, self._address, self._all = (
            RateLimitItemPerSecond(most, window)
            for most in (settings.limit_account, settings.limit_address, settings.limit_all)
        )

    def begin(self, email: str, address: str) -> datetime | None:
        """Count a try before it is looked at, so that tries at the same instant count as well.

        ``None`` when it may be looked at, else the instant from which the next one may.
        """
        shared = self._shared(address)
        full = [one for one in shared if not self._counter.has_room(one)]
        own = self._own(email)
        if not full and not self._counter.count(own):
            full = [own]
        return max((self._until(one) for one in full), default=None)

    def pace(self, email: str, address: str) -> datetime | None:
        """Count a try that counts whatever comes of it; ``None`` when it may go ahead, as :meth:`begin` says."""
        until = self.begin(email, address)
        if until is None:
            self.failed(address)
        return until

    def failed(self, address: str) -> None:
        """The try that was begun has failed."""
        for one in self._shared(address):
            self._counter.count(one)

    def succeeded(self, email: str) -> None:
        """The try that was begun has succeeded: the account's failures before it are forgotten."""
        self._counter.forget(self._own(email))

    def _own(self, email: str) -> Limit:
        # Whoever looks into the store learns no addresses.
        return Limit(self._account, f"{self._about}account-{hashlib.sha256(email.encode()).hexdigest()}")

    def _shared(self, address: str) -> tuple[Limit, Limit]:
        return Limit(self._address, f"{self._about}address-{address}"), Limit(self._all, f"{self._about}all")

    def _until(self, limit: Limit) -> datetime:
        return datetime.fromtimestamp(self._counter.resets_at(limit), UTC)


def too_many(until: datetime) -> str:
    """What is said to somebody who has to wait: the minute that an instant shows is rounded up, so none comes early."""
    at = datetime.fromtimestamp(math.ceil(until.timestamp() / 60) * 60, UTC)
    return _("There were too many tries that failed. The next one is looked at from {at} on.", at=at)


def limits() -> SignInLimits:
    """The running application's."""
    return cast(SignInLimits, current_app.extensions["sign_in_limits"])


def recovery_limits() -> SignInLimits:
    """The running application's for links to new passwords: asking for many of them keeps nobody from signing in."""
    return cast(SignInLimits, current_app.extensions["recovery_limits"])


def for_recovery(settings: SignInSettings) -> SignInLimits:
    """How often one may ask for a link: each is a mail to somebody who may not have asked for it."""
    few = min(LINKS, settings.limit_account)
    return SignInLimits(replace(settings, limit_account=few), about="recovery-")
