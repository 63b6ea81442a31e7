"""How many pages one account may ask for within a minute.

Nobody reads faster than this allows; whoever copies everything they may see, or keeps the desk busy, is slowed down
(ASVS 5.0, 2.4.1). How many jobs somebody may begin, the book of jobs says itself.
"""

import math
import time

from flask import Flask, g
from limits import RateLimitItemPerMinute

from webapp.accounts.limits import Counter, Limit
from webapp.config import Settings
from webapp.errors import TooOften
from webapp.wording import _


def install(app: Flask, settings: Settings) -> None:
    """Count the requests of everybody who is signed in, before their views and after it is known who asks."""
    counter = Counter(settings.sign_in.limit_storage)
    most = RateLimitItemPerMinute(settings.request_limit)

    @app.before_request
    def count() -> None:
        if g.get("account") is None:
            return
        limit = Limit(most, f"requests-{g.account.id}")
        if not counter.count(limit):
            raise TooOften(
                _("You have asked for more than {most} pages within a minute.", most=settings.request_limit),
                _("Nothing was changed by this one. Wait a minute, then go on."),
                math.ceil(counter.resets_at(limit) - time.time()),
            )
