"""Look whether a submission's domain is under the customer's control, and whether CAA lets this authority issue.

Repeated with growing pauses until both hold or the time is up. Where automatic checks suffice the system verifies by
itself; elsewhere what was seen is noted, and a reviewer goes on. A reviewer may decide at any time, whatever was seen.
"""

from dataclasses import dataclass
from datetime import timedelta

from certlifecycle import Event, State
from webapp.catalogue import suffices_automatically
from webapp.certificates.models import Certificate
from webapp.certificates.names import display_name
from webapp.desk import WORKER, Desk
from webapp.domaincontrol.check import Checker
from webapp.domaincontrol.models import DomainControl, Finding, Method, note_look, open_control
from webapp.domaincontrol.tokens import LIFETIME
from webapp.errors import Superseded
from webapp.hindrances import Hindrance

PAUSES = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 120, 300))
"""How long after the first look the second follows, and so on; the last one repeats."""


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


def check_domain(desk: Desk, checker: Checker, certificate_id: str, patience: Patience | None = None) -> None:
    """Look once at a submitted certificate's domain and let follow what has to."""
    with desk.database.reading() as session:
        file = desk.open_file(session, certificate_id)
    certificate = file.certificate
    if certificate.state != State.SUBMITTED:
        return
    if certificate.submission_id is None:
        raise LookupError("a submitted certificate without a submission")
    control = open_control(desk.database, certificate.submission_id, certificate_id, desk.clock())
    control = _look(desk, checker, control, certificate)
    if control.held_at is None or control.caa_problem is not None:
        _go_on(desk, control, certificate, (patience or Patience()).for_product(file.purchase.product))
    elif suffices_automatically(file.purchase.product):
        _verify(desk, certificate)
    else:
        desk.rest(certificate_id, certificate.version)


def leave_to_reviewers(desk: Desk, certificate_id: str) -> None:
    """What a desk that looks at no domains does with a submission: nothing more is due, and a reviewer decides."""
    with desk.database.reading() as session:
        certificate = desk.open_file(session, certificate_id).certificate
    if certificate.state == State.SUBMITTED:
        desk.rest(certificate_id, certificate.version)


def _look(desk: Desk, checker: Checker, control: DomainControl, certificate: Certificate) -> DomainControl:
    """One look, kept. What was shown once need not be shown again; a value that is too old shows nothing."""
    challenge = control.challenge(certificate.names)
    findings: tuple[Finding, ...] = ()
    held_by: Method | None = None
    if control.held_at is None and desk.clock() <= control.created_at + LIFETIME:
        look = checker.look(challenge)
        findings, held_by = look.findings, look.held_by
    verdict = checker.caa(certificate.names)
    problem = None if verdict.allowed else verdict.words
    return note_look(desk.database, control.submission_id, desk.clock(), findings, held_by, problem)


def _verify(desk: Desk, certificate: Certificate) -> None:
    try:
        desk.fire(certificate.id, Event.VERIFY, WORKER, version=certificate.version)
    except Superseded:
        # A reviewer was faster, or the customer took the submission back.
        return


def _go_on(desk: Desk, control: DomainControl, certificate: Certificate, waits: timedelta) -> None:
    now, ends = desk.clock(), control.created_at + min(waits, LIFETIME)
    if now < ends:
        pause = PAUSES[min(control.attempts, len(PAUSES)) - 1]
        # Waiting for the customer is no trouble of the desk's, so nothing is noted as a failure.
        desk.postpone(certificate.id, certificate.version, min(now + pause, ends), "", Hindrance.CUSTOMER)
        return
    reason = why_failed(control, certificate.domain, waits)
    try:
        desk.fire(certificate.id, Event.FAIL_VERIFICATION, WORKER, reason=reason, version=certificate.version)
    except Superseded:
        return


def why_failed(control: DomainControl, domain: str, waits: timedelta) -> str:
    """What the customer is told when the time is up: what was seen last, and what to do now."""
    name, days = display_name(domain.removeprefix("*.")), f"{waits.days} {'day' if waits.days == 1 else 'days'}"
    if control.held_at is not None:
        return (
            f"We saw that you control {name}, but after {days} its CAA records still do not let us issue. "
            f"{control.caa_problem} Then submit again."
        )
    seen = " ".join(finding.words for finding in control.seen)
    return (
        f"In {days} we could not see that you control {name}. What we saw last: {seen or 'nothing.'} "
        "Submit again: you get a new value for the TXT record or the file. Leave it there until the certificate is "
        "issued."
    )
