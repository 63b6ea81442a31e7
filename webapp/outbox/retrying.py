"""Having one entry tried again, or many, with a result for each."""

from dataclasses import dataclass

from certlifecycle import Sentence, say
from webapp.certificates.models import RETRY
from webapp.desk import By, Desk
from webapp.errors import NotFound, NothingDue, Superseded
from webapp.mail import decisions
from webapp.outbox import queries
from webapp.outbox.papers import Papers, papers
from webapp.outbox.queries import LONGEST_ATTEMPT, Found, Kind, Place, Running, Standing
from webapp.outbox.words import MAIL_DROPPED, MAIL_RESULTS, WORK_AGAIN, WORK_DONE, WORK_MOVED_ON

AT_ONCE = 100
"""How many are tried again in one request: each is a transaction of its own, and somebody waits for all of them."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one request, in words."""

    sentence: Sentence
    is_done: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of a request for many: each entry with its result, and behind which the rest begins."""

    results: list[tuple[Found, Result]]
    papers: Papers
    rest: Place | None


def retry_work(desk: Desk, certificate_id: str, by: By, reason: str, version: int) -> Result:
    """Have what is due for a certificate tried again, as it was when it had this version."""
    try:
        desk.retry(certificate_id, by, reason, version=version)
    except NothingDue:
        return Result(WORK_DONE, False)
    except Superseded as late:
        if _is_repeated(late, by):
            return Result(WORK_AGAIN, True)
        last = late.rows[-1] if late.rows else None
        if last is not None and last.event == RETRY:
            who = say("{name} had it tried again already, on {at}.", name=last.actor_name, at=last.at)
            return Result(who, False)
        return Result(WORK_MOVED_ON, False)
    return Result(WORK_AGAIN, True)


def _is_repeated(late: Superseded, by: By) -> bool:
    """Whether all that came first was this very request: a button pressed twice."""
    return bool(late.rows) and all((row.event, row.actor_id) == (RETRY, by.actor.id) for row in late.rows)


def retry_mail(desk: Desk, mail_id: str, by: By, reason: str) -> Result:
    """Have a mail tried again."""
    result = decisions.retry_mail(desk, mail_id, by, reason)
    return Result(MAIL_RESULTS[result], result is decisions.Result.DONE)


def drop_mail(desk: Desk, mail_id: str, by: By, reason: str) -> Result:
    """Let a mail be that was given up."""
    result = decisions.drop_mail(desk, mail_id, by, reason)
    is_done = result is decisions.Result.DONE
    return Result(MAIL_DROPPED if is_done else MAIL_RESULTS[result], is_done)


def retry_many(desk: Desk, standing: Standing, kind: Kind, after: Place | None, by: By, reason: str) -> Batch:
    """Have the next :data:`AT_ONCE` entries of a kind tried again; one that does not let itself does not stop the rest.

    They are read first and tried one after the other, so each is judged by what it is when its turn comes.
    """
    now = desk.clock()
    running = Running.of(desk.work.under_way(now - LONGEST_ATTEMPT))
    with desk.database.reading() as session:
        found = queries.entries(session, standing, (kind,), running, now, after, AT_ONCE + 1)
        known = papers(session, found)
    wanted = found[:AT_ONCE]
    results = [(one, _retry(desk, one, known, by, reason)) for one in wanted]
    return Batch(results, known, wanted[-1].place if len(found) > AT_ONCE else None)


def _retry(desk: Desk, one: Found, known: Papers, by: By, reason: str) -> Result:
    try:
        if one.kind is Kind.MAIL:
            return retry_mail(desk, one.key, by, reason)
        return retry_work(desk, one.key, by, reason, known.certificates[one.key].version)
    except (NotFound, KeyError):
        return Result(WORK_MOVED_ON, False)
