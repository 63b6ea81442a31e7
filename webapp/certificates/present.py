"""What the pages about certificates show, made from rows. Templates decide nothing; they only lay it out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from markupsafe import Markup
from sqlmodel import Session

from certlifecycle import (
    REVIEWERS,
    Event,
    Money,
    Mover,
    Outlook,
    RefundPolicy,
    RevocationReason,
    Role,
    State,
    Verdict,
    phrase,
    verdict,
)
from certlifecycle.diagram import svg
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.authorities.port import REASON_SENTENCES
from webapp.certificates.actions import Action, actions, next_events
from webapp.certificates.facts import facts_of
from webapp.certificates.models import (
    DECLINE_EXCEPTION,
    PROPOSE_EXCEPTION,
    RETRY,
    Certificate,
    Channel,
    History,
    PaymentMethod,
)
from webapp.certificates.names import display_name
from webapp.certificates.path import Path, path_of
from webapp.certificates.queries import customer_name, history_of, showing_of
from webapp.desk import File
from webapp.domaincontrol.present import ControlView, control_view
from webapp.domaincontrol.showing import Showing
from webapp.due import WORK_DUE_IN
from webapp.effects.patience import Patience
from webapp.effects.words import hindered
from webapp.goodwill.present import ExceptionView, exception_view
from webapp.hindrances import Hindrance
from webapp.payments.destination import BALANCE, MEMBERS_BALANCE, Destination, destination, label_of
from webapp.retelling import Stored
from webapp.wording import ROLE_WORDS, Vocabulary, _, actor_name, happened, words

LONG_AFTER = 3
"""From which attempt on a customer is told that something takes long; a second one is nothing to worry about."""

SOON = timedelta(days=3)
"""How near a refund's deadline must be for the page to stress it."""

CHANNEL_WORDS = {
    Channel.WEB: "",
    Channel.WORKER: "",
    Channel.COMMAND_LINE: phrase("on the command line"),
    Channel.IMPORT: phrase("by import"),
    Channel.DEMO: phrase("in the demo"),
}
"""From where a change came, where that is not what everybody expects."""


REVOCATION_WORDS = Vocabulary(
    {
        RevocationReason.UNSPECIFIED: phrase("Unspecified"),
        RevocationReason.KEY_COMPROMISE: phrase("Key compromise"),
        RevocationReason.AFFILIATION_CHANGED: phrase("Affiliation changed"),
        RevocationReason.SUPERSEDED: phrase("Superseded"),
        RevocationReason.CESSATION_OF_OPERATION: phrase("Cessation of operation"),
    }
)
"""The reasons of RFC 5280, section 5.3.1, in words."""


# When the money comes back


@dataclass(frozen=True, slots=True)
class RefundView:
    """A verdict as the pages show it. ``rest`` is the part of the window that is left, 0 to 100."""

    outlook: Outlook
    sentence: str
    next_step: str | None
    deadline: datetime | None
    countdown: str | None
    rest: int | None
    soon: bool
    amount: Money
    destination: str
    is_elsewhere: bool


def time_left(until: datetime, now: datetime) -> str:
    """``12 days left``; the last instant itself still counts."""
    return words().left(until, now)


def open_until(answer: Verdict, now: datetime) -> datetime | None:
    """The deadline, while there is still something to be gained by keeping it."""
    if answer.deadline is None or answer.deadline < now:
        return None
    return answer.deadline if answer.outlook in (Outlook.NOW, Outlook.AFTER_A_STEP) else None


def mover_of(state: State, answer: Verdict, showing: Showing | None) -> Mover:
    """Whose move it is; a revoked certificate that is not paid back any more asks nothing of anybody."""
    by_showing = showing.mover if showing else None
    if by_showing is not None:
        return by_showing
    return Mover.NOBODY if state is State.REVOKED and answer.outlook is Outlook.NEVER else state.mover


