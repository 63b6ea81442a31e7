"""Which runner does which kind of job. A new kind needs a line here and one in :mod:`webapp.jobs.kinds`."""

from collections.abc import Mapping

from webapp.jobs import many
from webapp.jobs.execute import Runner
from webapp.parts import Parts


def runners(parts: Parts) -> Mapping[str, Runner]:
    """The runners of a worker, by kind."""
    return {
        many.KIND: many.Many(parts.desk),
    }
