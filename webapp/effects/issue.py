"""Have the certificate authority issue what a reviewer verified."""

from datetime import timedelta

from certlifecycle import Event, State
from webapp.authorities.port import (
    AuthorityRefused,
    CertificateAuthority,
    Failed,
    Issued,
    check_issued,
)
from webapp.certificates.models import Certificate
from webapp.desk import WORKER, Desk
from webapp.domaincontrol.check import Checker
from webapp.errors import Superseded
from webapp.hindrances import Hindrance
from webapp.recording import Issuance

LOOK_AGAIN = timedelta(seconds=5)
CAA_AGAIN = timedelta(minutes=5)
CAA_PATIENCE = timedelta(days=2)


def issue(desk: Desk, authority: CertificateAuthority, certificate_id: str, checker: Checker | None = None) -> None:
    """Submit the order, take one step, and record the certificate or the refusal.

    The submission's own id is the key toward the authority: asked twice, it issues once. With a ``checker`` the CAA
    records are looked at once more right before (RFC 8659, 3; Baseline Requirements 3.2.2.8): while they forbid it, or
    cannot be read, nothing is issued.
    """
    with desk.database.reading() as session:
        file = desk.open_file(session, certificate_id)
    certificate = file.certificate
    if certificate.state != State.VERIFIED:
        return
    if not certificate.csr_pem or not certificate.submission_id:
        raise LookupError("a verified certificate without a CSR")
    if checker is not None:
        caa = checker.caa(certificate.names)
        if not caa.allowed:
            _hold_back(desk, certificate, caa.words)
            return
    try:
        ref = authority.submit(
            certificate.submission_id,
            certificate.csr_pem,
            certificate.names,
            file.purchase.validity_days,
        )
        progress = authority.advance(ref)
        if isinstance(progress, Issued):
            issued = check_issued(progress.certificate.chain_pem, certificate.csr_pem, certificate.names, desk.clock())
    except AuthorityRefused as refusal:
        progress = Failed(refusal.detail)

    try:
        match progress:
            case Issued():
                handed = Issuance(
                    issued.chain_pem,
                    issued.serial,
                    issued.issuer,
                    issued.fingerprint_sha256,
                    issued.not_before,
                    issued.not_after,
                )
                desk.fire(
                    certificate_id,
                    Event.ISSUE,
                    WORKER,
                    handed=handed,
                    version=certificate.version,
                )
            case Failed(reason):
                desk.fire(
                    certificate_id,
                    Event.REFUSE_ISSUANCE,
                    WORKER,
                    reason=reason,
                    version=certificate.version,
                )
            case _:
                desk.postpone(
                    certificate_id,
                    certificate.version,
                    desk.clock() + LOOK_AGAIN,
                    "The certificate authority is working on it.",
                    Hindrance.AT_WORK,
                )
    except Superseded:
        # Another attempt recorded the same answer first.
        return


def _hold_back(desk: Desk, certificate: Certificate, why: str) -> None:
    """Wait for CAA records that let us issue; give up where they have not for as long as a submission is waited for."""
    now = desk.clock()
    if now < certificate.state_since + CAA_PATIENCE:
        desk.postpone(certificate.id, certificate.version, now + CAA_AGAIN, why, Hindrance.CUSTOMER)
        return
    try:
        desk.fire(certificate.id, Event.REFUSE_ISSUANCE, WORKER, reason=why, version=certificate.version)
    except Superseded:
        return
