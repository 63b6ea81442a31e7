"""The queue as reviewers read it, and the words that its pages share. Nothing here decides anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import url_for
from sqlmodel import Session

from certlifecycle import Event, Money, Mover, State, phrase
from webapp.access import parts
from webapp.accounts.models import Account
from webapp.catalogue import product_words
from webapp.certificates.models import BESIDE, History
from webapp.certificates.names import display_name
from webapp.certificates.queries import history_of, showings_of
from webapp.domaincontrol.showing import Showing
from webapp.review import claims
from webapp.review.due import due_words, pace
from webapp.review.late import LateGroup, late_groups
from webapp.review.models import ReviewClaim, ReviewClaimEvent
from webapp.review.queries import KIND_WORDS, KINDS, PAGE_SIZE, Kind, QueueItem
from webapp.review.queue import Claimed, Filter, QueuePage
from webapp.wording import Vocabulary, _, actor_name, happened, words

DECIDING = {Kind.VERIFICATION: Event.VERIFY, Kind.REFUND: Event.APPROVE_REFUND}
"""The event by which a case of each kind goes on."""


# Claims


@dataclass(frozen=True, slots=True)
class ClaimView:
    """Who works on a case, as one reader sees it; ``words`` is a sentence about it.

    ``standing``: free, mine, theirs, or over where the case waits for nobody.
    """

    key: str
    domain: str
    standing: str
    words: str
    id: str = ""
    holder: str = ""
    until: datetime | None = None

    @property
    def is_theirs(self) -> bool:
        """Whether somebody else works on it."""
        return self.standing == "theirs"


def claim_view(key: str, domain: str, state: State, claim: ReviewClaim | None, viewer: Account) -> ClaimView:
    """Word a claim, or that there is none."""
    shown = display_name(domain)
    if state not in KINDS:
        return ClaimView(key, shown, "over", _("It waits for no reviewer any more."))
    if claim is None:
        return ClaimView(key, shown, "free", _("Nobody has claimed it."))
    until = words().clock(claim.until)
    if claim.holder_id == viewer.id:
        return ClaimView(
            key, shown, "mine", _("Claimed by you until {until}", until=until), claim.id, claim.holder_name, claim.until
        )
    told = _("Claimed by {name} until {until}", name=claim.holder_name, until=until)
    return ClaimView(key, shown, "theirs", told, claim.id, claim.holder_name, claim.until)


def taken_over_words(event: ReviewClaimEvent) -> str:
    """Who took a case over, for whoever held it before."""
    return _("{name} took it over from you, {clock}.", name=event.actor_name, clock=words().clock(event.at))


@dataclass(frozen=True, slots=True)
class Loss:
    """A case that somebody took over from the reader."""

    domain: str
    url: str
    words: str


# The queue


@dataclass(frozen=True, slots=True)
class Row:
    """One case in the queue; ``refusal`` says why this reviewer may not decide it, ``awaits`` whose move comes before
    the reviewer's: of a submission whose domain nobody has shown yet there is little to say."""

    key: str
    version: int
    url: str
    domain: str
    kind: str
    applicant: str
    amount: Money
    since: datetime
    due_at: datetime
    countdown: str
    pace: str
    refusal: str | None
    claim: ClaimView
    awaits: Mover | None


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of the queue with its tabs: (label, address, whether chosen, how many)."""

    url: str
    text: str
    hidden: dict[str, str]
    clear_url: str | None
    rows: list[Row]
    filters: list[tuple[str, str, bool, int]]
    overdue: int
    late: list[LateGroup]
    losses: list[Loss]
    is_filtered: bool
    summary: str
    previous: str | None
    next: str | None
    all_found: int | None


def queue(session: Session, page: QueuePage, viewer: Account, now: datetime) -> Queue:
    """One page of the queue, for the page and its living part alike."""
    wanted = page.wanted
    number, found = wanted.page, page.found
    first = (number - 1) * PAGE_SIZE + 1

    tabs = [
        (_("Everything"), wanted.only()),
        (_("Verifications"), wanted.only(Kind.VERIFICATION)),
        (_("Refunds"), wanted.only(Kind.REFUND)),
        (_("Mine"), wanted.only(claim=Claimed.MINE)),
        (_("Unclaimed"), wanted.only(claim=Claimed.FREE)),
    ]
    keys = [one.waiting.certificate_id for one in page.shown]
    standing = claims.standing(session, keys, now)
    states = {one.waiting.certificate_id: State(one.file.certificate.state) for one in page.shown}
    showing = showings_of(session, states)
    return Queue(
        url=wanted.url(number),
        text=wanted.search.text,
        hidden=wanted.tab,
        clear_url=Filter(wanted.kind, wanted.claim).url() if wanted.search.text else None,
        rows=[
            _row(one, standing.get(key), showing.get(key), viewer, now)
            for key, one in zip(keys, page.shown, strict=True)
        ],
        filters=[
            (label, tab.url(), (tab.kind, tab.claim) == (wanted.kind, wanted.claim), page.count(tab, viewer))
            for label, tab in tabs
        ],
        overdue=sum(one.due_at <= now for one in page.everything),
        # What was searched for is looked at alone; the rest of the desk's trouble would only stand in the way.
        late=[] if wanted.search.text else late_groups(session, page.everything, now),
        losses=losses(session, viewer, now),
        is_filtered=bool(wanted.search.text or wanted.kind or wanted.claim),
        summary=_("{first} to {last} of {all}", first=first, last=min(first + PAGE_SIZE - 1, found), all=found),
        previous=wanted.url(number - 1) if number > 1 else None,
        next=wanted.url(number + 1) if number * PAGE_SIZE < found else None,
        all_found=found if found > PAGE_SIZE else None,
    )


def losses(session: Session, viewer: Account, now: datetime) -> list[Loss]:
    """What others took over from the reader of late."""
    return [
        Loss(
            display_name(certificate.domain),
            url_for("review.item", certificate_id=certificate.id),
            taken_over_words(event),
        )
        for event, certificate in claims.taken_from(session, viewer.actor, now)
    ]


def _row(item: QueueItem, claim: ReviewClaim | None, showing: Showing | None, viewer: Account, now: datetime) -> Row:
    certificate, purchase, refund = item.file.certificate, item.file.purchase, item.file.refund
    due_at = item.waiting.due_at
    kind = [KIND_WORDS[item.waiting.kind]]
    if item.file.approvals:
        kind.append(_("one of two approvals"))
    return Row(
        key=certificate.id,
        version=certificate.version,
        url=url_for("review.item", certificate_id=certificate.id),
        domain=display_name(certificate.domain),
        kind=" · ".join([*kind, product_words(purchase.product_name)]),
        applicant=_("You") if certificate.customer_id == viewer.id else item.customer,
        amount=refund.amount if refund else purchase.paid,
        since=item.waiting.since,
        due_at=due_at,
        countdown=due_words(due_at, now),
        pace=pace(due_at, now),
        refusal=refusal(item, viewer),
        claim=claim_view(certificate.id, certificate.domain, State(certificate.state), claim, viewer),
        awaits=showing.mover if showing else None,
    )


SHORT_REFUSALS = Vocabulary(
    {
        "own_refund": phrase("Your own application"),
        "own_certificate": phrase("Your own certificate"),
        "already_approved_by_you": phrase("Approved by you"),
        "may_not_decide": phrase("You may only look"),
        "nobody_has_decided": phrase("Not approved yet"),
        "nobody_may_pay": phrase("Waits for who sends money"),
    }
)
"""Why a reviewer may not decide, in a row; the case's page has the sentence."""


