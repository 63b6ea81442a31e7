"""What is known about the control of a domain, one row for each submission."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, Session, SQLModel, col, select, update

from webapp.certificates.models import Certificate
from webapp.columns import JSON, UtcDateTime, words_of
from webapp.db import Database
from webapp.domaincontrol.tokens import LIFETIME, Challenge, domain_of, new_token
from webapp.live.signals import tell
from webapp.live.tickets import REVIEW_TOPIC, customer_topic


class Method(StrEnum):
    """How the control of a domain is shown."""

    DNS_TXT = "dns_txt"
    HTTP_TOKEN = "http_token"  # noqa: S105  # The name of the method.


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look by one method saw, in words. ``asked`` is how many resolvers were asked, ``seen_by`` how many of
    them led to the right value; ``held`` is their verdict together."""

    method: Method
    held: bool
    words: str
    seen_by: int
    asked: int


class DomainControl(SQLModel, table=True):
    """The value that one submission's domain has to show, and what was seen of it so far.

    ``held_at`` and ``held_by`` are set once, by the first look that saw the value; what happens at the domain later
    does not take it back. ``findings`` are those of the latest look, made at ``checked_at``; ``attempts`` counts the
    looks. ``caa_problem`` says why the domain's CAA records forbade the certificate at ``caa_checked_at``.

    An authority that wants to see control itself has values of its own published instead of ``token``; they are in its
    orders. Since ``given_at`` the customer has been asked for them. What such an authority has seen can lapse there, so
    it may be asked for again after it was held.
    """

    __tablename__ = "domain_control"
    __table_args__ = (
        sa.Index("ix_domain_control_certificate", "certificate_id"),
        sa.CheckConstraint("(held_at IS NULL) = (held_by IS NULL)", name="held"),
    )

    submission_id: str = Field(primary_key=True, max_length=32)
    certificate_id: str = Field(foreign_key="certificate.id", max_length=32)
    token: str = Field(max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime)
    attempts: int = 0
    checked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    findings: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    held_by: Method | None = Field(default=None, sa_type=words_of(Method, "domain_control_held_by"))
    held_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    caa_checked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    caa_problem: str | None = Field(default=None, sa_type=sa.Text)
    given_at: datetime | None = Field(default=None, sa_type=UtcDateTime)

    @property
    def seen(self) -> tuple[Finding, ...]:
        """What the latest look saw."""
        return tuple(Finding(**one | {"method": Method(one["method"])}) for one in self.findings)

    def ends_at(self, waits: timedelta) -> datetime:
        """Until when a submission is looked at, with this patience since the customer was given the value."""
        return (self.given_at or self.created_at) + min(waits, LIFETIME)

    def proof_ends_at(self, since: datetime, waits: timedelta) -> datetime:
        """The same for what an authority asks for although the submission is approved ``since`` that instant."""
        return max(self.given_at or since, since) + waits

    def challenge(self, names: list[str]) -> Challenge:
        """What is looked for, and where; raises :class:`ValueError` as :func:`~.tokens.domain_of` does."""
        domain, wildcard = domain_of(names)
        return Challenge(domain, wildcard, self.token, self.submission_id)


def new_control(submission_id: str, certificate_id: str, now: datetime) -> DomainControl:
    """A row with a fresh value, for whoever records a submission to add in the same transaction."""
    return DomainControl(
        submission_id=submission_id,
        certificate_id=certificate_id,
        token=new_token(),
        created_at=now,
    )


def open_control(database: Database, submission_id: str, certificate_id: str, now: datetime) -> DomainControl:
    """The submission's row, made now if there is none; of several who make it at once, one value stays."""
    with database.reading() as session:
        found = session.get(DomainControl, submission_id)
    if found is not None:
        return found
    try:
        with database.writing() as session:
            session.add(new_control(submission_id, certificate_id, now))
    except IntegrityError:
        # Another look made it in the meantime: its value is the one that counts.
        pass
    with database.reading() as session:
        return session.get_one(DomainControl, submission_id)


