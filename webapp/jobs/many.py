"""One decision for many certificates: each goes through the door by itself, and each gets a result in words.

A page lets people choose, then calls :func:`start_many` and sends them to the job's page. Nobody's permission is
passed by: every decision is made in the name of whoever asked, as the role that their account has at that moment.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from secrets import token_hex
from typing import Any

from sqlmodel import Session, col, select

from certlifecycle import REVIEWERS, SYSTEM, Event, EventRefused, Sentence, State, phrase, say
from webapp.certificates.models import Certificate, Channel
from webapp.desk import By, Desk
from webapp.errors import DeskError, NotFound, Superseded
from webapp.jobs.book import Jobs, Order, Part
from webapp.jobs.grip import Grip, Lost
from webapp.jobs.models import JobItem, JobState, Outcome
from webapp.jobs.said import Deed, tell
from webapp.recording import Application, Handed, Refusal
from webapp.refunds.models import RefundReason
from webapp.wording import _

log = logging.getLogger("desk.jobs")

KIND = "many"
MOST = 1000
"""How many certificates one job decides about at most."""
TRIES = 3
"""How often the desk's own mistake at one certificate is tried again before the others get their turn."""

TITLES: Mapping[Event, tuple[str, str]] = {
    Event.WITHDRAW_SUBMISSION: (phrase("Withdraw 1 submission"), phrase("Withdraw {count} submissions")),
    Event.VERIFY: (phrase("Verify 1 certificate"), phrase("Verify {count} certificates")),
    Event.FAIL_VERIFICATION: (phrase("Fail 1 verification"), phrase("Fail {count} verifications")),
    Event.REVOKE: (phrase("Revoke 1 certificate"), phrase("Revoke {count} certificates")),
    Event.REQUEST_REFUND: (phrase("Apply for 1 refund"), phrase("Apply for {count} refunds")),
    Event.WITHDRAW_REFUND: (phrase("Withdraw 1 refund application"), phrase("Withdraw {count} refund applications")),
    Event.APPROVE_REFUND: (phrase("Approve 1 refund"), phrase("Approve {count} refunds")),
    Event.REJECT_REFUND: (phrase("Refuse 1 refund"), phrase("Refuse {count} refunds")),
    Event.KEEP_CERTIFICATE: (phrase("Keep 1 certificate"), phrase("Keep {count} certificates")),
}
"""The events that can be fired for many at once: for one, and for more."""

_READERS: Mapping[str, Callable[[dict[str, Any]], Handed]] = {
    "Refusal": lambda fields: Refusal(**fields),
    "Application": lambda fields: Application(**fields | {"reason_code": RefundReason(fields["reason_code"])}),
}


def start_many(
    jobs: Jobs,
    by: By,
    event: Event,
    wanted: Sequence[tuple[str, int]],
    *,
    reason: str = "",
    handed: Handed | None = None,
    once: str | None = None,
) -> str:
    """Have an event fired for many certificates and return the job's id, for ``url_for("jobs.details", job_id=…)``.

    ``wanted`` names each certificate by its id and the version that the page was made from; ``reason`` and ``handed``
    are the same for all, as in :meth:`~webapp.desk.Desk.fire`. ``once`` is a random word of the form, so that a button
    pressed twice makes one job. Raises :class:`~webapp.errors.DeskError` where nothing or too much was chosen and
    :class:`~webapp.errors.NotFound` for certificates that this person may not see.
    """
    versions = dict(wanted)
    if not versions:
        raise DeskError(_("Nothing was chosen."), _("Go back and tick at least one certificate."))
    if len(versions) > MOST:
        raise DeskError(
            _("More than {most} certificates were chosen.", most=MOST),
            _("Go back and choose fewer; do the others after them."),
        )
    with jobs.database.reading() as session:
        domains = _domains(session, by, list(versions))
    if len(domains) < len(versions):
        raise NotFound(
            _("Some of the certificates that were chosen do not exist."), _("Go back and load the list again.")
        )
    parts = tuple(Part(key, domains[key], key, version) for key, version in versions.items())
    parameters = {"event": event.value, "reason": reason, "handed": _pack(handed)}
    one, more = TITLES[event]
    title = Sentence(one) if len(parts) == 1 else Sentence(more, {"count": len(parts)})
    return jobs.begin(Order(KIND, title, parameters, parts, once=once), by)


