"""What a certificate's page shows about the control of its domain. The template only lays it out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from certlifecycle import State, phrase
from webapp.authorities.acme_orders import ShownProof
from webapp.authorities.port import Challenge as Asked
from webapp.catalogue import suffices_automatically
from webapp.certificates.names import display_name
from webapp.desk import File
from webapp.domaincontrol.models import DomainControl, Finding, Method
from webapp.domaincontrol.showing import Showing
from webapp.domaincontrol.tokens import Challenge
from webapp.effects.patience import Patience
from webapp.wording import Vocabulary, _, ngettext, words

CHECK_AGAIN_AFTER = timedelta(seconds=10)
"""How long after a look the next one may be asked for by hand."""

METHOD_WORDS = Vocabulary({Method.DNS_TXT: phrase("TXT record"), Method.HTTP_TOKEN: phrase("File")})


@dataclass(frozen=True, slots=True)
class FindingView:
    """What the latest look saw by one method."""

    label: str
    words: str
    held: bool


@dataclass(frozen=True, slots=True)
class AskedName:
    """What one name has to show to a certificate authority that looks itself, in one of the ways that it offers."""

    domain: str
    record: Asked | None
    file: Asked | None

    @property
    def zone_line(self) -> str:
        """The record as a line of a zone file (RFC 1035, section 5.1)."""
        return f'{self.record.location}. 300 IN TXT "{self.record.value}"' if self.record else ""


@dataclass(frozen=True, slots=True)
class ControlView:
    """Everything that ``certificates/_domain_control.html`` shows.

    ``challenge`` is the desk's own; it is missing once control was shown, before there is a value, and while a
    certificate authority asks for ``asked`` instead. ``by_authority`` says that one has the order that wants to see
    control itself, ``is_renewed`` that it asks for other values than at first. ``checked`` tells when the latest look
    was and by how many resolvers. ``until`` is when looking ends. ``held_by`` and ``held_at`` tell how and when control
    was shown. ``asks_customer`` says that something has to be published, ``key`` is another whenever that changes.
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
    asked: list[AskedName]
    by_authority: bool
    is_approved: bool
    is_renewed: bool
    asks_customer: bool
    key: str


def control_view(file: File, showing: Showing | None, now: datetime, patience: Patience) -> ControlView | None:
    """The view for a submitted certificate, and for an approved one whose authority still asks for proof.

    ``None`` for any other. ``patience`` says how long the desk looks.
    """
    if showing is None:
        return None
    certificate, control, proof = file.certificate, showing.control, showing.proof
    product, since = file.purchase.product, certificate.state_since
    by_authority, is_ours = showing.by_authority, showing.is_ours
    is_approved = certificate.state == State.VERIFIED
    if is_approved and not showing.is_asked:
        return None
    held_at = control.held_at if control else None
    is_due = certificate.due_at is not None
    challenge = showing.challenge
    asked = asked_names(proof.challenges) if proof else []
    return ControlView(
        certificate_id=certificate.id,
        version=certificate.version,
        domain=display_name(certificate.domain.removeprefix("*.")),
        challenge=challenge,
        findings=_findings(control, proof),
        checked=_checked(control, now) if control else None,
        held_by=METHOD_WORDS[Method(control.held_by)] if control and control.held_by else None,
        held_at=held_at,
        caa_problem=words().retell(control.caa_problem) if control and control.caa_problem else None,
        next_step=_step_by_authority(file, held_at is not None, proof)
        if by_authority and not challenge
        else _next_step(held_at is not None, bool(control and control.caa_problem), _is_automatic(file)),
        # While the authority has asked for nothing yet, no time runs.
        until=patience.ends_at(control, product, showing.state, since)
        if control and is_due and (asked or is_ours)
        else None,
        can_check_now=is_due and bool(asked or is_ours) and not _was_just_checked(control, now),
        asked=asked,
        by_authority=by_authority,
        is_approved=is_approved,
        is_renewed=bool(asked and proof and proof.is_renewed),
        asks_customer=showing.asks_customer,
        key=_key_of(challenge, asked),
    )


def _is_automatic(file: File) -> bool:
    return suffices_automatically(file.purchase.product)


def asked_names(challenges: Sequence[Asked]) -> list[AskedName]:
    """What an authority asks for, name by name."""
    names = sorted({one.domain for one in challenges})

    def way(domain: str, kind: str) -> Asked | None:
        return next((one for one in challenges if (one.domain, one.kind) == (domain, kind)), None)

    return [AskedName(display_name(name), way(name, "dns-01"), way(name, "http-01")) for name in names]


