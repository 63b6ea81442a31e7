"""What reviewers need among themselves: claims, presence, notes, and the reasons they give often.

None of it decides anything about a certificate: the door's version check does.
"""

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from webapp.columns import UtcDateTime, new_id, words_of


class ReviewClaim(SQLModel, table=True):
    """Who works on a case, and until when others leave it to them. A claim that has run out is as good as none.

    ``id`` is new with every holder, so that a take-over can say which claim it means.
    """

    __tablename__ = "review_claim"
    __table_args__ = (sa.Index("ix_review_claim_holder", "holder_id"),)

    certificate_id: str = Field(primary_key=True, foreign_key="certificate.id", max_length=32)
    id: str = Field(default_factory=new_id, max_length=32, unique=True)
    holder_id: str = Field(foreign_key="account.id", max_length=32)
    holder_name: str = Field(max_length=200)
    since: datetime = Field(sa_type=UtcDateTime)
    until: datetime = Field(sa_type=UtcDateTime)


class ClaimAct(StrEnum):
    """What somebody did with a claim."""

    CLAIMED = "claimed"
    TAKEN_OVER = "taken_over"
    RELEASED = "released"
    DECIDED = "decided"
    PASSED_OVER = "passed_over"


class ReviewClaimEvent(SQLModel, table=True):
    """The trace of claims: who did what, when, and whose claim it was before. Append-only by trigger.

    ``from_id`` and ``from_name`` are set where another reviewer's claim was taken over or passed over.
    """

    __tablename__ = "review_claim_event"
    __table_args__ = (
        sa.Index("ix_review_claim_event_certificate", "certificate_id", "id"),
        sa.Index("ix_review_claim_event_from", "from_id", "at"),
        sa.CheckConstraint("(act IN ('taken_over', 'passed_over')) = (from_id IS NOT NULL)", name="from"),
    )

    id: int | None = Field(
        default=None,
        sa_column=sa.Column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    )
    certificate_id: str = Field(foreign_key="certificate.id", max_length=32)
    act: ClaimAct = Field(sa_type=words_of(ClaimAct, "review_claim_act"))
    actor_id: str = Field(foreign_key="account.id", max_length=32)
    actor_name: str = Field(max_length=200)
    from_id: str | None = Field(default=None, foreign_key="account.id", max_length=32)
    from_name: str | None = Field(default=None, max_length=200)
    at: datetime = Field(sa_type=UtcDateTime)


class ReviewVisit(SQLModel, table=True):
    """One page about a case that a reviewer has open; it counts as open for a moment after ``seen_at``.

    A page is left and come back to: ``stay`` numbers the times from 1, and ``is_over`` says that the last of them has
    ended. The row stays for a while, so that a sign of life that comes after the good-bye is known for what it is.
    """

    __tablename__ = "review_visit"
    __table_args__ = (sa.Index("ix_review_visit_certificate", "certificate_id", "seen_at"),)

    id: str = Field(primary_key=True, max_length=32)
    certificate_id: str = Field(foreign_key="certificate.id", max_length=32)
    account_id: str = Field(foreign_key="account.id", max_length=32)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    stay: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    is_over: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})


class ReviewNote(SQLModel, table=True):
    """What a reviewer wrote for other reviewers. No customer ever reads it. Append-only by trigger.

    ``event`` is the decision that it was written with, empty where it was written by itself.
    """

    __tablename__ = "review_note"
    __table_args__ = (
        sa.Index("ix_review_note_certificate", "certificate_id", "at"),
        sa.CheckConstraint("length(text) > 0", name="text"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    certificate_id: str = Field(foreign_key="certificate.id", max_length=32)
    author_id: str = Field(foreign_key="account.id", max_length=32)
    author_name: str = Field(max_length=200)
    event: str = Field(default="", max_length=40)
    text: str = Field(sa_type=sa.Text)
    at: datetime = Field(sa_type=UtcDateTime)


class ReasonKind(StrEnum):
    """What a reason is given for."""

    FAIL = "fail"
    REJECT = "reject"


class ReasonTemplate(SQLModel, table=True):
    """A reason that reviewers give often, as the customer reads it; ``instructions`` say what to do then.

    A retired one is offered no more and can be brought back. ``version`` counts the changes.
    """

    __tablename__ = "reason_template"
    __table_args__ = (
        sa.Index("ix_reason_template_kind", "kind", "position"),
        sa.CheckConstraint("length(label) > 0 AND length(reason) > 0", name="words"),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    kind: ReasonKind = Field(sa_type=words_of(ReasonKind, "reason_template_kind"))
    label: str = Field(max_length=80)
    reason: str = Field(sa_type=sa.Text)
    instructions: str = Field(default="", sa_type=sa.Text)
    position: int = 0
    version: int = 1
    updated_at: datetime = Field(sa_type=UtcDateTime)
    updated_by: str = Field(default="", max_length=200)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
