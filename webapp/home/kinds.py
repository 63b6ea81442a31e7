"""What each kind of certificate on the start page says, and the one next step that it offers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from flask import url_for

from certlifecycle import Mover, State, Verdict
from certlifecycle.calendar import Promise, latest_instant
from webapp.certificates.present import SOON, open_until, time_left
from webapp.certificates.queries import Listed
from webapp.desk import Desk
from webapp.domaincontrol.models import DomainControl
from webapp.domaincontrol.present import ago, sighting_words
from webapp.effects.patience import Patience
from webapp.home.queries import Kind, Paper
from webapp.payments.destination import destination
from webapp.refunds.models import Refund
from webapp.retelling import Stored
from webapp.wording import _, relative, words


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when, exactly: ``label`` names it, ``shown`` is the instant or the day, ``left`` the countdown."""

    at: datetime
    label: str
    shown: str
    left: str
    soon: bool


class Told(NamedTuple):
    """What is told of one certificate. ``action`` is (label, address)."""

    sentence: str
    action: tuple[str, str]
    deadline: Deadline | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One certificate with what is asked about it."""

    row: Listed
    paper: Paper
    answer: Verdict
    now: datetime
    desk: Desk

    @property
    def account(self) -> str:
        """Where the money would go."""
        return words().retell(destination(self.paper.purchase, self.desk.payable).label)

    def until(self, at: datetime, label: str) -> Deadline:
        """A deadline to the minute."""
        return Deadline(at, label, words().instant(at), time_left(at, self.now), at - self.now <= SOON)

    def window(self) -> Deadline | None:
        """The end of the refund window, while there is something to be gained by keeping it."""
        at = open_until(self.answer, self.now)
        return self.until(at, _("Refund window closes")) if at else None

    def page(self, endpoint: str, anchor: str | None = None) -> str:
        """One of the certificate's pages."""
        return url_for(endpoint, certificate_id=self.row.id, _anchor=anchor)

    @property
    def refund(self) -> Refund:
        """The application that the certificate's state speaks of."""
        if self.row.refund is None:
            raise LookupError(f"a certificate that is {self.row.state} without an application")
        return self.row.refund

    def refund_page(self) -> str:
        """Where that application is followed."""
        return url_for("refunds.details", refund_id=self.refund.id)


# What waits for the customer


def _refundable(case: Case) -> Told:
    amount, account = case.answer.amount, case.account
    sentence = _("It is revoked. Apply, and {amount} go back to {account}.", amount=amount, account=account)
    return Told(sentence, (_("Apply for the refund"), case.page("refunds.apply")), case.window())


def _closing(case: Case) -> Told:
    amount, account = case.answer.amount, case.account
    sentence = _(
        "If you do not need it: revoke it, then apply, and {amount} go back to {account}.",
        amount=amount,
        account=account,
    )
    return Told(sentence, (_("Revoke"), case.page("certificates.revoke")), case.window())


def _failed(case: Case) -> Told:
    sentence = _("It was not issued. Put right what stands here and submit again, or apply for the refund.")
    action = (_("Submit again"), case.page("certificates.submit"))
    return Told(sentence, action, case.window(), words().retell(case.paper.problem or "") or None)


def _refused(case: Case) -> Told:
    reason = words().retell(case.refund.decision_reason or "") or None
    sentence = _("Your refund was refused. Apply again, or keep the certificate.")
    return Told(sentence, (_("Read why, and answer"), case.refund_page()), case.window(), reason)


def _proof(case: Case) -> Told:
    showing = case.paper.showing
    action = (_("See what to set"), case.page("certificates.details", "domain-control"))
    if showing is None or showing.control is None:
        return Told(_("We are making the value that shows that the domain is yours; it is there in a moment."), action)
    control = showing.control
    if showing.is_held and showing.is_forbidden:
        sentence = _("The domain is yours, but its CAA records do not let us issue. Change them; we look again then.")
    elif showing.state is State.VERIFIED:
        sentence = _("It is approved. Show the certificate authority that the domain is yours, and it issues.")
    else:
        sentence = _("Show that the domain is yours: a TXT record in the DNS or a file on your web server.")
    at = Patience().ends_at(control, case.paper.purchase.product, showing.state, case.row.state_since)
    looks_until = case.until(at, _("We look until")) if at > case.now else None
    return Told(sentence, action, looks_until, last_finding(control, case.now))