def account_words(label: str, viewer: Account, payer_id: str) -> str:
    """An account as this reader would call it: what is yours to whoever paid is theirs to everybody else."""
    if viewer.role in REVIEWERS and label == BALANCE:
        return _("the customer’s balance in this shop")
    if label == BALANCE and viewer.id != payer_id:
        return words().retell(MEMBERS_BALANCE)
    return words().retell(label)


def refund_view(
    answer: Verdict, to: Destination, viewer: Account, now: datetime, policy: RefundPolicy, payer_id: str
) -> RefundView:
    """What is shown of a verdict on what ``payer_id`` paid."""
    until = open_until(answer, now)
    return RefundView(
        outlook=answer.outlook,
        sentence=words().say(answer.sentence),
        next_step=words().say(answer.next_step) if answer.next_step else None,
        deadline=until,
        countdown=time_left(until, now) if until else None,
        rest=round(100 * min(1.0, (until - now) / policy.window)) if until else None,
        soon=until is not None and until - now <= SOON,
        amount=answer.amount,
        destination=account_words(to.label, viewer, payer_id),
        is_elsewhere=to.changed,
    )


def after_revocation(file: File, now: datetime, policy: RefundPolicy) -> Verdict:
    """Whether the money would come back, were the certificate revoked at this very instant."""
    facts = facts_of(file.certificate, file.purchase, file.refund)
    return verdict(replace(facts, state=State.REVOKED, revoked_at=now), now, policy)


# The details


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the timeline. ``state`` is the one that it led to."""

    what: str
    who: str
    when: datetime
    why: str
    state: State


def timeline(session: Session, certificate_id: str, viewer: Account | None = None) -> list[Happening]:
    """All that happened to a certificate, the latest first; ``viewer`` is called "You"."""
    return [happening(row, viewer) for row in history_of(session, certificate_id)]


AMONG_REVIEWERS = frozenset({PROPOSE_EXCEPTION, DECLINE_EXCEPTION})
"""What concerns the customer only once it came to something, so that nobody hopes for what is only spoken of."""


def happening(row: History, viewer: Account | None) -> Happening:
    """One change in words; ``viewer`` is called "You"."""
    return Happening(
        what=happened(row.event, row.to_state),
        who=_who(row, viewer),
        when=row.at,
        why=_why(row, viewer),
        state=State(row.to_state),
    )


def _why(row: History, viewer: Account | None) -> str:
    if row.event == Event.REVOKE:
        return revocation_words(row.reason)
    # An administrator's reason for a retry is about the desk and what stands behind it.
    return "" if row.event == RETRY and not (viewer and viewer.role in REVIEWERS) else words().retell(row.reason)


def _who(row: History, viewer: Account | None) -> str:
    who = _("You") if viewer is not None and row.actor_id == viewer.id else actor_words(row)
    channel = CHANNEL_WORDS[Channel(row.channel)]
    return _("{who}, {channel}", who=who, channel=_(channel)) if channel else who


def actor_words(row: History) -> str:
    """Who did it, and in what capacity."""
    if row.actor_role == Role.SYSTEM:
        return actor_name(row.actor_name)
    return _("{name} ({role})", name=row.actor_name, role=ROLE_WORDS[Role(row.actor_role)])


def revocation_words(reason: str) -> str:
    """A revocation reason as a word of RFC 5280 and what it means."""
    known = RevocationReason(reason)
    return _("{reason}. {meaning}", reason=reason_label(known), meaning=_(REASON_SENTENCES[known]))


def reason_label(reason: RevocationReason) -> str:
    """``Key compromise``: the reason's name in RFC 5280, section 5.3.1, in words."""
    return REVOCATION_WORDS[reason]


def fingerprint_words(fingerprint: str) -> str:
    """A SHA-256 fingerprint as browsers and ``openssl x509 -fingerprint`` show it."""
    digits = fingerprint.replace(":", "").upper()
    return ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))


