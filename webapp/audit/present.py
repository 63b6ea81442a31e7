"""The audit trail in words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import url_for

from certlifecycle import Event, Role, State, phrase
from webapp.audit.chain import HISTORY
from webapp.audit.models import AuditKind
from webapp.audit.search import Entry, Trail, TrailPage
from webapp.certificates.models import Channel
from webapp.certificates.names import display_name
from webapp.certificates.present import CHANNEL_WORDS, revocation_words
from webapp.wording import HAPPENED, ROLE_WORDS, Vocabulary, _, actor_name, happened, words

KIND_WORDS = Vocabulary(
    {
        AuditKind.SIGNED_IN: phrase("Signed in"),
        AuditKind.SIGN_IN_REFUSED: phrase("Sign-in refused"),
        AuditKind.SIGNED_OUT: phrase("Signed out"),
        AuditKind.SIGNED_OUT_EVERYWHERE: phrase("Signed out everywhere"),
        AuditKind.PASSWORD_CHANGED: phrase("Password changed"),
        AuditKind.AUTHENTICATOR_ADDED: phrase("Authenticator app set up"),
        AuditKind.AUTHENTICATOR_REMOVED: phrase("Authenticator app removed"),
        AuditKind.RECOVERY_CODES_MADE: phrase("New recovery codes"),
        AuditKind.PASSKEY_ADDED: phrase("Passkey added"),
        AuditKind.PASSKEY_REMOVED: phrase("Passkey removed"),
        AuditKind.RECOVERY_ASKED: phrase("Link for a new password asked for"),
        AuditKind.PASSWORD_RESET: phrase("Password replaced by a link"),
        AuditKind.PROVIDER_LINKED: phrase("Organisation’s sign-in linked"),
        AuditKind.PROVIDER_UNLINKED: phrase("Organisation’s sign-in unlinked"),
        AuditKind.ROLE_CHANGED: phrase("Role changed"),
        AuditKind.PROVED_AGAIN: phrase("Confirmed who they are"),
        AuditKind.ACCOUNT_ADDED: phrase("Account added"),
        AuditKind.ORGANISATION_FOUNDED: phrase("Organisation founded"),
        AuditKind.ORGANISATION_RENAMED: phrase("Organisation renamed"),
        AuditKind.ORGANISATION_CLOSED: phrase("Organisation closed"),
        AuditKind.MEMBER_INVITED: phrase("Somebody invited to an organisation"),
        AuditKind.INVITATION_WITHDRAWN: phrase("Invitation withdrawn"),
        AuditKind.MEMBER_JOINED: phrase("Somebody joined an organisation"),
        AuditKind.MEMBER_LEFT: phrase("Somebody left an organisation"),
        AuditKind.MEMBER_REMOVED: phrase("Member removed from an organisation"),
        AuditKind.OWNER_MADE: phrase("Member made an owner"),
        AuditKind.OWNER_UNMADE: phrase("Owner made a member"),
        AuditKind.RIGHTS_CHANGED: phrase("Role or rights changed"),
        AuditKind.SECOND_FACTOR_TAKEN_OFF: phrase("Second factor taken off for somebody who had lost it"),
        AuditKind.ACCOUNT_DELETED: phrase("Account deleted"),
        AuditKind.PERSONAL_DATA_ERASED: phrase("Personal data emptied in earlier entries"),
        AuditKind.POLICY_IN_FORCE: phrase("Another refund policy is in force"),
        AuditKind.JOB_STARTED: phrase("Job started"),
        AuditKind.JOB_STOPPED: phrase("Job stopped"),
        AuditKind.JOB_FILE_FETCHED: phrase("File of a job downloaded"),
        AuditKind.CERTIFICATE_FETCHED: phrase("Certificate downloaded"),
        AuditKind.CA_KEYS_ENCRYPTED: phrase("Keys of the certificate authority encrypted"),
        AuditKind.BANK_FILE_MADE: phrase("Bank file made"),
        AuditKind.BANK_FILE_DOWNLOADED: phrase("Bank file downloaded"),
        AuditKind.BANK_REPORT_TAKEN_IN: phrase("Report of the bank taken in"),
        AuditKind.COMPARISON_ASKED: phrase("Comparison with a provider asked for"),
        AuditKind.BALANCE_TOPPED_UP: phrase("Balance topped up"),
        AuditKind.AUDIT_EXPORTED: phrase("Audit trail exported"),
    }
)
"""What somebody did, as a list of acts names it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as the page shows it; ``about`` is what it was about and where that is shown, if it has a page."""

    position: int
    at: datetime
    what: str
    who: str
    about: str
    url: str | None
    said: str
    address: str
    details: str


@dataclass(frozen=True, slots=True)
class TrailView:
    """The page: the entries, the addresses of its neighbours, and the choices of what can have happened."""

    trail: Trail
    rows: Sequence[Row]
    newer: str | None
    older: str | None
    export_url: str
    clear_url: str | None
    groups: Sequence[tuple[str, Sequence[tuple[str, str]]]]


def trail_view(trail: Trail, page: TrailPage) -> TrailView:
    """Word a page."""
    return TrailView(
        trail=trail,
        rows=[_row(entry) for entry in page.entries],
        newer=url_for("audit.trail", **trail.args, before=page.newer) if page.newer is not None else None,
        older=url_for("audit.trail", **trail.args, after=page.older) if page.older is not None else None,
        export_url=url_for("audit.export", **trail.args),
        clear_url=url_for("audit.trail") if trail.args else None,
        groups=(
            (_("Certificates and refunds"), [(str(kind), HAPPENED[kind]) for kind in HAPPENED]),
            (_("Everything else"), [(kind.value, KIND_WORDS[kind]) for kind in KIND_WORDS]),
        ),
    )


def _row(entry: Entry) -> Row:
    about, url = _about(entry)
    return Row(
        position=entry.position,
        at=entry.at,
        what=_what(entry),
        who=_who(entry),
        about=about,
        url=url,
        said=_said(entry),
        address=entry.address,
        details=_details(entry.facts),
    )


def _what(entry: Entry) -> str:
    if entry.source == HISTORY and entry.kind in HAPPENED:
        return happened(entry.kind, State(entry.to_state or State.PENDING))
    # A newer version may have written kinds that this one has no words for.
    return KIND_WORDS[AuditKind(entry.kind)] if entry.kind in set(AuditKind) else entry.kind


def _who(entry: Entry) -> str:
    if entry.actor_role is None:
        return _("Somebody unknown")
    name = actor_name(entry.actor_name)
    if entry.actor_role != Role.SYSTEM:
        name = _("{name} ({role})", name=name, role=ROLE_WORDS[Role(entry.actor_role)])
    channel = CHANNEL_WORDS[Channel(entry.channel)]
    return _("{who}, {channel}", who=name, channel=_(channel)) if channel else name


def _about(entry: Entry) -> tuple[str, str | None]:
    if entry.certificate_id is None or entry.domain is None:
        return ("", None) if entry.source == HISTORY else (entry.said, None)
    domain = display_name(entry.domain)
    url = url_for("certificates.details", certificate_id=entry.certificate_id)
    if entry.refund_number is None:
        return domain, url
    return _("{domain}, refund {number}", domain=domain, number=entry.refund_number), url


def _said(entry: Entry) -> str:
    if entry.source != HISTORY:
        return ""
    return revocation_words(entry.said) if entry.kind == Event.REVOKE else words().retell(entry.said)


def _details(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=1, sort_keys=True) if facts else ""


COLUMNS = (
    "entry",
    "at",
    "what",
    "who",
    "role",
    "about",
    "certificate",
    "refund",
    "reason",
    "channel",
    "address",
    "facts",
)
"""The heads of the exported file."""


def cells(entry: Entry) -> list[str]:
    """An entry as machines read it, in the order of :data:`COLUMNS`."""
    is_history = entry.source == HISTORY
    return [
        str(entry.position),
        entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        entry.kind,
        entry.actor_name,
        str(entry.actor_role or ""),
        (entry.domain or "") if is_history else entry.said,
        entry.certificate_id or "",
        entry.refund_number or "",
        entry.said if is_history else "",
        str(entry.channel),
        entry.address,
        json.dumps(entry.facts, ensure_ascii=False, sort_keys=True) if entry.facts else "",
    ]
