"""Which runner does which kind of job. A new kind needs a line here and one in :mod:`webapp.jobs.kinds`."""

from collections.abc import Mapping
from datetime import timedelta

from webapp.jobs import exports, import_orders, many
from webapp.jobs.execute import Runner
from webapp.parts import Parts


def runners(parts: Parts) -> Mapping[str, Runner]:
    """The runners of a worker, by kind."""
    return {
        many.KIND: many.Many(parts.desk),
        import_orders.KIND: import_orders.ImportOrders(parts.desk),
        exports.KIND: exports.Export(timedelta(days=parts.settings.export_days)),
    }