def _findings(control: DomainControl | None, proof: ShownProof | None) -> list[FindingView]:
    if proof is None or proof.is_ready:
        seen = control.seen if control else ()
        return [FindingView(METHOD_WORDS[one.method], words().retell(one.words), one.held) for one in seen]
    several = len({one.domain for one in proof.challenges} | {name for name, _way in proof.proved}) > 1
    settled = [
        FindingView(display_name(name), _("The certificate authority has seen that it is yours."), True)
        for name, _way in proof.proved
    ]
    # Records before files, as the instructions have them.
    ordered = sorted(proof.challenges, key=lambda one: one.kind)
    looked = [
        FindingView(_label(one, several=several), words().retell(one.finding), one.seen)
        for one in ordered
        if one.finding
    ]
    return settled + looked


def sighting_words(seen: Finding) -> str:
    """What one look saw, with the way that it went: ``File: no such page.``"""
    return _("{label}: {value}", label=METHOD_WORDS[seen.method], value=words().retell(seen.words))


def _label(asked: Asked, *, several: bool) -> str:
    """What was looked at; for which name, where there are several."""
    name = display_name(asked.domain)
    if asked.kind == "dns-01":
        return _("TXT record for {name}", name=name) if several else METHOD_WORDS[Method.DNS_TXT]
    return _("File for {name}", name=name) if several else METHOD_WORDS[Method.HTTP_TOKEN]


def _key_of(challenge: Challenge | None, asked: Sequence[AskedName]) -> str:
    values = [challenge.token] if challenge else []
    values += [way.value for one in asked for way in (one.record, one.file) if way]
    return sha256(" ".join(values).encode()).hexdigest()[:12] if values else ""


def _step_by_authority(file: File, held: bool, proof: ShownProof | None) -> str:
    if held:
        return _next_step(held=True, caa_forbids=False, automatic=_is_automatic(file))
    if proof is None or not proof.is_placed:
        return _("We are asking the certificate authority what your domain has to show; you need do nothing.")
    if not proof.challenges:
        return _("We have seen the value, and the certificate authority is looking now; you need do nothing.")
    if file.certificate.state == State.VERIFIED:
        return _(
            "As soon as we see the value we have the certificate authority look. When it has seen it too, it issues "
            "the certificate. You need not come back for it."
        )
    if _is_automatic(file):
        return _(
            "As soon as we see the value we have the certificate authority look. When it has seen it too, we approve "
            "it and the certificate is issued. You need not come back for it."
        )
    return _(
        "As soon as we see the value we have the certificate authority look. When it has seen it too, a reviewer "
        "looks at your organisation."
    )


def _checked(control: DomainControl, now: datetime) -> str | None:
    if control.checked_at is None:
        return None
    asked = max((finding.asked for finding in control.seen), default=0)
    past = ago(now - control.checked_at)
    if not asked:
        return _("Checked {ago}.", ago=past)
    return ngettext("Checked {ago} by {count} resolver.", "Checked {ago} by {count} resolvers.", asked, ago=past)


def _was_just_checked(control: DomainControl | None, now: datetime) -> bool:
    return control is not None and control.checked_at is not None and now - control.checked_at < CHECK_AGAIN_AFTER


def _next_step(held: bool, caa_forbids: bool, automatic: bool) -> str:
    if caa_forbids:
        changes = _("Change the CAA records as said above. We look again by ourselves.")
        both = _("It needs both, the value and CAA records that let us issue.")
        return changes if held else words().sentences(both, changes)
    if held and automatic:
        return _("We approve it in a moment; you need do nothing.")
    if held:
        return _("A reviewer looks at your organisation next; you need do nothing.")
    if automatic:
        return _(
            "As soon as we see the value we approve it and the certificate is issued. You need not come back for it."
        )
    return _("As soon as we see the value a reviewer looks at your organisation.")


def ago(past: timedelta) -> str:
    """``40 s ago``, ``3 min ago``, ``2 h ago``, ``4 days ago``: rounded down; never in the future."""
    seconds = max(0, int(past.total_seconds()))
    if seconds >= 2 * 86400:
        return _("{count} days ago", count=seconds // 86400)
    if seconds >= 3600:
        return _("{count} h ago", count=seconds // 3600)
    if seconds >= 60:
        return _("{count} min ago", count=seconds // 60)
    return _("{count} s ago", count=seconds)
