"""Look whether a submission's domain is under the customer's control, and whether CAA lets this authority issue.

Repeated with growing pauses until both hold or the time is up. Where automatic checks suffice the system verifies by
itself; elsewhere what was seen is noted, and a reviewer goes on. A reviewer may decide at any time, whatever was seen.

An authority that wants to see control itself is asked to, and it looks at CAA by itself; the customer proves it once.
"""

from datetime import datetime, timedelta

from certlifecycle import Event, State
from webapp.authorities.port import AuthorityChoice, CertificateAuthority, Failed, Pending, Proved
from webapp.catalogue import suffices_automatically
from webapp.certificates.models import Certificate
from webapp.desk import WORKER, Desk, File
from webapp.domaincontrol.check import Checker
from webapp.domaincontrol.models import DomainControl, Finding, Method, note_look, open_control
from webapp.domaincontrol.tokens import LIFETIME
from webapp.effects.patience import LOOK_AGAIN, PAUSES, Patience, pause_of, why_failed, why_unfinished
from webapp.effects.prove import ask_for_proof, asks_itself, give_up, note_challenges, note_proof
from webapp.errors import Superseded
from webapp.hindrances import Hindrance

__all__ = ["PAUSES", "Patience", "check_domain", "leave_to_reviewers"]


def check_domain(
    desk: Desk,
    checker: Checker,
    certificate_id: str,
    patience: Patience | None = None,
    authority: AuthorityChoice | None = None,
) -> None:
    """Look once at a submitted certificate's domain and let follow what has to."""
    with desk.database.reading() as session:
        file = desk.open_file(session, certificate_id)
    certificate = file.certificate
    if certificate.state != State.SUBMITTED:
        return
    if certificate.submission_id is None:
        raise LookupError("a submitted certificate without a submission")
    control = open_control(desk.database, certificate.submission_id, certificate_id, desk.clock())
    waits = (patience or Patience()).for_product(file.purchase.product)
    chosen = authority.for_product(file.purchase.product) if authority else None
    if chosen is not None and asks_itself(desk, chosen, file):
        _have_proved(desk, checker, chosen, file, control, waits)
    else:
        _follow(desk, file, _look(desk, checker, control, certificate), waits)


def leave_to_reviewers(desk: Desk, certificate_id: str) -> None:
    """What a desk that looks at no domains does with a submission: nothing more is due, and a reviewer decides."""
    with desk.database.reading() as session:
        certificate = desk.open_file(session, certificate_id).certificate
    if certificate.state == State.SUBMITTED:
        desk.rest(certificate_id, certificate.version)


def _have_proved(
    desk: Desk, checker: Checker, authority: CertificateAuthority, file: File, control: DomainControl, waits: timedelta
) -> None:
    """Take one step towards the proof that the authority wants to see."""
    proof = ask_for_proof(desk, authority, file)
    match proof:
        case Failed(reason):
            give_up(desk, file, Event.FAIL_VERIFICATION, reason)
        case Pending(challenges):
            _follow(desk, file, note_challenges(desk, control, challenges), waits)
        case Proved():
            control = note_proof(desk, file, proof, control)
            if control.held_at is None:
                control = _look(desk, checker, control, file.certificate, caa=False)
            _follow(desk, file, control, waits)
        case _:
            _leave_it_time(desk, file, control, waits, proof.until)


def _look(
    desk: Desk, checker: Checker, control: DomainControl, certificate: Certificate, *, caa: bool = True
) -> DomainControl:
    """One look, kept. What was shown once need not be shown again; a value that is too old shows nothing."""
    challenge = control.challenge(certificate.names)
    findings: tuple[Finding, ...] = ()
    held_by: Method | None = None
    if control.held_at is None and desk.clock() <= control.created_at + LIFETIME:
        look = checker.look(challenge)
        findings, held_by = look.findings, look.held_by
    verdict = checker.caa(certificate.names) if caa else None
    problem = verdict.words if verdict and not verdict.allowed else None
    return note_look(desk.database, control.submission_id, desk.clock(), findings, held_by, problem)


def _follow(desk: Desk, file: File, control: DomainControl, waits: timedelta) -> None:
    """Let follow from what is known what has to."""
    if control.held_at is None or control.caa_problem is not None:
        _go_on(desk, file, control, waits)
    elif suffices_automatically(file.purchase.product):
        _verify(desk, file.certificate)
    else:
        desk.rest(file.certificate.id, file.certificate.version)


def _verify(desk: Desk, certificate: Certificate) -> None:
    try:
        desk.fire(certificate.id, Event.VERIFY, WORKER, version=certificate.version)
    except Superseded:
        # A reviewer was faster, or the customer took the submission back.
        return


def _go_on(desk: Desk, file: File, control: DomainControl, waits: timedelta) -> None:
    certificate, now, ends = file.certificate, desk.clock(), control.ends_at(waits)
    if now < ends:
        # Waiting for the customer is no trouble of the desk's, so nothing is noted as a failure.
        until = min(now + pause_of(control), ends)
        desk.postpone(certificate.id, certificate.version, until, "", Hindrance.CUSTOMER)
        return
    give_up(desk, file, Event.FAIL_VERIFICATION, why_failed(control, certificate.domain, waits))


def _leave_it_time(desk: Desk, file: File, control: DomainControl, waits: timedelta, until: datetime | None) -> None:
    """Wait for the authority, which is at work, and not before the instant that it may have named."""
    certificate, now, ends = file.certificate, desk.clock(), control.ends_at(waits)
    if now < ends:
        soonest = now + LOOK_AGAIN
        until = min(max(soonest, until or soonest), ends)
        desk.postpone(certificate.id, certificate.version, until, "", Hindrance.AT_WORK)
        return
    give_up(desk, file, Event.FAIL_VERIFICATION, why_unfinished(certificate.domain, waits))
