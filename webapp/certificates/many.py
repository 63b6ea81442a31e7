"""What a customer does with many certificates at once: what would happen to each, and what happened to each.

Nothing here decides: the life cycle is asked for every certificate, and every change goes through the desk's door with
the version that the page was made from, as if it had been pressed on the certificate's own page.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session, col, select

from certlifecycle import Case, Event, EventRefused, Money, State, judge, phrase, verdict
from webapp.accounts.models import Account
from webapp.certificates.listing import addresses
from webapp.certificates.models import Certificate, Purchase
from webapp.certificates.names import display_name
from webapp.certificates.queries import Listed, rows_where
from webapp.desk import By, Desk
from webapp.error_pages import tell_rows
from webapp.errors import Superseded
from webapp.payments.destination import destination
from webapp.recording import Handed
from webapp.retelling import Stored
from webapp.wording import _, words

EVENTS = (Event.REQUEST_REFUND, Event.REVOKE, Event.WITHDRAW_SUBMISSION)
"""What can be done with many at once."""

MOST = 200
"""How many are taken at once."""
AT_ONCE = 20
"""How many are done while somebody waits for the page; more become a job with a bar."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A certificate as it was at one version."""

    key: str
    version: int

    def __str__(self) -> str:
        return f"{self.key}:{self.version}"


def read_chosen(values: Iterable[str]) -> list[Chosen]:
    """Read ticked boxes; what makes no sense is left out, and what stands twice is taken once."""
    found = {}
    for value in values:
        if match := re.fullmatch(r"([0-9a-f]{32}):([0-9]{1,9})", value):
            found[match[1]] = Chosen(match[1], int(match[2]))
    return list(found.values())


# What would happen


@dataclass(frozen=True, slots=True)
class Prospect:
    """What would happen to one certificate. ``money`` is what comes back, or could come back afterwards."""

    pick: str
    url: str
    domain: str
    state: State
    is_possible: bool
    sentence: str
    money: Money | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen to all of them: those that can be done, and those that cannot, with the reason."""

    event: Event
    possible: list[Prospect]
    impossible: list[Prospect]

    @property
    def total(self) -> Money | None:
        """What comes back in all; ``None`` where nothing does, or where there are several currencies."""
        sums = [one.money for one in self.possible if one.money is not None]
        if not sums or len({one.currency for one in sums}) > 1:
            return None
        return Money(sum(one.minor for one in sums), sums[0].currency)


def rows_of(session: Session, chosen: Sequence[Chosen], viewer: Account) -> list[Listed]:
    """The chosen certificates that this person may see, in the order in which they were chosen."""
    keys = [one.key for one in chosen]
    found = {one.id: one for one in rows_where(session, viewer, col(Certificate.id).in_(keys), len(keys))}
    return [found[key] for key in keys if key in found]


def purchases_of(session: Session, rows: Sequence[Listed]) -> dict[str, Purchase]:
    """Their orders, by certificate."""
    wanted = select(Certificate.id, Purchase).join(Purchase, col(Purchase.id) == Certificate.purchase_id)
    return dict(session.exec(wanted.where(col(Certificate.id).in_([one.id for one in rows]))).all())


def preview(
    event: Event, rows: Sequence[Listed], purchases: Mapping[str, Purchase], viewer: Account, desk: Desk
) -> Preview:
    """What would happen to each of these certificates."""
    now, url = desk.clock(), addresses("certificates.details")
    found = [_prospect(event, one, purchases[one.id], viewer, desk, now, url) for one in rows]
    return Preview(
        event,
        [one for one in found if one.is_possible],
        [one for one in found if not one.is_possible],
    )


def _prospect(
    event: Event,
    one: Listed,
    purchase: Purchase,
    viewer: Account,
    desk: Desk,
    now: datetime,
    url: Callable[[str], str],
) -> Prospect:
    facts = one.facts
    refusals = judge(Case(viewer.actor, facts, now, desk.policy), event).refusals
    sentence, money = words().sentences(*(one.sentence for one in refusals)), None
    if not refusals:
        sentence, money = _would(event, one, purchase, desk, now)
    pick = str(Chosen(one.id, one.version))
    return Prospect(pick, url(one.id), display_name(one.domain), facts.state, not refusals, sentence, money)


def _would(event: Event, one: Listed, purchase: Purchase, desk: Desk, now: datetime) -> tuple[str, Money | None]:
    """What happens to one certificate, and what comes back of it."""
    to = Stored(destination(purchase, desk.payable).label)
    if event is Event.REQUEST_REFUND:
        amount = verdict(one.facts, now, desk.policy).amount
        return _("{amount} are applied for, to go back to {to}.", amount=amount, to=to), amount
    if event is Event.WITHDRAW_SUBMISSION:
        return _("The CSR is taken back. You can submit it again, or apply for the refund."), None
    after = verdict(_revoked(one, now).facts, now, desk.policy)
    if not after.eligible:
        return words().sentences(_("Revoked for good."), words().say(after.sentence)), None
    sentence = _("Revoked for good. Then you can apply for {amount} to go back to {to}.", amount=after.amount, to=to)
    return words().sentences(sentence, words().say(after.sentence)), after.amount


def _revoked(one: Listed, now: datetime) -> Listed:
    return one._replace(state=State.REVOKED, revoked_at=now)


# What happened


@dataclass(frozen=True, slots=True)
class Result:
    """What happened to one certificate. ``tone`` is success, info or danger."""

    key: str
    domain: str
    tone: str
    sentence: str


T = TypeVar("T")
R = TypeVar("R")


def run_all(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Do the same with each, one after the other. The one place that decides where and how long that takes."""
    return [work(one) for one in items]


@dataclass(frozen=True, slots=True)
class Errand:
    """The same event for many certificates of one customer, with what all of them need for it."""

    desk: Desk
    event: Event
    by: By
    reason: str = ""
    handed: Handed | None = None

    def carry_out(self, chosen: Chosen, domain: str) -> Result:
        """Let it happen to one; whatever stands in the way is told and keeps nobody else's from happening."""
        try:
            self.desk.fire(
                chosen.key, self.event, self.by, reason=self.reason, handed=self.handed, version=chosen.version
            )
        except Superseded as late:
            if late.rows and (late.rows[0].event, late.rows[0].actor_id) == (self.event, self.by.actor.id):
                # The button was pressed twice.
                return Result(chosen.key, domain, "info", _(ALREADY[self.event]))
            return Result(chosen.key, domain, "danger", tell_rows(late))
        except EventRefused as refused:
            why = (*refused.permission.refusals, *refused.permission.missing)
            return Result(chosen.key, domain, "danger", words().sentences(*(one.sentence for one in why)))
        return Result(chosen.key, domain, "success", _(DONE[self.event]))


DONE = {
    Event.REQUEST_REFUND: phrase("Applied, please wait for the verification."),
    Event.REVOKE: phrase("The certificate authority was asked to revoke it, and confirms in a moment."),
    Event.WITHDRAW_SUBMISSION: phrase("The submission is withdrawn."),
}

ALREADY = {
    Event.REQUEST_REFUND: phrase("You had applied already; the application is under way."),
    Event.REVOKE: phrase("You had asked for the revocation already."),
    Event.WITHDRAW_SUBMISSION: phrase("You had withdrawn the submission already."),
}