def _domains(session: Session, by: By, keys: Sequence[str]) -> dict[str, str]:
    seen = select(Certificate.id, Certificate.domain).where(col(Certificate.id).in_(keys))
    if by.actor.role not in (*REVIEWERS, SYSTEM.role):
        seen = seen.where(Certificate.holder_id == by.holder_id)
    return dict(session.exec(seen).all())


def _pack(handed: Handed | None) -> dict[str, Any] | None:
    if handed is None:
        return None
    kind = type(handed).__name__
    if kind not in _READERS:
        raise TypeError(f"{kind} is about one certificate alone")
    return {"kind": kind, "fields": asdict(handed)}


def _unpack(packed: dict[str, Any] | None) -> Handed | None:
    return _READERS[packed["kind"]](packed["fields"]) if packed else None


class Many:
    """Fires the event for one certificate a step: the change and its result are one transaction."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def step(self, grip: Grip) -> None:
        """Decide about the next certificate, or end the job after the last."""
        item = grip.next_item()
        if item is None:
            with grip.database.writing() as session:
                grip.end(session, JobState.FINISHED, _in_all(grip.job.done, grip.job.failed))
            return
        try:
            self._fire(grip, item)
        except EventRefused as refused:
            permission = refused.permission
            why = [one.sentence for one in (*permission.refusals, *permission.missing)]
            self._tell(grip, item, Outcome.REFUSED, *why)
        except Superseded as late:
            self._tell(grip, item, Outcome.SUPERSEDED, *(tell(row) for row in late.rows))
        except Lost:
            raise
        except Exception:
            if grip.job.setbacks < TRIES - 1:
                raise
            # The others shall not wait for one that cannot be done; whoever runs the desk finds it by the reference.
            reference = token_hex(4).upper()
            log.exception("Unexpected error %s at certificate %s", reference, item.certificate_id)
            self._tell(grip, item, Outcome.FAILED, _mistake(reference))

    def _fire(self, grip: Grip, item: JobItem) -> None:
        event = Event(grip.job.parameters["event"])

        def settle(session: Session, after: Certificate) -> None:
            deed = Deed(event.value, State(after.state))
            grip.settle(session, item, Outcome.DONE, say("{deed}.", deed=deed))

        self._desk.fire(
            str(item.certificate_id),
            event,
            self._by(grip),
            reason=grip.job.parameters["reason"],
            handed=_unpack(grip.job.parameters["handed"]),
            version=item.version,
            also=settle,
        )

    def _by(self, grip: Grip) -> By:
        actor = grip.account.actor if grip.account else SYSTEM
        return By(actor, Channel(grip.job.channel), grip.job.address)

    def _tell(self, grip: Grip, item: JobItem, outcome: Outcome, *said: Sentence) -> None:
        with grip.database.writing() as session:
            grip.settle(session, item, outcome, *said)


def _mistake(reference: str) -> Sentence:
    return say(
        "The desk made a mistake here, and this certificate is as it was. Try it again on the certificate’s own page. "
        "If it happens again, tell us the reference {reference}.",
        reference=reference,
    )


def _in_all(done: int, failed: int) -> Sentence:
    """What is said of a job whose parts have all been gone through."""
    if failed == 0:
        return say("Everything is done.")
    if failed == done:
        return say("Nothing could be done. Each line below says why.")
    return say(
        "Done: {done}. Not done: {failed}. Each line below says what came of it.", done=done - failed, failed=failed
    )