def destination_of(file: File, payable: frozenset[PaymentMethod]) -> Destination:
    """Where the money goes: what an application has frozen, else what would be chosen now."""
    if file.refund is not None and file.certificate.state != State.REJECTED:
        return Destination(PaymentMethod(file.refund.method), file.refund.destination)
    return destination(file.purchase, payable)


def headline(
    file: File,
    answer: Verdict,
    viewer: Account,
    payable: frozenset[PaymentMethod],
    control: ControlView | None = None,
) -> str:
    """What is going on and what comes next, in a sentence or two."""
    certificate, refund = file.certificate, file.refund
    state = State(certificate.state)
    if viewer.role in REVIEWERS:
        return _(state.meaning)
    match state:
        case State.PENDING:
            return _("Paid for. Hand in a CSR, and we check that the domain is yours.")
        case State.SUBMITTED if control and control.asks_customer:
            return _(
                "Show that the domain is yours, as said below. We look for it by ourselves; this page changes then."
            )
        case State.SUBMITTED if control and control.caa_problem:
            return _("The domain is yours, but its CAA records do not let us issue. Change them, as said below.")
        case State.SUBMITTED:
            return _(
                "We have your CSR and check that the domain is yours. You need do nothing; this page changes by itself."
            )
        case State.VERIFIED if control:
            return _("Approved. Show the certificate authority that the domain is yours, as said below, and it issues.")
        case State.VERIFIED:
            return _("Approved. The certificate authority is issuing it; this page changes by itself.")
        case State.FAILED:
            return (
                _("It was not issued; why stands below. Submit it again, or apply for a refund.")
                if answer.eligible
                else _("It was not issued; why stands below. Submit it again.")
            )
        case State.ISSUED if certificate.not_after:
            until = words().day(certificate.not_after)
            return _("Valid until {until}. Download it and install it on your server.", until=until)
        case State.REVOKING:
            return _("You asked for the revocation; the certificate authority has to confirm it. You need do nothing.")
        case State.REVOKED if answer.eligible:
            return _("Browsers no longer accept it. You can apply for the refund now.")
        case State.REVOKED:
            return _("Browsers no longer accept it. There is nothing left to do.")
        case State.REFUND_REQUESTED if refund:
            return _("A reviewer decides. You have the answer by {latest}.", latest=refund.latest)
        case State.REFUND_APPROVED if refund:
            return _(
                "{amount} are on their way to {destination}. Approved is not refunded: we tell you when they arrived.",
                amount=refund.amount,
                destination=Stored(destination_of(file, payable).label),
            )
        case State.REFUNDED if refund and refund.paid_at:
            return _(
                "{amount} went back to {destination} on {day}. Nothing is left to do.",
                amount=refund.amount,
                destination=Stored(refund.paid_to or refund.destination),
                day=words().day(refund.paid_at),
            )
        case State.REJECTED:
            return _("Your application was refused. See why, and what you can do now.")
    return _(state.meaning)


@dataclass(frozen=True, slots=True)
class DetailsView:
    """Everything that the page of one certificate shows."""

    file: File
    domain: str
    names: list[str]
    customer: str | None
    paid_with: str
    state: State
    mover: Mover
    headline: str
    problem_title: str | None
    problem: str
    trouble: str | None
    trouble_detail: str | None
    refund: RefundView
    actions: list[Action]
    fingerprint: str | None
    revoked_because: str | None
    path: Path
    picture: Markup
    timeline: list[Happening]
    control: ControlView | None
    exception: ExceptionView | None


