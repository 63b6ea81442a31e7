"""The queue between the door and the worker: DBOS, in the same database and the same transaction as the change.

Whoever enqueues needs no worker running; the client never migrates, so the release step does (:func:`migrate`).
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from dbos import (
    DBOSClient,
    DBOSConfig,
    DBOSPortableJSONSerializer,
    WorkflowStatus,
    run_dbos_database_migrations,
)
from sqlmodel import Session

from webapp.work import Attempt

QUEUE = "desk"
WORKFLOW = "run_effect"
JOB_QUEUE = "jobs"
JOB_WORKFLOW = "run_job"
APPLICATION = "certificate-desk"
# Pinned: DBOS otherwise derives it from the code, and a new release would leave old work behind.
APPLICATION_VERSION = "1"
SCHEMA = "dbos"
MOST_UNDER_WAY = 500
"""How many attempts at most are looked at; all workers together do far fewer at a time."""


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

    def under_way(self, since: datetime) -> list[Attempt]:
        """What workers took from the queue after ``since`` and have not given back, the latest first.

        The queue marks an attempt in the database when a worker takes it and again when it ends, on SQLite as on
        PostgreSQL. A column of the desk's own would need two more transactions an attempt, and could tell one of two
        attempts at once at most.
        """
        found = self._client.list_workflows(
            status="PENDING",
            queue_name=self._queue,
            name=self._workflow,
            dequeued_after=since.isoformat(),
            load_output=False,
            limit=MOST_UNDER_WAY,
        )
        attempts = [_attempt(one) for one in found]
        return sorted(filter(None, attempts), key=lambda one: one.since, reverse=True)


def _attempt(workflow: WorkflowStatus) -> Attempt | None:
    if workflow.input is None or workflow.dequeued_at is None:
        return None
    kind, subject_id = workflow.input["args"]
    since = datetime.fromtimestamp(workflow.dequeued_at / 1000, UTC)
    return Attempt(kind, subject_id, since, workflow.executor_id or "")


def migrate(engine: sa.Engine) -> None:
    """Create or upgrade the queue's own tables; safe to repeat."""
    run_dbos_database_migrations(system_database_url=engine.url.render_as_string(hide_password=False), schema=SCHEMA)
