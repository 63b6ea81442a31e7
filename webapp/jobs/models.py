"""What somebody asked for, how far it is, what came of each part of it, and the file that belongs to it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from webapp.certificates.models import Channel
from webapp.columns import JSON, UtcDateTime, new_id, words_of


class JobState(StrEnum):
    """Where a job stands. One that waits for its next turn is running, as far as people are concerned."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    """Somebody stopped it, or whoever asked for it may not have it done any more."""
    FAILED = "failed"
    """It could not be done; ``said`` tells why."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class Outcome(StrEnum):
    """What became of one part of a job."""

    DONE = "done"
    REFUSED = "refused"
    """The rules did not allow it."""
    SUPERSEDED = "superseded"
    """Somebody else was faster."""
    FAILED = "failed"
    """It could not be done, by a mistake in what was handed in or of the desk."""


class Job(SQLModel, table=True):
    """One piece of work that takes time. It is never deleted: it says who had what done, and when.

    Sentences (``title``, ``doing``, ``said``) are stored as :mod:`webapp.jobs.said` packs them, so that each reader
    has them in their own language and time zone. ``owner_id`` is empty where the desk itself asked. ``done`` counts the
    parts that were gone through, ``failed`` those among them that did not succeed; ``total`` is empty while nobody
    knows. ``once`` names the form that asked for it: sent twice, it makes one job.

    ``holder`` is the key of the queue's entry that works on it now; nobody else may write. ``attempt`` makes every
    such key new. ``due_at`` is set until the end: the instant from which the job counts as left behind. ``setbacks``
    counts failures since the last progress, and ``trouble`` holds the latest for whoever runs the desk.

    ``cursor`` is where a step goes on; ``result`` names what came of it for :mod:`webapp.jobs.kinds`. The file lies
    in :class:`JobChunk` until ``file_until``.
    """

    __tablename__ = "job"
    __table_args__ = (
        sa.CheckConstraint("done >= 0 AND failed >= 0 AND failed <= done", name="counts"),
        sa.CheckConstraint("total IS NULL OR done <= total", name="total"),
        sa.CheckConstraint("(state IN ('queued', 'running')) = (ended_at IS NULL)", name="ended"),
        sa.CheckConstraint("(ended_at IS NULL) = (due_at IS NOT NULL)", name="due"),
        sa.UniqueConstraint("once", name="uq_job_once"),
        sa.Index("ix_job_owner", "owner_id", "created_at", "id"),
        sa.Index("ix_job_created", "created_at", "id"),
        sa.Index(
            "ix_job_due",
            "due_at",
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        ),
        sa.Index(
            "ix_job_file_until",
            "file_until",
            postgresql_where=sa.text("file_until IS NOT NULL"),
            sqlite_where=sa.text("file_until IS NOT NULL"),
        ),
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    kind: str = Field(max_length=40)
    title: dict[str, Any] = Field(sa_type=JSON)
    owner_id: str | None = Field(default=None, foreign_key="account.id", max_length=32)
    channel: Channel = Field(sa_type=words_of(Channel, "job_channel"))
    address: str = Field(default="", max_length=64)
    parameters: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    once: str | None = Field(default=None, max_length=100)
    created_at: datetime = Field(sa_type=UtcDateTime)
    # How far it is
    state: JobState = Field(default=JobState.QUEUED, sa_type=words_of(JobState, "job_state"))
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    total: int | None = None
    done: int = 0
    failed: int = 0
    doing: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))
    # What came of it
    said: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))
    stopped_by: str | None = Field(default=None, foreign_key="account.id", max_length=32)
    result: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))
    file_name: str | None = Field(default=None, max_length=120)
    file_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    # How it is being done
    cursor: dict[str, Any] | None = Field(default=None, sa_type=sa.JSON(none_as_null=True))
    attempt: int = 1
    holder: str | None = Field(default=None, max_length=80)
    due_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    setbacks: int = 0
    trouble: str | None = Field(default=None, sa_type=sa.Text)


class JobItem(SQLModel, table=True):
    """One part of a job for which a result is wanted: a certificate, a line of a file.

    ``subject`` names it within the job, so that no part is there twice; ``label`` names it for people.
    """

    __tablename__ = "job_item"
    __table_args__ = (
        sa.UniqueConstraint("job_id", "subject", name="uq_job_item_subject"),
        sa.CheckConstraint("(outcome IS NULL) = (at IS NULL)", name="settled"),
    )

    job_id: str = Field(foreign_key="job.id", primary_key=True, max_length=32)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    subject: str = Field(max_length=64)
    label: str = Field(max_length=300)
    certificate_id: str | None = Field(default=None, foreign_key="certificate.id", max_length=32)
    version: int | None = None
    outcome: Outcome | None = Field(default=None, sa_type=words_of(Outcome, "job_item_outcome"))
    said: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class JobChunk(SQLModel, table=True):
    """A piece of the file that a job was given, or made; compressed with zlib. Each is written with its step."""

    __tablename__ = "job_chunk"

    job_id: str = Field(foreign_key="job.id", primary_key=True, max_length=32)
    position: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    content: bytes = Field(sa_type=sa.LargeBinary)
