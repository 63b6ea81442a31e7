"""The release step: bring the database to this version's shape, the queue's tables included. Safe to repeat."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from webapp import HERE
from webapp.config import Settings
from webapp.db import make_engine
from webapp.effects import queue
from webapp.migrations.granting import grant


def release(settings: Settings) -> None:
    """Do the release step as the settings say: as the tables' owner, where that is another account."""
    engine = make_engine(settings.database_owner_url or settings.database_url)
    try:
        migrate(engine)
        if settings.database_owner_url:
            grant(engine, sa.make_url(settings.database_url).username or "", queue.SCHEMA)
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