def refusal(item: QueueItem, viewer: Account) -> str | None:
    """Why this reviewer may not take the case forward, in a few words; ``None`` where they may."""
    permission = parts().desk.permissions(item.file, viewer.actor)[DECIDING[item.waiting.kind]]
    first = next(iter(permission.refusals), None)
    return SHORT_REFUSALS.get(first.code) or words().say(first.sentence) if first else None


# What happened meanwhile


DECIDED: Mapping[str, str] = Vocabulary(
    {
        Event.VERIFY: phrase("Already verified"),
        Event.FAIL_VERIFICATION: phrase("The verification was already failed"),
        Event.APPROVE_REFUND: phrase("Already approved"),
        Event.REJECT_REFUND: phrase("Already refused"),
        Event.WITHDRAW_REFUND: phrase("The application was withdrawn"),
        Event.WITHDRAW_SUBMISSION: phrase("The submission was withdrawn"),
    }
)


def news(rows: Sequence[History]) -> str | None:
    """Who did what, and when, since somebody looked; ``None`` where nobody did anything that concerns a decision."""
    told = (
        _("{happened} by {name}, {at}.", happened=_told(row), name=actor_name(row.actor_name), at=row.at)
        for row in rows
        if row.event not in BESIDE
    )
    return words().sentences(*told) or None


def _told(row: History) -> str:
    if row.event == Event.APPROVE_REFUND and row.to_state == State.REFUND_REQUESTED:
        return happened(row.event, row.to_state)
    return DECIDED.get(row.event) or happened(row.event, row.to_state)


def news_since(session: Session, certificate_id: str, version: int) -> str | None:
    """What happened since the certificate had this version. Every change made one history row and one version."""
    rows = history_of(session, certificate_id)
    return news(rows[: max(len(rows) - version, 0)][::-1])
