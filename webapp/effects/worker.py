"""The worker: runs due work from the queue, and looks for what is overdue.

``python -m webapp.effects.worker`` runs it until it is told to stop.
"""

import faulthandler
import logging
import os
import threading
from datetime import datetime

from dbos import DBOS

from webapp import logs
from webapp.audit.rounds import trail_of
from webapp.authorities.key_files import is_encrypted
from webapp.config import Settings, load
from webapp.desk import Desk
from webapp.effects import Effects
from webapp.effects.queue import JOB_QUEUE, JOB_WORKFLOW, QUEUE, WORKFLOW, configuration
from webapp.jobs.book import Jobs
from webapp.jobs.execute import Executor
from webapp.jobs.runners import runners
from webapp.mail.office import open_office
from webapp.parts import Parts, assemble
from webapp.payments.rounds import Round, rounds
from webapp.privacy.sweeping import Sweeper
from webapp.told import Told

log = logging.getLogger("desk.worker")

QUEUE_POLLING_SECONDS = 0.2
LONGEST_STOP_SECONDS = 30.0
"""What has not ended by then is left as by a crash: the next worker takes it up."""
JOBS_AT_ONCE = 2
"""How many jobs one worker has in hand; the others wait for their turn, which comes soon."""


class Worker:
    """DBOS executing effects, with the reconciler beside it."""

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self._effects = Effects(parts.desk, parts.authority, parts.gateways, parts.checker)
        self._desk = parts.desk
        self._jobs = parts.jobs
        self._settings = settings
        self._stopping = threading.Event()
        self._executor = Executor(parts.jobs, runners(parts), self._stopping.is_set)
        self._reconciler = threading.Thread(target=self._reconcile, name="reconciler")
        # Apart from the reconciler: a slow mail server holds up nothing else.
        self._post = threading.Thread(
            target=open_office(parts, settings.mail).run,
            args=(self._stopping, settings.reconcile_seconds),
            name="post office",
        )
        # Each apart from the others as well: a provider's records can take minutes to read.
        self._rounds = [
            threading.Thread(target=one.run, args=(self._stopping, settings.reconcile_seconds), name=one.name)
            for one in (
                *rounds(parts),
                Round("The trail of evidence", trail_of(parts).turn),
                Round("Letting go of old data", Sweeper(parts.database, settings.retention, parts.desk.clock).turn),
            )
        ]
        DBOS(config=configuration(parts.database.engine, settings.executor_id))

        @DBOS.workflow(name=WORKFLOW)
        def run_effect(kind: str, certificate_id: str) -> None:
            self._effects.run(kind, certificate_id)

        @DBOS.workflow(name=JOB_WORKFLOW)
        def run_job(_kind: str, job_id: str) -> None:
            # The entry's own key is the hold on the job: taken up again after a crash, it is the same one.
            self._executor.run(job_id, str(DBOS.workflow_id))

    def start(self) -> None:
        """Begin to work; unfinished work of an earlier run of this executor is taken up first."""
        DBOS.listen_queues([QUEUE, JOB_QUEUE])
        DBOS.launch()
        for queue, at_once in ((QUEUE, self._settings.worker_threads), (JOB_QUEUE, JOBS_AT_ONCE)):
            DBOS.register_queue(
                queue,
                worker_concurrency=at_once,
                polling_interval_sec=QUEUE_POLLING_SECONDS,
                on_conflict="always_update",
            )
        self._reconciler.start()
        self._post.start()
        for one in self._rounds:
            one.start()

    def stop(self) -> None:
        """Finish what is running and stop."""
        self._stopping.set()
        self._reconciler.join()
        self._post.join()
        for one in self._rounds:
            one.join()
        DBOS.destroy(workflow_completion_timeout_sec=10)

    def _reconcile(self) -> None:
        while not self._stopping.wait(self._settings.reconcile_seconds):
            reconcile(self._desk, self._desk.clock())
            reconcile_jobs(self._jobs, self._desk.clock())


def reconcile(desk: Desk, now: datetime) -> int:
    """Hand overdue work in again and return how much it was. Whatever goes wrong, it is tried again next time."""
    try:
        found = desk.retry_overdue(now)
    except Exception:
        # Without this loop lost work would stay lost, so nothing may end it: no database that is away, no defect.
        log.exception("The reconciler could not hand overdue work in; it tries again.")
        return 0
    if found:
        log.info("%d overdue pieces of work were handed in again.", found)
    return found


def reconcile_jobs(jobs: Jobs, now: datetime) -> int:
    """Hand in again jobs that were left behind, and return how many; remove files that were kept long enough."""
    try:
        found = jobs.take_up_lost(now)
        jobs.remove_old_files(now)
    except Exception:
        # As in reconcile: nothing may end this loop.
        log.exception("The reconciler could not look after the jobs; it tries again.")
        return 0
    if found:
        log.info("%d jobs that were left behind were handed in again.", found)
    return found


def main() -> None:
    """Run a worker until SIGTERM or SIGINT."""
    settings = load()
    logs.set_up(settings.log_format, settings.log_server)
    logging.getLogger("dbos").setLevel(logging.WARNING)
    parts = assemble(settings)
    if any(not is_encrypted(path) for path in (settings.data_dir / "ca").glob("*.key")):
        advice = "Set CA_KEY_PASSPHRASE and run: flask --app webapp desk encrypt-ca-keys"
        log.warning("The keys of the certificate authority in %s are not encrypted. %s", settings.data_dir, advice)
    worker = Worker(parts, settings)
    told = Told()
    worker.start()
    log.info("The worker is ready.")
    told.wait()
    late = threading.Timer(LONGEST_STOP_SECONDS, leave)
    late.daemon = True
    late.start()
    worker.stop()
    parts.close()


def leave() -> None:
    """End now, as failed, saying what everything waits for: nothing is lost by it, but it should not have happened."""
    log.warning("The worker did not come to its end within %d seconds and is left.", LONGEST_STOP_SECONDS)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)


if __name__ == "__main__":
    main()