def details(session: Session, file: File, viewer: Account) -> DetailsView:
    """The page of one certificate, and its living fragment."""
    desk = parts().desk
    now = desk.clock()
    certificate, purchase = file.certificate, file.purchase
    state = State(certificate.state)
    answer = desk.verdict(certificate, purchase, file.refund)
    case = desk.case(file, viewer.actor, now)
    history = history_of(session, certificate.id)
    is_reviewer = viewer.role in REVIEWERS
    happenings = [happening(row, viewer) for row in history if is_reviewer or row.event not in AMONG_REVIEWERS]
    visited = {one.state for one in happenings}
    showing = showing_of(session, certificate)
    control = domain_control(file, showing, now)
    mover = mover_of(state, answer, showing)
    origin = State(file.refund.origin) if file.refund else None
    paid_by = label_of(PaymentMethod(purchase.payment_method), purchase.payment_account)
    paid_with = account_words(paid_by, viewer, purchase.customer_id)
    return DetailsView(
        file=file,
        domain=display_name(certificate.domain),
        names=[display_name(name) for name in certificate.names],
        customer=customer_name(session, file, viewer) if is_reviewer or viewer.organisation_id else None,
        paid_with=paid_with[:1].upper() + paid_with[1:],
        state=state,
        mover=mover,
        headline=headline(file, answer, viewer, desk.payable, control),
        problem_title=_problem_title(state) if certificate.problem else None,
        problem=words().retell(certificate.problem or ""),
        trouble=_trouble(certificate, is_reviewer),
        trouble_detail=certificate.work_error if is_reviewer and certificate.due_at else None,
        refund=refund_view(answer, destination_of(file, desk.payable), viewer, now, desk.policy, purchase.customer_id),
        actions=actions(file, case, viewer),
        fingerprint=fingerprint_words(certificate.fingerprint) if certificate.fingerprint else None,
        revoked_because=revocation_words(certificate.revocation_reason) if certificate.revocation_reason else None,
        path=path_of(certificate, file.refund, history, answer, mover),
        # Drawn by the life cycle, which escapes every word in it.
        picture=Markup(svg(state, visited, next_events(case), origin=origin, word=words().show)),  # noqa: S704
        timeline=happenings,
        control=control,
        exception=exception_view(file, case) if is_reviewer else None,
    )


def domain_control(file: File, showing: Showing | None, now: datetime) -> ControlView | None:
    """How the customer shows that the domain is theirs."""
    return control_view(file, showing, now, Patience())


def _problem_title(state: State) -> str:
    return _("It could not be revoked") if state is State.ISSUED else _("Why it was not issued")


def _trouble(certificate: Certificate, is_reviewer: bool) -> str | None:
    """What holds up the step that the desk owes: the cause for reviewers, what is theirs to know for the customer."""
    if certificate.due_at is None or not certificate.work_error:
        return None
    if is_reviewer:
        hindrance = Hindrance(certificate.hindrance) if certificate.hindrance else None
        # What was said to the customer says more than the kind of it.
        told = Stored(certificate.held_up) if certificate.held_up else None
        cause = told or hindered(WORK_DUE_IN[State(certificate.state)], hindrance)
        count = certificate.attempts
        return _("{cause} Attempt {count}; the desk tries again by itself.", cause=cause, count=count)
    if certificate.held_up:
        return _("{what} We try again by ourselves.", what=Stored(certificate.held_up))
    if certificate.attempts < LONG_AFTER:
        return None
    return _("This takes longer than usual. We keep trying by ourselves; you need do nothing.")


def csr_commands(names: Sequence[str]) -> list[tuple[str, str]]:
    """How to make a key and a CSR for exactly these names with OpenSSL: (what for, command)."""
    first = names[0]
    stem = first.replace("*", "wildcard")
    # A common name has at most 64 characters (RFC 5280, appendix A.1, ub-common-name).
    subject = f"/CN={first}" if len(first) <= 64 else "/"
    alternatives = ",".join(f"DNS:{name}" for name in names)
    rest = f'-nodes -keyout {stem}.key -out {stem}.csr -subj "{subject}" -addext "subjectAltName={alternatives}"'
    return [
        (_("EC key, P-256: small and fast"), f"openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 {rest}"),
        (_("RSA key, 3072 bits: for very old clients as well"), f"openssl req -new -newkey rsa:3072 {rest}"),
    ]
