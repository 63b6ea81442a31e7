"""Proof of control that a certificate authority wants to see itself, before it issues (RFC 8555, section 7.5).

The customer publishes what the authority asks for and nothing of the desk's own, with one exception: the authority
knows one account for all of the shop's customers, and may take for proved what another of them has proved. Then its
word does not show that the domain is this customer's, and the desk looks for its own value.
"""

from collections.abc import Sequence

from certlifecycle import Event, State
from webapp.authorities.port import (
    AuthorityRefused,
    CertificateAuthority,
    Challenge,
    Failed,
    Proof,
    Proved,
)
from webapp.desk import WORKER, Desk, File
from webapp.domaincontrol.models import DomainControl, Finding, Method, belong_to, note_asked, note_held
from webapp.effects.held_up import noting_what_holds_up
from webapp.effects.patience import Patience, pause_of, why_failed
from webapp.errors import Superseded
from webapp.hindrances import Hindrance

METHODS = {"dns-01": Method.DNS_TXT, "http-01": Method.HTTP_TOKEN}


def asks_itself(desk: Desk, authority: CertificateAuthority, file: File) -> bool:
    """Whether the authority of a submission wants to see control itself."""
    with noting_what_holds_up(desk, file.certificate):
        return authority.proves_control(file.certificate.submission_id or "")


def ask_for_proof(desk: Desk, authority: CertificateAuthority, file: File) -> Proof:
    """Hand the order in, if that has not happened yet, and take one step towards the proof."""
    certificate = file.certificate
    try:
        with noting_what_holds_up(desk, certificate):
            ref = authority.submit(
                certificate.submission_id or "",
                certificate.csr_pem or "",
                certificate.names,
                file.purchase.validity_days,
            )
            return authority.prove(ref)
    except AuthorityRefused as refusal:
        return Failed(refusal.detail)


def note_proof(desk: Desk, file: File, proof: Proved, control: DomainControl) -> DomainControl:
    """Note what the authority has seen, where it shows that the domain is this very customer's."""
    with desk.database.reading() as session:
        is_own = not proof.assumed and belong_to(session, proof.shared_with, file.certificate.customer_id)
    if not is_own:
        return control
    return note_held(desk.database, control.submission_id, desk.clock(), METHODS[proof.kinds[0]])


def note_challenges(desk: Desk, control: DomainControl, challenges: Sequence[Challenge]) -> DomainControl:
    """Note what the authority asks the customer for, and what stands there."""
    # Records before files, as the instructions have them.
    ordered = sorted(challenges, key=lambda one: one.kind)
    findings = tuple(Finding(METHODS[one.kind], one.seen, one.finding, 0, 0) for one in ordered)
    looks = [one.checked_at for one in challenges if one.checked_at]
    now = desk.clock()
    return note_asked(desk.database, control.submission_id, now, findings, max(looks, default=now))


def wait_for_proof(desk: Desk, file: File, control: DomainControl, patience: Patience) -> None:
    """Wait for a customer of whom an authority asks proof although the certificate is approved.

    That is so where what was proved has lapsed before it was issued, or where a reviewer was faster than the proof.
    """
    certificate, now = file.certificate, desk.clock()
    ends = patience.ends_at(control, file.purchase.product, State.VERIFIED, certificate.state_since)
    if now < ends:
        desk.postpone(certificate.id, certificate.version, min(now + pause_of(control), ends), "", Hindrance.CUSTOMER)
        return
    give_up(desk, file, Event.REFUSE_ISSUANCE, why_failed(control, certificate.domain, patience.automatic))


def give_up(desk: Desk, file: File, event: Event, reason: str) -> None:
    """Let a submission fail, unless somebody was faster."""
    certificate = file.certificate
    try:
        desk.fire(certificate.id, event, WORKER, reason=reason, version=certificate.version)
    except Superseded:
        return
