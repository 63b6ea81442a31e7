"""How Alembic reaches the database: through the desk's own settings."""

import sqlalchemy as sa
from alembic import context
from sqlmodel import SQLModel

from webapp import tables
from webapp.config import load
from webapp.db import make_engine

_ = tables  # Importing them declares them.


def ours(_object: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
    """Leave the queue's tables alone: they lie in the same database and are migrated by their own tool."""
    return not (kind == "table" and reflected and compare_to is None and name not in tables.FORMER)


def run() -> None:
    """Upgrade, downgrade or compare over a connection that was handed in, or over one of our own."""
    connection = context.config.attributes.get("connection")
    if connection is not None:
        migrate(connection)
        return
    engine = make_engine(load().database_url)
    with engine.execution_options(writing=True).connect() as connection:
        migrate(connection)


def migrate(connection: sa.Connection) -> None:
    """Run within one transaction: a migration happens whole or not at all, on SQLite too."""
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        include_object=ours,
        compare_server_default=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
