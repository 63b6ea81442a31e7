"""Counting only as far as anybody is told, so that a number costs the same in a large shop as in a small one.

Counters kept beside the table would cost less still to read, but every order and every change of a state would have to
write them: in one shop all of that would queue for the same few rows, and people look at lists less often than that.
"""

from typing import Any

import sqlalchemy as sa

MOST = 9_999
"""The largest number that is told; a count of one more stands for anything above, and is shown as ``9,999+``."""


def counted(
    table: Any,  # noqa: ANN401  Any mapped class.
    *where: sa.ColumnElement[bool],
    along: sa.SQLColumnExpression[Any],
) -> sa.ScalarSelect[int]:
    """How many rows there are, up to one more than :data:`MOST`, as a value to select.

    ``along`` is what an index holds these rows by, in the order in which they are counted. Without it a database would
    rather read any index that holds all the columns, from one end to the other.
    """
    found = sa.select(sa.literal(1).label("one")).select_from(table).where(*where)
    return sa.select(sa.func.count()).select_from(found.order_by(along).limit(MOST + 1).subquery()).scalar_subquery()
