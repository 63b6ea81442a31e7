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
from webapp.desk import WORKER, Desk
from webapp.errors import Superseded
from webapp.recording import Issuance

LOOK_AGAIN = timedelta(seconds=5)


def issue(desk: Desk, authority: CertificateAuthority, certificate_id: str) -> None:
    """Submit the order, take one step, and record the certificate or the refusal.

    The submission's own id is the key toward the authority: asked twice, it issues once.
    """
    with desk.database.reading() as session:
        file = desk.open_file(session, certificate_id)
    certificate = file.certificate
    if certificate.state != State.VERIFIED:
        return
    if not certificate.csr_pem or not certificate.submission_id:
        raise LookupError("a verified certificate without a CSR")
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
                )
    except Superseded:
        # Another attempt recorded the same answer first.
        return
