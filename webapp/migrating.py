"""The release step: bring the database to this version's shape, the queue's tables included. Safe to repeat."""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from webapp import HERE
from webapp.effects import queue


def migrate(engine: sa.Engine) -> None:
    """Upgrade the desk's tables and the queue's."""
    config = Config()
    config.set_main_option("script_location", str(HERE / "migrations"))
    with engine.execution_options(writing=True).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    queue.migrate(engine)
