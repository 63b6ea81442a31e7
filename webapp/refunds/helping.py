"""Help before the refund, for whoever gives up on a verification: what was seen last, and what would put it right.

It stands beside the application and never in its way: nobody has to read it, press anything in it, or say why not.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import url_for
from sqlmodel import Session

from certlifecycle import Mover, State
from webapp.certificates.queries import showing_of
from webapp.desk import File
from webapp.domaincontrol.models import DomainControl
from webapp.domaincontrol.present import ago, asked_names, sighting_words
from webapp.domaincontrol.showing import Showing
from webapp.wording import _, ngettext, words

LONG = timedelta(days=3)
"""How long after the order somebody who has handed nothing in may want help with it."""


@dataclass(frozen=True, slots=True)
class Help:
    """What may help. ``seen`` is what was seen last; ``records`` are lines of a zone file; ``action`` is the one button
    that puts it right: (label, address)."""

    title: str
    seen: tuple[str, ...]
    seen_ago: str | None
    fix: str
    records: tuple[str, ...]
    action: tuple[str, str]


def help_for(session: Session, file: File, now: datetime, caa_identifier: str | None) -> Help | None:
    """The help for a certificate that failed or is stuck, ``None`` where nothing is to be put right.

    ``caa_identifier`` is our name in CAA records, ``None`` where this desk looks at no domains.
    """
    certificate = file.certificate
    control = session.get(DomainControl, certificate.submission_id) if certificate.submission_id else None
    showing = showing_of(session, certificate)
    match certificate.state:
        case State.PENDING if now - certificate.created_at >= LONG and control is None:
            return _csr(file)
        case State.FAILED:
            return _failed(file, control, now, caa_identifier)
        case State.SUBMITTED | State.VERIFIED if showing is not None and caa_identifier is not None:
            return _stuck(file, showing, now, caa_identifier)
    return None


def _csr(file: File) -> Help:
    return Help(
        title=_("Is it the CSR?"),
        seen=(),
        seen_ago=None,
        fix=_(
            "One command on your server makes it. We show the command for exactly your names, and check what it made."
        ),
        records=(),
        action=(_("Show me the command"), url_for("certificates.submit", certificate_id=file.certificate.id)),
    )


def _failed(file: File, control: DomainControl | None, now: datetime, caa_identifier: str | None) -> Help:
    again = (_("Submit again"), url_for("certificates.submit", certificate_id=file.certificate.id))
    seen, seen_ago = _seen(control, now)
    problem = (words().retell(file.certificate.problem),) if file.certificate.problem else ()
    if control is not None and control.caa_problem and caa_identifier is not None:
        fix = _("Add this CAA record, or remove those that are there. Then submit again.")
        return Help(
            _("It may be one record"), seen or problem, seen_ago, fix, _caa_records(file, caa_identifier), again
        )
    if control is not None and control.held_at is None:
        fix = _(
            "Submit again: you get a new value for the TXT record or the file. Set it, and leave it there until the "
            "certificate is issued. We look every few minutes and say what we see."
        )
        return Help(_("It may be one record"), seen or problem, seen_ago, fix, (), again)
    fix = _(
        "Put right what stands here, then submit again. If it is about the key: make a new CSR with a new key. We show "
        "the command, and check the CSR before it is handed in."
    )
    return Help(_("A new CSR may be all it takes"), problem, None, fix, (), again)


def _stuck(file: File, showing: Showing, now: datetime, caa_identifier: str) -> Help | None:
    control = showing.control
    if control is None or showing.mover is not Mover.CUSTOMER:
        # Nothing is there to be set yet, or nothing any more.
        return None
    details = url_for("certificates.details", certificate_id=file.certificate.id, _anchor="domain-control")
    seen, seen_ago = _seen(control, now)
    if showing.is_forbidden:
        fix = _("Add this CAA record, or remove those that are there. We look again by ourselves.")
        return Help(
            _("It waits for one record"), seen, seen_ago, fix, _caa_records(file, caa_identifier), _see(details)
        )
    lines = _records(showing)
    if not lines:
        fix = _("Put the file on your web server. We look again by ourselves; after that you need do nothing.")
        return Help(_("It waits for one file"), seen, seen_ago, fix, (), _see(details))
    fix = ngettext(
        "Set this TXT record. We look again by ourselves; after that you need do nothing.",
        "Set these TXT records. We look again by ourselves; after that you need do nothing.",
        len(lines),
    )
    title = ngettext("It waits for one record", "It waits for {count} records", len(lines))
    return Help(title, seen, seen_ago, fix, lines, _see(details))


def _records(showing: Showing) -> tuple[str, ...]:
    """What is to be set, as lines of a zone file: the desk's own record, or those that an authority asks for."""
    if showing.challenge is not None:
        return (showing.challenge.zone_line,)
    asked = asked_names(showing.proof.challenges) if showing.proof else []
    return tuple(one.zone_line for one in asked if one.record)


def _see(details: str) -> tuple[str, str]:
    return _("See what to set"), details


def _seen(control: DomainControl | None, now: datetime) -> tuple[tuple[str, ...], str | None]:
    """What the latest look saw, and how long ago that was."""
    if control is None or control.checked_at is None:
        return (), None
    found = [sighting_words(one) for one in control.seen if not one.held]
    if control.caa_problem:
        found.append(words().retell(control.caa_problem))
    return tuple(found), ago(now - control.checked_at)


def _caa_records(file: File, caa_identifier: str) -> tuple[str, ...]:
    """The records that let us issue (RFC 8659, section 4)."""
    names = file.certificate.names
    domain = names[0].removeprefix("*.")
    wild = any(name.startswith("*.") for name in names)
    lines = [f'{domain}. 300 IN CAA 0 issue "{caa_identifier}"']
    if wild:
        lines.append(f'{domain}. 300 IN CAA 0 issuewild "{caa_identifier}"')
    return tuple(lines)
