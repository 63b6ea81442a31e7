"""How long a customer is waited for who has something to publish, and how often it is looked for meanwhile."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from certlifecycle import State
from webapp.catalogue import suffices_automatically
from webapp.certificates.names import display_name
from webapp.domaincontrol.models import DomainControl
from webapp.retelling import stored

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300))
"""How long after the first look the second follows, and so on; the last one repeats."""

LOOK_AGAIN = timedelta(seconds=5)
"""How soon an authority that is at work is asked again."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a domain is looked at before the verification fails, from when the customer was given the value.

    That is when the CSR was handed in. ``automatic`` is for products that need no reviewer, ``reviewed`` for the
    others. No patience reaches beyond the time for which a value may be used
    (:data:`~webapp.domaincontrol.tokens.LIFETIME`).
    """

    automatic: timedelta = timedelta(days=2)
    reviewed: timedelta = timedelta(days=30)

    def for_product(self, product: str) -> timedelta:
        """The patience with submissions for this product."""
        return self.automatic if suffices_automatically(product) else self.reviewed

    def ends_at(self, control: DomainControl, product: str, state: State, since: datetime) -> datetime:
        """Until when the desk looks for a submission in a state that it has been in ``since`` that instant.

        Once it is approved only an authority still asks. What is left then needs no reviewer, so the patience is that
        of automatic checks.
        """
        if state is State.VERIFIED:
            return control.proof_ends_at(since, self.automatic)
        return control.ends_at(self.for_product(product))


def pause_of(control: DomainControl) -> timedelta:
    """How long to wait after the latest look."""
    return PAUSES[min(control.attempts, len(PAUSES)) - 1]


def why_failed(control: DomainControl, domain: str, waits: timedelta) -> str:
    """What the customer is told when the time is up: what was seen last, and what to do now."""
    name, days = display_name(domain.removeprefix("*.")), _days(waits)
    if control.held_at is not None:
        return stored(
            "We saw that you control {name}, but after {days} its CAA records still do not let us issue. "
            "{problem} Then submit again.",
            name=name,
            days=days,
            problem=control.caa_problem,
        )
    return stored(
        "In {days} we could not see that you control {name}. What we saw last: {seen} "
        "Submit again: you get a new value for the TXT record or the file. Leave it there until the certificate is "
        "issued.",
        days=days,
        name=name,
        seen=" ".join(dict.fromkeys(finding.words for finding in control.seen)) or stored("nothing."),
    )


def why_unfinished(domain: str, waits: timedelta) -> str:
    """What the customer is told when the time is up and the authority has not said what it saw."""
    name, days = display_name(domain.removeprefix("*.")), _days(waits)
    return stored(
        "In {days} the certificate authority did not finish its check of {name}. Submit again: it is asked anew, and "
        "you get a new value to publish.",
        days=days,
        name=name,
    )


def _days(waits: timedelta) -> str:
    return stored("1 day") if waits.days == 1 else stored("{count} days", count=waits.days)