def note_look(
    database: Database,
    submission_id: str,
    now: datetime,
    findings: tuple[Finding, ...],
    held_by: Method | None,
    caa_problem: str | None,
) -> DomainControl:
    """Keep what a look saw, and return the row as it is then. Control that was shown before stays shown."""
    row = col(DomainControl.submission_id) == submission_id
    values: dict[str, Any] = {
        "attempts": DomainControl.attempts + 1,
        "checked_at": now,
        "caa_checked_at": now,
        "caa_problem": caa_problem,
    }
    if findings:
        values["findings"] = [asdict(finding) for finding in findings]
    with database.writing() as session, _telling(session, submission_id):
        session.exec(update(DomainControl).where(row).values(**values))
        if held_by is not None:
            unheld = col(DomainControl.held_at).is_(None)
            session.exec(update(DomainControl).where(row, unheld).values(held_by=held_by, held_at=now))
    with database.reading() as session:
        return session.get_one(DomainControl, submission_id)


def note_asked(
    database: Database, submission_id: str, now: datetime, findings: tuple[Finding, ...], checked_at: datetime
) -> DomainControl:
    """Keep that an authority asks the customer for its own values, what stands there, and return the row as it is then.

    Control that the authority had seen before is no longer held: it would not ask again otherwise.
    """
    row = col(DomainControl.submission_id) == submission_id
    seen = {
        "attempts": DomainControl.attempts + 1,
        "checked_at": checked_at,
        "findings": [asdict(finding) for finding in findings],
    }
    anew = sa.or_(col(DomainControl.given_at).is_(None), col(DomainControl.held_at).is_not(None))
    with database.writing() as session, _telling(session, submission_id):
        session.exec(update(DomainControl).where(row).values(**seen))
        session.exec(update(DomainControl).where(row, anew).values(given_at=now, held_at=None, held_by=None))
    with database.reading() as session:
        return session.get_one(DomainControl, submission_id)


def note_held(database: Database, submission_id: str, now: datetime, held_by: Method) -> DomainControl:
    """Keep that an authority has seen control itself, and return the row as it is then. The first time counts."""
    row = col(DomainControl.submission_id) == submission_id
    with database.writing() as session, _telling(session, submission_id):
        session.exec(
            update(DomainControl)
            .where(row, col(DomainControl.held_at).is_(None))
            .values(held_by=held_by, held_at=now, checked_at=now, findings=[])
        )
    with database.reading() as session:
        return session.get_one(DomainControl, submission_id)


MOVES = "moves"
"""The event of the stream that says that whose move it is has changed somewhere, with no change of a certificate."""


@contextmanager
def _telling(session: Session, submission_id: str) -> Iterator[None]:
    """Have whoever looks at the certificate told, where what is noted in the block makes it somebody else's move."""
    standing = select(
        DomainControl.held_at, col(DomainControl.given_at).is_(None), col(DomainControl.caa_problem).is_(None)
    ).where(DomainControl.submission_id == submission_id)
    before = session.exec(standing).first()
    yield
    if session.exec(standing).first() == before:
        return
    whose = select(Certificate.id, Certificate.holder_id).join(
        DomainControl, col(DomainControl.certificate_id) == Certificate.id
    )
    for key, holder_id in session.exec(whose.where(DomainControl.submission_id == submission_id)):
        for topic in (REVIEW_TOPIC, customer_topic(holder_id)):
            tell(session, topic, MOVES, f"certificate-{key}")


def belong_to(session: Session, submission_ids: Sequence[str], customer_id: str) -> bool:
    """Whether all of these submissions are one customer's."""
    found = session.exec(
        select(DomainControl.submission_id)
        .join(Certificate, col(Certificate.id) == DomainControl.certificate_id)
        .where(col(DomainControl.submission_id).in_(submission_ids), Certificate.customer_id == customer_id)
    ).all()
    return set(found) == set(submission_ids)
