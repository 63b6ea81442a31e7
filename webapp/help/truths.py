"""What this shop's documents say differently from others': its name, its refund policy, its time zone.

A document holds such a place between two comments, with what a desk without any settings would say::

    The review takes <!--= review_days -->3 to 5 business days<!--/-->.

Whoever reads the file sees a true sentence about the default; the console puts in what holds for this shop.
"""

import re
from collections.abc import Callable, Mapping

from certlifecycle import RefundPolicy, State
from webapp.config import Settings
from webapp.refunds.present import policy_words, review_days
from webapp.review.queries import VERIFICATION_DAYS
from webapp.wording import STATE_WORDS

PLACE = re.compile(r"<!--= *([a-z_]+) *-->(.*?)<!--/-->", re.DOTALL)

MOVES = {
    "customer": "the customer",
    "reviewer": "a reviewer",
    "system": "the desk itself",
    "nobody": "nobody",
}

Truth = Callable[[Settings, RefundPolicy], str]


def _rules(settings: Settings, policy: RefundPolicy) -> str:
    return "\n" + "\n".join(f"- {rule}" for rule in policy_words(policy, settings.currency)) + "\n"


def _states(_settings: Settings, _policy: RefundPolicy) -> str:
    rows = [
        f"| {STATE_WORDS[state]} | `{state.value}` | {state.meaning} | {MOVES[state.mover.value]} |" for state in State
    ]
    return "\n" + "\n".join(["| status | name | meaning | whose move |", "|---|---|---|---|", *rows]) + "\n"


TRUTHS: Mapping[str, Truth] = {
    "refund_rules": _rules,
    "review_days": lambda _settings, policy: review_days(policy),
    "export_days": lambda settings, _policy: str(settings.export_days),
    "session_minutes": lambda settings, _policy: str(settings.session_idle_minutes),
    "shop_name": lambda settings, _policy: settings.shop_name,
    "states": _states,
    "timezone": lambda settings, _policy: settings.timezone,
    "verification_days": lambda _settings, _policy: str(VERIFICATION_DAYS),
}


def fill_in(text: str, settings: Settings, policy: RefundPolicy) -> str:
    """A document as it is true for this shop; raises :class:`KeyError` for a place that nobody can fill."""
    return PLACE.sub(lambda place: TRUTHS[place[1]](settings, policy), text)
