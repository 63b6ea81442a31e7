"""A certificate authority that is away, or wants to be left alone: temporary trouble, told in its own plain words."""

from collections.abc import Iterator
from contextlib import contextmanager

from webapp.authorities.port import AuthorityUnavailable
from webapp.certificates.models import Certificate
from webapp.desk import Desk
from webapp.hindrances import Hindrance


@contextmanager
def noting_what_holds_up(desk: Desk, certificate: Certificate) -> Iterator[None]:
    """Note on the certificate, as the effect found it, why the authority could not be asked, and pass that on.

    An authority that named an instant is not asked before it; otherwise the reconciler's growing pauses apply.
    """
    try:
        yield
    except AuthorityUnavailable as trouble:
        due_at = certificate.due_at or desk.clock()
        until = max(due_at, trouble.retry_at or due_at)
        why = trouble.detail
        desk.postpone(certificate.id, certificate.version, until, why, Hindrance.UNREACHABLE, held_up=why)
        raise
