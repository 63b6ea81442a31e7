"""Fetching jobs and their results for whoever may see them: those who asked, and admins."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import Select

from certlifecycle import Role
from webapp.accounts.models import Account
from webapp.columns import UtcDateTime
from webapp.errors import NotFound
from webapp.jobs.models import Job, JobItem, Outcome
from webapp.wording import _

PAGE_SIZE = 20
ITEMS_ON_A_PAGE = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """A job in a list, and who asked for it; ``None`` where the desk itself did."""

    job: Job
    owner: Account | None


@dataclass(frozen=True, slots=True)
class JobsPage:
    """A page of the list; ``newer`` and ``older`` are the ids to continue from, ``None`` where there is no more."""

    rows: tuple[Listed, ...]
    newer: str | None
    older: str | None


@dataclass(frozen=True, slots=True)
class Items:
    """A page of a job's results, the number of that page, and of how many."""

    rows: Sequence[JobItem]
    page: int
    pages: int
    only_failed: bool


def visible_to(viewer: Account) -> sa.ColumnElement[bool]:
    """The jobs somebody may see: their own, admins all."""
    return sa.true() if viewer.role == Role.ADMIN else col(Job.owner_id) == viewer.id


def job_of(session: Session, job_id: str, viewer: Account) -> Listed:
    """One job; raises :class:`~webapp.errors.NotFound` also for somebody else's."""
    found = session.exec(_listed().where(Job.id == job_id, visible_to(viewer))).first()
    if found is None:
        raise NotFound(_("There is no such job."))
    return Listed(*found)


def jobs_of(session: Session, viewer: Account, *, after: str | None = None, before: str | None = None) -> JobsPage:
    """The jobs somebody may see, the newest first: those older than the job ``after``, or newer than ``before``."""
    mine = _listed().where(visible_to(viewer)).limit(PAGE_SIZE + 1)
    anchor = session.exec(select(Job).where(Job.id == (after or before), visible_to(viewer))).first()
    backwards = anchor is not None and after is None
    place = sa.tuple_(col(Job.created_at), col(Job.id))
    if anchor is not None:
        there = sa.tuple_(sa.literal(anchor.created_at, UtcDateTime()), sa.literal(anchor.id))
        mine = mine.where(place > there if backwards else place < there)
    if not backwards:
        found = session.exec(mine.order_by(col(Job.created_at).desc(), col(Job.id).desc())).all()
        return _page(found[:PAGE_SIZE], is_first=anchor is None, is_last=len(found) <= PAGE_SIZE)
    found = session.exec(mine.order_by(col(Job.created_at), col(Job.id))).all()
    if len(found) <= PAGE_SIZE:
        # The beginning is reached; a full first page is better than a short one.
        return jobs_of(session, viewer)
    return _page(found[:PAGE_SIZE][::-1], is_first=False, is_last=False)


def _listed() -> Select[Job, Account]:
    return select(Job, Account).join(Account, col(Account.id) == Job.owner_id, isouter=True)


def _page(found: Sequence[tuple[Job, Account | None]], *, is_first: bool, is_last: bool) -> JobsPage:
    rows = tuple(Listed(job, owner) for job, owner in found)
    newer = None if is_first or not rows else rows[0].job.id
    return JobsPage(rows, newer, None if is_last else rows[-1].job.id)


def under_way(session: Session, viewer: Account) -> Sequence[Job]:
    """What somebody has had begun and is not finished yet, the newest first."""
    mine = select(Job).where(Job.owner_id == viewer.id, col(Job.due_at).is_not(None))
    return session.exec(mine.order_by(col(Job.created_at).desc()).limit(20)).all()


def items_of(session: Session, job: Job, page: int | None, *, only_failed: bool) -> Items:
    """A page of results. Where none was asked for, the one where the work is; after the end, the first."""
    wanted = [col(JobItem.job_id) == job.id]
    if only_failed:
        wanted.append(col(JobItem.outcome) != Outcome.DONE)
    count = session.exec(select(func.count()).select_from(JobItem).where(*wanted)).one()
    pages = max(1, -(-count // ITEMS_ON_A_PAGE))
    if page is None:
        page = 1 if job.ended_at is not None or only_failed else job.done // ITEMS_ON_A_PAGE + 1
    page = min(max(page, 1), pages)
    rows = session.exec(
        select(JobItem)
        .where(*wanted)
        .order_by(col(JobItem.position))
        .offset((page - 1) * ITEMS_ON_A_PAGE)
        .limit(ITEMS_ON_A_PAGE)
    ).all()
    return Items(rows, page, pages, only_failed)
