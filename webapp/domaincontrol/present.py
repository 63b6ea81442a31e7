"""What a certificate's page shows about the control of its domain. The template only lays it out."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session

from certlifecycle import State
from webapp.catalogue import suffices_automatically
from webapp.certificates.names import display_name
from webapp.desk import File
from webapp.domaincontrol.models import DomainControl, Method
from webapp.domaincontrol.tokens import LIFETIME, Challenge

CHECK_AGAIN_AFTER = timedelta(seconds=10)
"""How long after a look the next one may be asked for by hand."""

METHOD_WORDS = {Method.DNS_TXT: "TXT record", Method.HTTP_TOKEN: "File"}


@dataclass(frozen=True, slots=True)
class FindingView:
    """What the latest look saw by one method."""

    label: str
    words: str
    held: bool


@dataclass(frozen=True, slots=True)
class ControlView:
    """Everything that ``certificates/_domain_control.html`` shows.

    ``challenge`` is missing once control was shown, or before there is a value. ``checked`` tells when the latest look
    was and by how many resolvers, without its first capital. ``until`` is when looking ends. ``held_by`` and
    ``held_at`` tell how and when control was shown.
    """

    certificate_id: str
    version: int
    domain: str
    challenge: Challenge | None
    findings: list[FindingView]
    checked: str | None
    held_by: str | None
    held_at: datetime | None
    caa_problem: str | None
    next_step: str
    until: datetime | None
    can_check_now: bool


def control_view(session: Session, file: File, now: datetime, waits: timedelta) -> ControlView | None:
    """The view for a submitted certificate, ``None`` for any other.

    ``waits`` is how long the desk looks (:meth:`~webapp.effects.check_domain.Patience.for_product`).
    """
    certificate = file.certificate
    if certificate.state != State.SUBMITTED or not certificate.submission_id:
        return None
    control = session.get(DomainControl, certificate.submission_id)
    held_at = control.held_at if control else None
    is_due = certificate.due_at is not None
    automatic = suffices_automatically(file.purchase.product)
    return ControlView(
        certificate_id=certificate.id,
        version=certificate.version,
        domain=display_name(certificate.domain.removeprefix("*.")),
        challenge=control.challenge(certificate.names) if control and held_at is None else None,
        findings=[FindingView(METHOD_WORDS[one.method], one.words, one.held) for one in control.seen]
        if control
        else [],
        checked=_checked(control, now) if control else None,
        held_by=METHOD_WORDS[Method(control.held_by)] if control and control.held_by else None,
        held_at=held_at,
        caa_problem=control.caa_problem if control else None,
        next_step=_next_step(held_at is not None, bool(control and control.caa_problem), automatic),
        until=control.created_at + min(waits, LIFETIME) if control and is_due else None,
        can_check_now=is_due and not _was_just_checked(control, now),
    )


def _checked(control: DomainControl, now: datetime) -> str | None:
    if control.checked_at is None:
        return None
    asked = max((finding.asked for finding in control.seen), default=0)
    by = f" by {asked} {'resolver' if asked == 1 else 'resolvers'}" if asked else ""
    return f"checked {ago(now - control.checked_at)}{by}"


def _was_just_checked(control: DomainControl | None, now: datetime) -> bool:
    return control is not None and control.checked_at is not None and now - control.checked_at < CHECK_AGAIN_AFTER


def _next_step(held: bool, caa_forbids: bool, automatic: bool) -> str:
    if caa_forbids:
        changes = "Change the CAA records as said above. We look again by ourselves."
        return changes if held else f"It needs both, the value and CAA records that let us issue. {changes}"
    if held and automatic:
        return "We approve it in a moment; you need do nothing."
    if held:
        return "A reviewer looks at your organisation next; you need do nothing."
    if automatic:
        return "As soon as we see the value we approve it and the certificate is issued. You need not come back for it."
    return "As soon as we see the value a reviewer looks at your organisation."


def ago(past: timedelta) -> str:
    """``40 s ago``, ``3 min ago``, ``2 h ago``, ``4 days ago``: rounded down; never in the future."""
    seconds = max(0, int(past.total_seconds()))
    for unit, length in ((" days", 86400), (" h", 3600), (" min", 60)):
        if seconds >= length * (2 if unit == " days" else 1):
            return f"{seconds // length}{unit} ago"
    return f"{seconds} s ago"
