"""What the pages of jobs show, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from flask import url_for

from webapp.accounts.models import Account
from webapp.jobs.kinds import KINDS, Kind, Link
from webapp.jobs.models import Job, JobItem, JobState, Outcome
from webapp.jobs.queries import Items, JobsPage, Listed
from webapp.jobs.said import unpack
from webapp.wording import _, lazy, words

Chip = tuple[str, str, bool, int | None]


@dataclass(frozen=True, slots=True)
class Standing:
    """A word about where something stands, looked up when it is shown, with how it looks."""

    label: str
    tone: str
    mark: str


STANDINGS = {
    JobState.QUEUED: Standing(lazy("Waiting for its turn"), "neutral", "clock"),
    JobState.RUNNING: Standing(lazy("In progress"), "progress", "cog"),
    JobState.FINISHED: Standing(lazy("Finished"), "good", "circle-check"),
    JobState.STOPPED: Standing(lazy("Stopped"), "neutral", "ban"),
    JobState.FAILED: Standing(lazy("Did not work"), "bad", "circle-x"),
}
NOT_ALL = Standing(lazy("Finished, but not everything"), "warn", "triangle-alert")

OUTCOMES = {
    None: Standing(lazy("Not yet"), "neutral", "clock"),
    Outcome.DONE: Standing(lazy("Done"), "good", "check"),
    Outcome.REFUSED: Standing(lazy("Refused"), "bad", "x"),
    Outcome.SUPERSEDED: Standing(lazy("Somebody was faster"), "warn", "triangle-alert"),
    Outcome.FAILED: Standing(lazy("Failed"), "bad", "circle-alert"),
}
LEFT = Standing(lazy("Left as it is"), "neutral", "minus")
"""A part that the job did not come to before it ended."""


@dataclass(frozen=True, slots=True)
class Bar:
    """How far it is. ``total`` is ``None`` while nobody knows how much there is."""

    done: int
    total: int | None
    text: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One result."""

    key: str
    label: str
    url: str | None
    standing: Standing
    said: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class JobView:
    """The page of one job. ``here`` is its address with what the reader chose to see."""

    job: Job
    here: str
    title: str
    standing: Standing
    bar: Bar
    doing: str
    said: str
    asked_by: str
    is_mine: bool
    is_live: bool
    stopping: str
    onward: Link | None
    facts: list[tuple[str, str]]
    lists_problems_only: bool
    filters: list[Chip]
    items: list[ItemRow]
    page: int
    pages: int
    previous: str | None
    next: str | None
    has_file: bool
    had_file: bool


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job in the list."""

    job: Job
    title: str
    standing: Standing
    bar: Bar
    asked_by: str


@dataclass(frozen=True, slots=True)
class JobList:
    """The list; it is live while something in it is under way."""

    rows: list[JobRow]
    newer: str | None
    older: str | None
    is_live: bool


def job_view(listed: Listed, items: Items, viewer: Account) -> JobView:
    """One job as its page shows it."""
    job, kind = listed.job, KINDS[listed.job.kind]
    ended = job.ended_at is not None
    pick: dict[str, object] = {"show": "failed"} if items.only_failed else {}
    return JobView(
        job=job,
        here=_here(job, pick),
        title=title_of(job),
        standing=standing_of(job),
        bar=bar_of(job),
        doing=words().say(unpack(job.doing)) if job.doing else "",
        said=words().say(unpack(job.said)) if job.said else "",
        asked_by=_asked_by(listed),
        is_mine=job.owner_id == viewer.id,
        is_live=not ended,
        stopping=_(kind.stopping),
        onward=kind.onward(job) if job.state == JobState.FINISHED else None,
        facts=[(_(label), words().say(value)) for label, value in kind.facts(job)],
        lists_problems_only=kind.lists_problems_only,
        filters=_filters(job, items),
        items=[_item(one, kind, ended=ended) for one in items.rows],
        page=items.page,
        pages=items.pages,
        previous=_here(job, pick | {"page": items.page - 1}) if items.page > 1 else None,
        next=_here(job, pick | {"page": items.page + 1}) if items.page < items.pages else None,
        has_file=has_file(job),
        had_file=kind.makes_file and job.state == JobState.FINISHED and job.file_until is None,
    )


def job_list(page: JobsPage) -> JobList:
    """The list of jobs."""
    rows = [
        JobRow(one.job, title_of(one.job), standing_of(one.job), bar_of(one.job), _asked_by(one)) for one in page.rows
    ]
    return JobList(rows, page.newer, page.older, any(one.job.ended_at is None for one in page.rows))


def title_of(job: Job) -> str:
    """What was asked for."""
    return words().say(unpack(job.title))


def standing_of(job: Job) -> Standing:
    """Where the job stands, in a word or two."""
    if job.state == JobState.FINISHED and job.failed:
        return NOT_ALL
    return STANDINGS[JobState(job.state)]


def bar_of(job: Job) -> Bar:
    """How far the job is."""
    done = words().number(job.done)
    if job.total is not None:
        return Bar(job.done, job.total, _("{done} of {total}", done=done, total=words().number(job.total)))
    if job.ended_at is not None:
        # A bar that goes on moving would say that something goes on.
        return Bar(job.done, job.done + 1, _("Ended before it was counted"))
    return Bar(job.done, None, _("{count} so far", count=done) if job.done else _("Not counted yet"))


def has_file(job: Job) -> bool:
    """Whether the job made a file that is still kept."""
    return KINDS[job.kind].makes_file and job.state == JobState.FINISHED and job.file_until is not None


def _asked_by(listed: Listed) -> str:
    return listed.owner.name if listed.owner else _("The desk itself")


def _here(job: Job, query: Mapping[str, object]) -> str:
    here = url_for("jobs.details", job_id=job.id)
    return f"{here}?{urlencode(query)}" if query else here


def _filters(job: Job, items: Items) -> list[Chip]:
    is_one_sided = KINDS[job.kind].lists_problems_only
    if is_one_sided or not (job.failed or items.only_failed):
        return []
    return [
        (_("All"), _here(job, {}), not items.only_failed, job.total),
        (_("Not done"), _here(job, {"show": "failed"}), items.only_failed, job.failed),
    ]


def _item(item: JobItem, kind: Kind, *, ended: bool) -> ItemRow:
    url = url_for("certificates.details", certificate_id=item.certificate_id) if item.certificate_id else None
    outcome = Outcome(item.outcome) if item.outcome else None
    return ItemRow(
        key=f"item-{item.position}",
        label=words().say(kind.label(item)),
        url=url,
        standing=LEFT if ended and outcome is None else OUTCOMES[outcome],
        said=words().sentences(*(words().say(unpack(one)) for one in item.said)),
        at=item.at,
    )
