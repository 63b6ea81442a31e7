"""The queue between the door and the worker: DBOS, in the same database and the same transaction as the change.

Whoever enqueues needs no worker running; the client never migrates, so the release step does (:func:`migrate`).
"""

import sqlalchemy as sa
from dbos import (
    DBOSClient,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    run_dbos_database_migrations,
)
from sqlmodel import Session

QUEUE = "desk"
WORKFLOW = "run_effect"
JOB_QUEUE = "jobs"
JOB_WORKFLOW = "run_job"
APPLICATION = "certificate-desk"
# Pinned: DBOS otherwise derives it from the code, and a new release would leave old work behind.
APPLICATION_VERSION = "1"
SCHEMA = "dbos"


def configuration(engine: sa.Engine, executor_id: str) -> DBOSConfig:
    """The settings that client, worker and release step must agree on."""
    return DBOSConfig(
        name=APPLICATION,
        # By address: on SQLite DBOS begins its own transactions, which the desk's engine would begin twice.
        system_database_url=engine.url.render_as_string(hide_password=False),
        dbos_system_schema=SCHEMA,
        application_version=APPLICATION_VERSION,
        executor_id=executor_id,
        # The default serializer is pickle.
        serializer=DBOSPortableJSONSerializer(),
        enable_otlp=False,
        run_migrations=False,
        log_level="WARNING",
    )


class DbosWork:
    """Hands work to the worker by a row that is committed, or rolled back, with the change that made it due.

    Each kind of work has a queue of its own, so that what takes minutes keeps nobody waiting who needs seconds.
    """

    def __init__(self, engine: sa.Engine, queue: str = QUEUE, workflow: str = WORKFLOW) -> None:
        self._queue = queue
        self._workflow = workflow
        self._client = DBOSClient(
            system_database_engine=engine,
            dbos_system_schema=SCHEMA,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
            lazy=True,
        )

    def enqueue(self, session: Session, kind: str, subject_id: str, key: str) -> None:
        """Enqueue one attempt; ``key`` becomes the workflow's id, so the same attempt is never there twice."""
        self._client.enqueue_in_transaction(
            session.connection(),
            {
                "queue_name": self._queue,
                "workflow_name": self._workflow,
                "workflow_id": key,
                "app_version": APPLICATION_VERSION,
            },
            kind,
            subject_id,
        )


def migrate(engine: sa.Engine) -> None:
    """Create or upgrade the queue's own tables; safe to repeat."""
    run_dbos_database_migrations(system_database_url=engine.url.render_as_string(hide_password=False), schema=SCHEMA)
