"""The release step: bring the database to this version's shape, the queue's tables included. Safe to repeat."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from webapp import HERE
from webapp.config import Settings
from webapp.db import make_engine
from webapp.effects import queue

SERVING = "SELECT, INSERT, UPDATE, DELETE"
"""What pages, worker and hub do with rows. Triggers, columns and whole tables are the owner's alone."""


def release(settings: Settings) -> None:
    """Do the release step as the settings say: as the tables' owner, where that is another account."""
    engine = make_engine(settings.database_owner_url or settings.database_url)
    try:
        migrate(engine)
        if settings.database_owner_url:
            grant(engine, sa.make_url(settings.database_url).username or "")
    finally:
        engine.dispose()


def migrate(engine: sa.Engine) -> None:
    """Upgrade the desk's tables and the queue's."""
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    with engine.execution_options(writing=True).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    queue.migrate(engine)


def grant(engine: sa.Engine, role: str) -> None:
    """Let a role of PostgreSQL serve the desk whose tables another one owns. It can add to the history, and no more.

    An owner can switch its triggers off, and so could whoever takes over a process that works as the owner.
    """
    with engine.begin() as connection:
        name = connection.dialect.identifier_preparer.quote_identifier(role)
        own = connection.scalar(sa.text("SELECT current_schema()"))
        # Before PostgreSQL 15 everybody may make tables there.
        connection.exec_driver_sql(f"REVOKE CREATE ON SCHEMA {own} FROM PUBLIC")
        for schema in (own, queue.SCHEMA):
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {name}")
            connection.exec_driver_sql(f"GRANT {SERVING} ON ALL TABLES IN SCHEMA {schema} TO {name}")
            connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {name}")
            connection.exec_driver_sql(f"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA {schema} TO {name}")
