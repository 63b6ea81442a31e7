"""Decisions about more cases than somebody waits for: the same rules for each, carried out by a worker."""

from collections.abc import Sequence
from dataclasses import replace

from sqlmodel import Session, select

from certlifecycle import Event, Sentence, State, phrase, say
from webapp.certificates.models import Certificate
from webapp.errors import DeskError
from webapp.jobs.book import Jobs, Part
from webapp.jobs.book import Order as JobOrder
from webapp.jobs.grip import Grip
from webapp.jobs.many import Many
from webapp.jobs.models import JobItem, Outcome
from webapp.jobs.said import Deed
from webapp.recording import Refusal
from webapp.review import claims, notes
from webapp.review.many import ELSEWHERE_PHRASES, Act, Chosen, Order, event_for, is_in_the_way
from webapp.review.models import ReviewClaim
from webapp.review.queries import KINDS
from webapp.wording import _

KIND = "decisions"
AT_ONCE = 20
"""How many are decided while somebody waits for the page; more become a job with a bar."""
MOST = 200
"""How many are decided about at once."""

TITLES = {
    Act.APPROVE: phrase("Approve {count} refunds"),
    Act.VERIFY: phrase("Verify {count} submissions"),
    Act.REFUSE: phrase("Refuse {count} cases"),
}


def start_decisions(jobs: Jobs, order: Order, chosen: Sequence[Chosen], once: str | None) -> str:
    """Have a worker decide the chosen cases; returns the job's id, for ``url_for("jobs.details", job_id=…)``.

    ``once`` is a random word of the form, so that a button pressed twice makes one job. Raises
    :class:`~webapp.errors.DeskError` where none of the cases is there.
    """
    with jobs.database.reading() as session:
        found = {one.certificate_id: _domain(session, one) for one in chosen}
    parts = tuple(
        Part(one.certificate_id, domain, one.certificate_id, one.version)
        for one in chosen
        if (domain := found[one.certificate_id]) is not None
    )
    if not parts:
        raise DeskError(_("None of the chosen cases is there."), _("Go back to the queue and choose again."))
    parameters = {
        "act": order.act.value,
        "reason": order.reason,
        "instructions": order.instructions,
        "note": order.note,
        "despite": order.despite,
    }
    title = Sentence(TITLES[order.act], {"count": len(parts)})
    return jobs.begin(JobOrder(KIND, title, parameters, parts, once=once), order.by)


def _domain(session: Session, one: Chosen) -> str | None:
    return session.exec(select(Certificate.domain).where(Certificate.id == one.certificate_id)).first()


def _left_to(claim: ReviewClaim) -> Sentence:
    name, until = claim.holder_name, claim.until
    return say("{name} had claimed it until {until}, so it was left to them.", name=name, until=until)


class Decisions(Many):
    """Decides one case a step: the decision, its note, the end of its claim and its result are one transaction."""

    def _fire(self, grip: Grip, item: JobItem) -> None:
        order = self._order(grip)
        with grip.database.reading() as session:
            file = self._desk.open_file(session, str(item.certificate_id))
            claim = claims.held(session, str(item.certificate_id), grip.clock())
        kind = KINDS.get(State(file.certificate.state))
        event = event_for(order.act, kind, file)
        if kind is not None and event is None:
            self._tell(grip, item, Outcome.REFUSED, Sentence(ELSEWHERE_PHRASES[kind]))
        elif kind is not None and claim is not None and is_in_the_way(claim, order):
            self._tell(grip, item, Outcome.REFUSED, _left_to(claim))
        else:
            self._decide(grip, item, order, event or Event.APPROVE_REFUND)

    def _order(self, grip: Grip) -> Order:
        given = grip.job.parameters
        return replace(Order(Act(given["act"]), self._by(grip)), **{key: given[key] for key in given if key != "act"})

    def _decide(self, grip: Grip, item: JobItem, order: Order, event: Event) -> None:
        key, now = str(item.certificate_id), grip.clock()
        actor = order.by.actor
        written = [notes.new_note(key, actor, order.note, now, event.value)] if order.note else []

        def settle(session: Session, after: Certificate) -> None:
            notes.alongside(written)(session, after)
            claims.settle(session, key, actor, now, waits=State(after.state) in KINDS)
            deed = Deed(event.value, State(after.state))
            grip.settle(session, item, Outcome.DONE, say("{deed}.", deed=deed))

        self._desk.fire(
            key,
            event,
            order.by,
            reason=order.reason,
            handed=Refusal(order.instructions) if event is Event.REJECT_REFUND else None,
            version=item.version,
            also=settle,
        )
