"""What the pages know about each kind of job. What the worker knows stands in :mod:`webapp.jobs.runners`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from webapp.jobs import many
from webapp.jobs.models import Job

Link = tuple[str, str]


def no_link(_job: Job) -> Link | None:
    """Nothing to go on to."""
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of job for people: what stopping it means, and where it leads once it has finished.

    ``onward`` gives a label and an address made from the job's ``result`` or ``parameters``.
    """

    stopping: str
    onward: Callable[[Job], Link | None] = no_link


KINDS: Mapping[str, Kind] = {
    many.KIND: Kind("What is done stays done. The rest is left as it is."),
}
