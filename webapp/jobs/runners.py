"""Which runner does which kind of job.

A new kind of work becomes a job by a runner (:class:`~webapp.jobs.execute.Runner`) and a line here, a line in
:mod:`webapp.jobs.kinds` for the pages, and whoever begins it with :meth:`webapp.jobs.book.Jobs.begin`.
"""

from collections.abc import Mapping
from datetime import timedelta

from webapp.jobs import exports, import_orders, many
from webapp.jobs.execute import Runner
from webapp.languages import Languages
from webapp.parts import Parts
from webapp.privacy import export as personal
from webapp.review import many_job


def runners(parts: Parts) -> Mapping[str, Runner]:
    """The runners of a worker, by kind."""
    return {
        many.KIND: many.Many(parts.desk),
        many_job.KIND: many_job.Decisions(parts.desk),
        import_orders.KIND: import_orders.ImportOrders(parts.desk),
        exports.KIND: exports.Export(timedelta(days=parts.settings.export_days)),
        personal.KIND: personal.PersonalData(
            timedelta(days=parts.settings.export_days), Languages(parts.settings).of_account
        ),
    }
