"""Where an exception from the refund policy stands, as reviewers read it."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from certlifecycle import Case, Refusal, Rule, State, verdict
from certlifecycle.waivers import LASTS, in_force, may_agree, may_decline, may_propose
from webapp.certificates.models import Certificate
from webapp.certificates.names import display_name
from webapp.desk import File
from webapp.goodwill.granting import open_proposal
from webapp.wording import words

SHOWN = 20


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """What there is: nothing, a proposal, or an exception that was granted; and what this reader may do, or why not.

    ``answer`` is what the policy says by itself. ``is_open`` is whether an exception can be made at all, ``until``
    when what there is ends.
    """

    answer: str
    proposal: str | None
    reason: str
    proposed_by: str
    agreed_by: str | None
    until: datetime | None
    pays_all: bool
    must_revoke: bool
    is_open: bool
    why_not_propose: str | None
    why_not_agree: str | None
    why_not_decline: str | None

    @property
    def is_of_interest(self) -> bool:
        """Whether a certificate's page has to speak of it."""
        return self.is_open or self.proposal is not None or self.agreed_by is not None


def exception_view(file: File, case: Case) -> ExceptionView:
    """What stands on a certificate, and what whoever asks may do about it."""
    certificate = file.certificate
    waiting = open_proposal(certificate, case.now)
    answer = verdict(case.facts, case.now, case.policy)
    granted = in_force(case)
    kept = certificate.waiver or {}
    shown = waiting or (kept if granted else {})
    proposed_at = certificate.waiver_proposed_at
    refusals = may_propose(case)
    proposer = str(shown.get("proposer", ""))
    return ExceptionView(
        answer=words().say(answer.sentence),
        proposal=waiting["id"] if waiting else None,
        reason=str(shown.get("reason", "")),
        proposed_by=str(shown.get("proposed_by", "")),
        agreed_by=granted.agreed_by if granted else None,
        until=granted.until if granted else proposed_at + LASTS if waiting and proposed_at else None,
        pays_all=bool(shown.get("pays_all", answer.rule is Rule.NOTHING_TO_PAY_BACK)),
        must_revoke=case.facts.state is State.ISSUED,
        is_open=not refusals,
        why_not_propose=_words(refusals),
        why_not_agree=_words(may_agree(case, proposer)) if waiting else None,
        why_not_decline=_words(may_decline(case, proposer)) if waiting else None,
    )


def _words(refusals: tuple[Refusal, ...]) -> str | None:
    return words().sentences(*(one.sentence for one in refusals)) or None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that waits for somebody to agree, as a line of a list."""

    certificate_id: str
    domain: str
    proposed_by: str
    reason: str


def waiting(session: Session, now: datetime) -> list[Waiting]:
    """The proposals that wait for a second person, the oldest first."""
    wanted = select(Certificate).where(col(Certificate.waiver_proposed_at) >= now - LASTS)
    rows = session.exec(wanted.order_by(col(Certificate.waiver_proposed_at), col(Certificate.id)).limit(SHOWN)).all()
    return [
        Waiting(one.id, display_name(one.domain), one.waiver["proposed_by"], one.waiver["reason"])
        for one in rows
        if one.waiver is not None
    ]
