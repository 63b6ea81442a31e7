"""What a letter is, and what it is made from."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlmodel import Session, SQLModel

from certlifecycle import RefundPolicy, Sentence, State, Verdict, say, verdict
from webapp.accounts.recovery import Recovering
from webapp.certificates.facts import facts_of
from webapp.certificates.models import Certificate, History, PaymentMethod, Purchase
from webapp.certificates.names import display_name
from webapp.mail.links import Links
from webapp.mail.models import Mail
from webapp.payments.destination import BALANCE, MEMBERS_BALANCE, destination
from webapp.refunds.models import Refund
from webapp.retelling import Stored


class Obsolete(Exception):
    """There is no reason any more to send this mail; the text says why."""


class Unwritable(Exception):
    """The mail cannot be written, today or ever; the text says why."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it is worded. The first link is what most readers want; ``quotes`` are what others wrote.

    What was stored in English is handed over as :class:`~webapp.retelling.Stored`.
    """

    subject: Sentence
    headline: Sentence
    paragraphs: tuple[Sentence, ...]
    facts: tuple[tuple[object, object], ...] = ()
    quotes: tuple[tuple[Sentence, str], ...] = ()
    links: tuple[tuple[Sentence, str], ...] = ()


Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True, slots=True)
class About:
    """What a mail is about. ``payable`` are the payment methods that a gateway is connected for.

    Its rows raise :class:`Unwritable` where a mail lacks what every mail of its kind has.
    """

    session: Session
    mail: Mail
    now: datetime
    policy: RefundPolicy
    payable: frozenset[PaymentMethod]
    links: Links
    recovering: Recovering

    @property
    def row(self) -> History:
        """The change that is told."""
        return self._row(History, self.mail.history_id)

    @property
    def certificate(self) -> Certificate:
        """The certificate as it is now."""
        return self._row(Certificate, self.mail.certificate_id)

    @property
    def purchase(self) -> Purchase:
        """Its order."""
        return self._row(Purchase, self.certificate.purchase_id)

    @property
    def refund(self) -> Refund:
        """The refund application that is told about."""
        return self._row(Refund, self.mail.refund_id)

    @property
    def domain(self) -> str:
        """The certificate's domain as people read it."""
        return display_name(self.certificate.domain)

    @property
    def names(self) -> list[str]:
        """All of its names."""
        return [display_name(name) for name in self.certificate.names]

    @property
    def valid_until(self) -> datetime:
        """The end of its validity."""
        if self.certificate.not_after is None:
            raise Unwritable("The certificate that the mail is about was never issued.")
        return self.certificate.not_after

    @property
    def destination(self) -> Stored:
        """The account that a refund would go to, were it applied for now."""
        return self.account(destination(self.purchase, self.payable).label)

    def account(self, label: str) -> Stored:
        """An account as the recipient calls it: of their organisation's money, only what they paid is theirs."""
        is_theirs = self.mail.recipient_id == self.purchase.customer_id
        return Stored(MEMBERS_BALANCE if label == BALANCE and not is_theirs else label)

    def outlook(self) -> Verdict:
        """Whether the money can come back now, of a certificate that stands where the history row left it."""
        refund = self.refund if self.mail.refund_id else None
        facts = facts_of(self.certificate, self.purchase, refund)
        return verdict(replace(facts, state=State(self.row.to_state)), self.now, self.policy)

    def _row(self, model: type[Row], key: str | int | None) -> Row:
        found = self.session.get(model, key) if key is not None else None
        if found is None:
            raise Unwritable(f"A row that the mail is about is missing: {model.__tablename__}.")
        return found


def outlook_words(answer: Verdict) -> Sentence:
    """A verdict as the pages word it: how things stand, and what would change it."""
    if answer.next_step is None:
        return answer.sentence
    return say("{standing} {step}", standing=answer.sentence, step=answer.next_step)
