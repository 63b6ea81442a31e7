"""Many decisions at once: each through the door by itself, each with a result of its own.

:func:`run_many` is all that a page needs; whoever runs the decisions elsewhere calls :func:`decide_one` for each, with
the console's application context, because the results are sentences for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from flask import url_for

from certlifecycle import Event, EventRefused, Right, State, phrase
from webapp.certificates.names import display_name
from webapp.desk import By, Desk, File
from webapp.errors import NotFound, Superseded
from webapp.recording import Handed, Refusal
from webapp.review import claims, notes, present
from webapp.review.models import ReviewClaim
from webapp.review.queries import KINDS, Kind
from webapp.wording import Vocabulary, _, words


class Act(StrEnum):
    """What is to be done with the chosen cases."""

    APPROVE = "approve"
    VERIFY = "verify"
    REFUSE = "refuse"


EVENTS = {
    (Act.APPROVE, Kind.REFUND): Event.APPROVE_REFUND,
    (Act.VERIFY, Kind.VERIFICATION): Event.VERIFY,
    (Act.REFUSE, Kind.REFUND): Event.REJECT_REFUND,
    (Act.REFUSE, Kind.VERIFICATION): Event.FAIL_VERIFICATION,
}
"""Which event an act is for a case of each kind; an act that is none leaves the case alone."""

ELSEWHERE_PHRASES = {
    Kind.VERIFICATION: phrase("This is a verification: verify it or refuse it."),
    Kind.REFUND: phrase("This is a refund: approve it or refuse it."),
}
"""Why an act that does not fit a case left it alone."""

ELSEWHERE = Vocabulary(ELSEWHERE_PHRASES)


@dataclass(frozen=True, slots=True)
class Chosen:
    """One case as it was when it was chosen."""

    certificate_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.certificate_id}:{self.version}"


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody decides about all chosen cases.

    ``reason`` and ``instructions`` are for the customers, ``note`` is for reviewers; ``despite`` decides also what
    other reviewers have claimed.
    """

    act: Act
    by: By
    reason: str = ""
    instructions: str = ""
    note: str = ""
    despite: bool = False


class Ending(StrEnum):
    """What became of one case."""

    DONE = "done"
    FIRST = "first"
    RULE = "rule"
    LATE = "late"
    CLAIMED = "claimed"
    OTHER_KIND = "other_kind"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case, in words; ``url`` leads to it."""

    key: str
    domain: str
    url: str
    ending: Ending
    words: str


def run_many(desk: Desk, order: Order, chosen: Sequence[Chosen]) -> list[Result]:
    """Decide all chosen cases, one after the other; nothing that happens to one keeps the others from their turn."""
    return [decide_one(desk, order, one) for one in chosen]


def decide_one(desk: Desk, order: Order, one: Chosen) -> Result:
    """Decide one case through the door and say what became of it."""
    try:
        with desk.database.reading() as session:
            file = desk.open_file(session, one.certificate_id)
            claim = claims.held(session, one.certificate_id, desk.clock())
    except NotFound as gone:
        return Result(one.certificate_id, "", url_for("review.queue"), Ending.GONE, gone.detail)
    kind = KINDS.get(State(file.certificate.state))
    if kind is not None and (order.act, kind) not in EVENTS:
        return _result(file, Ending.OTHER_KIND, ELSEWHERE[kind])
    if kind is not None and claim is not None and is_in_the_way(claim, order):
        return _result(file, Ending.CLAIMED, claimed_words(claim))
    return _fire(desk, order, one, file, kind)


def claimed_words(claim: ReviewClaim) -> str:
    """Why a case was left to somebody else."""
    return _(
        "Claimed by {name} until {clock}; it is left to them.",
        name=claim.holder_name,
        clock=words().clock(claim.until),
    )


def is_in_the_way(claim: ReviewClaim, order: Order) -> bool:
    """Whether somebody else's claim keeps an order from a case."""
    return claim.holder_id != order.by.actor.id and not order.despite


def _fire(desk: Desk, order: Order, one: Chosen, file: File, kind: Kind | None) -> Result:
    event = event_for(order.act, kind, file) or Event.APPROVE_REFUND
    now = desk.clock()
    note = [notes.new_note(one.certificate_id, order.by.actor, order.note, now, event.value)] if order.note else []
    handed: Handed | None = Refusal(order.instructions) if event is Event.REJECT_REFUND else None
    try:
        after = desk.fire(
            one.certificate_id,
            event,
            order.by,
            reason=order.reason,
            handed=handed,
            version=one.version,
            also=notes.alongside(note),
        )
    except Superseded as late:
        first = late.rows[0] if late.rows else None
        if first is not None and (first.event, first.actor_id) == (event, order.by.actor.id):
            # A button pressed twice: it was this very decision that came first.
            return _result(file, Ending.DONE, _("Your decision was recorded before."))
        return _result(file, Ending.LATE, present.news(late.rows) or late.detail)
    except EventRefused as refused:
        permission = refused.permission
        why = words().sentences(*(said.sentence for said in (*permission.refusals, *permission.missing)))
        return _result(file, Ending.RULE, why)
    waits = State(after.state) in KINDS
    with desk.database.writing() as session:
        claims.settle(session, one.certificate_id, order.by.actor, now, waits=waits)
    if waits:
        return _result(file, Ending.FIRST, _first_words(order))
    return _result(file, Ending.DONE, DONE_WORDS[event])


def _first_words(order: Order) -> str:
    if order.by.actor.has(Right.PAY):
        return _("Your approval is recorded. This amount needs two reviewers; somebody else gives the second approval.")
    return _("Your approval is recorded. Somebody who may send money gives the second approval.")


def event_for(act: Act, kind: Kind | None, file: File) -> Event | None:
    """The event that an act is for a case; ``kind`` is ``None`` where it waits for nobody any more.

    Then it is what it would have been before, and the door says what happened to the case meanwhile.
    """
    return EVENTS.get((act, kind or (Kind.REFUND if file.refund else Kind.VERIFICATION)))


DONE_WORDS = Vocabulary(
    {
        Event.APPROVE_REFUND: phrase("Approved; the money is being sent."),
        Event.VERIFY: phrase("Verified; the certificate authority issues it."),
        Event.REJECT_REFUND: phrase("Refused; the customer reads why and what to do."),
        Event.FAIL_VERIFICATION: phrase("Failed; the customer reads why."),
    }
)


def _result(file: File, ending: Ending, told: str) -> Result:
    certificate = file.certificate
    url = url_for("review.item", certificate_id=certificate.id)
    return Result(certificate.id, display_name(certificate.domain), url, ending, told)