def last_finding(control: DomainControl, now: datetime) -> str:
    """What the latest look saw, and when it was."""
    if control.checked_at is None:
        return _("We have not looked yet.")
    return words().sentences(
        _("Seen {ago}.", ago=ago(now - control.checked_at)),
        *(sighting_words(one) for one in control.seen),
        words().retell(control.caa_problem or ""),
    )


def _unsubmitted(case: Case) -> Told:
    sentence = _("Hand in a CSR; then we check that the domain is yours, and it is issued.")
    return Told(sentence, (_("Submit"), case.page("certificates.submit")), case.window())


def _expiring(case: Case) -> Told:
    order = (_("Order the next one"), url_for("ordering.order", product=case.paper.purchase.product))
    sentence = _("Order the next one in time, and install it before this one ends.")
    at = case.row.not_after
    return Told(sentence, order, case.until(at, _("Expires")) if at else None)


# What the customer waits for


def _being_verified(case: Case) -> Told:
    showing = case.paper.showing
    sentence = _("A reviewer looks at it. You need do nothing.")
    if case.paper.mover is Mover.SYSTEM:
        sentence = _("We and the certificate authority look at your domain. You need do nothing.")
    elif showing is not None and showing.is_held:
        sentence = _("We have seen that the domain is yours. A reviewer looks at your organisation next.")
    return Told(sentence, (_("Details"), case.page("certificates.details")))


def _refund_asked(case: Case) -> Told:
    refund, action = case.refund, (_("Follow the refund"), case.refund_page())
    promise, zone = Promise(refund.soonest, refund.latest), case.desk.policy.zone
    ends = latest_instant(promise, zone)
    shown = words().day(refund.latest)
    if case.now >= ends:
        late = _(
            "The answer about {amount} is late. Your claim does not lapse; nothing is left for you to do.",
            amount=refund.amount,
        )
        return Told(late, action, Deadline(ends, _("Answer was promised by"), shown, _("late"), soon=True))
    left = relative(ends - timedelta(microseconds=1), case.now)
    sentence = _("A reviewer decides about your refund of {amount}.", amount=refund.amount)
    return Told(sentence, action, Deadline(ends, _("Answer promised by"), shown, left, soon=False))


def _refund_approved(case: Case) -> Told:
    refund, action = case.refund, (_("Follow the refund"), case.refund_page())
    sentence = _(
        "{amount} are approved and on their way to {destination}. We tell you when the payment "
        "provider has confirmed it.",
        amount=refund.amount,
        destination=Stored(refund.destination),
    )
    return Told(sentence, action)


def _issuing(case: Case) -> Told:
    sentence = _("Approved. The certificate authority is issuing it.")
    return Told(sentence, (_("Details"), case.page("certificates.details")))


def _revoking(case: Case) -> Told:
    sentence = _("You asked for the revocation; the certificate authority has to confirm it.")
    return Told(sentence, (_("Details"), case.page("certificates.details")), case.window())


TOLD: Mapping[Kind, Callable[[Case], Told]] = {
    Kind.REFUNDABLE: _refundable,
    Kind.CLOSING: _closing,
    Kind.FAILED: _failed,
    Kind.REFUSED: _refused,
    Kind.PROOF: _proof,
    Kind.UNSUBMITTED: _unsubmitted,
    Kind.EXPIRING: _expiring,
    Kind.BEING_VERIFIED: _being_verified,
    Kind.REFUND_ASKED: _refund_asked,
    Kind.REFUND_APPROVED: _refund_approved,
    Kind.ISSUING: _issuing,
    Kind.REVOKING: _revoking,
}
