"""What the pages know about each kind of job. What the worker knows stands in :mod:`webapp.jobs.runners`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from flask import url_for

from certlifecycle import Sentence, phrase, say
from webapp.certificates.names import display_name
from webapp.jobs import exports, import_orders, many
from webapp.jobs.forms import STATE_WORDS_OF
from webapp.jobs.models import Job, JobItem
from webapp.privacy import export as personal
from webapp.review import many_job
from webapp.wording import _

Link = tuple[str, str]
"""A label and an address."""
Facts = list[tuple[str, Sentence]]


def no_link(_job: Job) -> Link | None:
    """Nothing to go on to."""
    return None


def no_facts(_job: Job) -> Facts:
    """Nothing beyond the title."""
    return []


def own_label(item: JobItem) -> Sentence:
    """The part's own name; that of a certificate as people write it."""
    return Sentence("{name}", {"name": display_name(item.label) if item.certificate_id else item.label})


def line_label(item: JobItem) -> Sentence:
    """A row of a file and its column."""
    return say("Line {line}, {column}", line=item.subject.removeprefix("line-"), column=item.label)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job for people: what stopping it means, what was asked for in detail, and where to go from there.

    ``onward`` is asked once the job has finished; ``makes_file`` says that there is a file to be fetched then.
    ``lists_problems_only`` says that a part has a result of its own only where something is wrong with it.
    """

    stopping: str
    label: Callable[[JobItem], Sentence] = own_label
    facts: Callable[[Job], Facts] = no_facts
    onward: Callable[[Job], Link | None] = no_link
    makes_file: bool = False
    lists_problems_only: bool = False


def _reason(job: Job) -> Facts:
    reason = job.parameters["reason"]
    return [(phrase("Reason"), say("{reason}", reason=reason))] if reason else []


def _told_to_customers(job: Job) -> Facts:
    """What the customers read; the internal note stands with each case, for reviewers alone."""
    found = _reason(job)
    if instructions := job.parameters["instructions"]:
        found.append((phrase("What the customer can do now"), say("{instructions}", instructions=instructions)))
    return found


def _to_the_queue(_job: Job) -> Link:
    return _("Back to the queue"), url_for("review.queue")


def _to_the_certificates(_job: Job) -> Link:
    return _("See the certificates"), url_for("certificates.list_certificates")


def _filters(job: Job) -> Facts:
    found: Facts = []
    for name, label in (("since", phrase("From")), ("until", phrase("Until"))):
        if job.parameters[name]:
            found.append((label, Sentence("{day}", {"day": date.fromisoformat(job.parameters[name])})))
    if state := job.parameters["state"]:
        found.append((phrase("State"), say("{state}", state=STATE_WORDS_OF[job.parameters["table"]][state])))
    return found


KINDS: Mapping[str, Kind] = {
    many.KIND: Kind(phrase("What is done stays done. The rest is left as it is."), facts=_reason),
    many_job.KIND: Kind(
        phrase("What is decided stays decided. The rest waits in the queue as before."),
        facts=_told_to_customers,
        onward=_to_the_queue,
    ),
    import_orders.KIND: Kind(
        phrase("Nothing of the file is taken in."), line_label, onward=_to_the_certificates, lists_problems_only=True
    ),
    exports.KIND: Kind(phrase("No file is made."), facts=_filters, makes_file=True),
    personal.KIND: Kind(phrase("No file is made."), makes_file=True),
}
