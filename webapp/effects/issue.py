"""Have the certificate authority issue what a reviewer verified."""

from datetime import timedelta

from certlifecycle import Event, State
from webapp.authorities.port import (
    AuthorityChoice,
    AuthorityRefused,
    CertificateAuthority,
    Failed,
    Issued,
    Pending,
    Progress,
    check_issued,
)
from webapp.certificates.models import Certificate
from webapp.desk import WORKER, Desk, File
from webapp.domaincontrol.check import Checker
from webapp.domaincontrol.models import open_control
from webapp.effects.held_up import noting_what_holds_up
from webapp.effects.patience import LOOK_AGAIN, Patience
from webapp.effects.prove import asks_itself, give_up, note_challenges, wait_for_proof
from webapp.errors import Superseded
from webapp.hindrances import Hindrance
from webapp.recording import Issuance
from webapp.retelling import stored

CAA_AGAIN = timedelta(minutes=5)
CAA_PATIENCE = timedelta(days=2)


def issue(
    desk: Desk,
    authority: AuthorityChoice,
    certificate_id: str,
    checker: Checker | None = None,
    patience: Patience | None = None,
) -> None:
    """Submit the order, take one step, and record the certificate or the refusal.

    The submission's own id is the key toward the authority: asked twice, it issues once. With a ``checker`` the CAA
    records are looked at once more right before (RFC 8659, 3; Baseline Requirements 3.2.2.8): while they forbid it, or
    cannot be read, nothing is issued. An authority that sees to control itself sees to CAA as well.
    """
    with desk.database.reading() as session:
        file = desk.open_file(session, certificate_id)
    certificate = file.certificate
    if certificate.state != State.VERIFIED:
        return
    if not certificate.csr_pem or not certificate.submission_id:
        raise LookupError("a verified certificate without a CSR")
    chosen = authority.for_product(file.purchase.product)
    if checker is not None and not asks_itself(desk, chosen, file):
        caa = checker.caa(certificate.names)
        if not caa.allowed:
            _hold_back(desk, file, caa.words)
            return
    progress = _ask(desk, chosen, file, certificate.submission_id, certificate.csr_pem)
    match progress:
        case Issued():
            _record(desk, certificate, progress)
        case Failed(reason):
            give_up(desk, file, Event.REFUSE_ISSUANCE, reason)
        case Pending(challenges):
            control = open_control(desk.database, certificate.submission_id, certificate.id, desk.clock())
            control = note_challenges(desk, control, challenges)
            wait_for_proof(desk, file, control, patience or Patience())
        case _:
            again = desk.clock() + LOOK_AGAIN
            note = stored("The certificate authority is working on it.")
            desk.postpone(
                certificate.id, certificate.version, max(again, progress.until or again), note, Hindrance.AT_WORK
            )


def _ask(desk: Desk, authority: CertificateAuthority, file: File, order_key: str, csr_pem: str) -> Progress:
    """Submit the order and take one step; what is issued is what was ordered, or the answer is a refusal."""
    names = file.certificate.names
    try:
        with noting_what_holds_up(desk, file.certificate):
            ref = authority.submit(order_key, csr_pem, names, file.purchase.validity_days)
            progress = authority.advance(ref)
        if isinstance(progress, Issued):
            return Issued(check_issued(progress.certificate.chain_pem, csr_pem, names, desk.clock()))
    except AuthorityRefused as refusal:
        return Failed(refusal.detail)
    return progress


def _record(desk: Desk, certificate: Certificate, progress: Issued) -> None:
    issued = progress.certificate
    handed = Issuance(
        issued.chain_pem,
        issued.serial,
        issued.issuer,
        issued.fingerprint_sha256,
        issued.not_before,
        issued.not_after,
    )
    try:
        desk.fire(certificate.id, Event.ISSUE, WORKER, handed=handed, version=certificate.version)
    except Superseded:
        # Another attempt recorded the same answer first.
        return


def _hold_back(desk: Desk, file: File, why: str) -> None:
    """Wait for CAA records that let us issue; give up where they have not for as long as a submission is waited for."""
    certificate, now = file.certificate, desk.clock()
    if now < certificate.state_since + CAA_PATIENCE:
        desk.postpone(certificate.id, certificate.version, now + CAA_AGAIN, why, Hindrance.CUSTOMER, held_up=why)
        return
    give_up(desk, file, Event.REFUSE_ISSUANCE, why)
