"""Have the certificate authority revoke a certificate."""

from certlifecycle import Event, RevocationReason, State
from webapp.authorities.port import AuthorityRefused, CertificateAuthority
from webapp.desk import WORKER, Desk
from webapp.effects.held_up import noting_what_holds_up
from webapp.errors import Superseded


def revoke(desk: Desk, authority: CertificateAuthority, certificate_id: str) -> None:
    """Ask for the revocation and record the confirmation or the refusal. Revoked already counts as confirmed."""
    with desk.database.reading() as session:
        certificate = desk.open_file(session, certificate_id).certificate
    if certificate.state != State.REVOKING:
        return
    if not certificate.serial or certificate.revocation_reason is None:
        raise LookupError("a revocation without a serial number or a reason")
    event, reason = Event.CONFIRM_REVOCATION, ""
    try:
        with noting_what_holds_up(desk, certificate):
            authority.revoke(certificate.serial, RevocationReason(certificate.revocation_reason))
    except AuthorityRefused as refusal:
        event, reason = Event.REFUSE_REVOCATION, refusal.detail
    try:
        desk.fire(certificate_id, event, WORKER, reason=reason, version=certificate.version)
    except Superseded:
        # Another attempt recorded the same answer first.
        return
