"""A worker that stops for ever in the middle of a job's third decision: written, and not committed.

``python tests/stalling_job.py``: leaves a file ``stalled`` in DATA_DIR when it is there. Tests kill it then.
"""

import threading
from pathlib import Path

from sqlmodel import Session

from webapp.config import load
from webapp.desk import Work
from webapp.effects.worker import Worker
from webapp.parts import assemble


class StallingWork:
    """A queue that takes two verified certificates in, and never answers the third time."""

    def __init__(self, real: Work, folder: Path) -> None:
        self.real = real
        self.mark = folder / "stalled"
        self.seen: set[str] = set()

    def enqueue(self, session: Session, kind: str, subject_id: str, key: str) -> None:
        """Take it in, or fall silent."""
        self.real.enqueue(session, kind, subject_id, key)
        if kind == "issue":
            self.seen.add(subject_id)
        if len(self.seen) == 3:
            self.mark.touch()
            threading.Event().wait()


if __name__ == "__main__":
    settings = load()
    parts = assemble(settings)
    parts.desk.work = StallingWork(parts.desk.work, settings.data_dir)
    Worker(parts, settings).start()
    threading.Event().wait()
