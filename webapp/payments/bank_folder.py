"""Exchanging files with the bank through a folder that its software, or somebody, empties and fills.

``out`` holds payment orders, ``in`` takes status reports. A report that was read goes to ``done``, one that cannot be
read to ``refused`` with the reason beside it. Files appear under their names only when they are complete.
"""

import logging
import os
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from webapp.columns import new_id
from webapp.payments.bank import BankFiles, file_name
from webapp.payments.bank_intake import BankReports, Intake
from webapp.payments.bank_xml import LARGEST_MESSAGE, MessageRefused
from webapp.payments.models_outside import BankBatch

log = logging.getLogger("desk.payments")


class BankFolder:
    """The folder, and what the desk does with it each time it looks. One worker at a time is enough; two do no harm."""

    def __init__(self, folder: Path, files: BankFiles, reports: BankReports, wake: Callable[[str], object]) -> None:
        """``wake`` is called with the number of every refund of which the bank has said the last word."""
        self._folder = folder
        self._files = files
        self._reports = reports
        self._wake = wake

    def turn(self) -> list[Intake]:
        """Write waiting orders out, and take reports in."""
        self._files.make_due()
        for batch in self._files.to_export():
            self._export(batch)
            self._files.exported(batch)
        return self._collect()

    def _export(self, batch: BankBatch) -> None:
        place = self._made("out")
        # Two workers may write the same file at once; each finishes its own copy.
        unfinished = place / f".{new_id()}.part"
        with unfinished.open("wb") as file:
            file.write(batch.content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(place / file_name(batch))
        handle = os.open(place, os.O_RDONLY)
        try:
            # The name must outlive a power cut as well.
            os.fsync(handle)
        finally:
            os.close(handle)

    def _collect(self) -> list[Intake]:
        taken = []
        for path in sorted(self._made("in").glob("*.xml")):
            if path.name.startswith("."):
                continue
            try:
                content = _content(path)
            except FileNotFoundError:
                # Another worker took it.
                continue
            try:
                intake = self._reports.take_in(content, path.name)
            except MessageRefused as wrong:
                log.warning("The bank's report %s was refused: %s", path.name, wrong)
                self._refuse(path, content, str(wrong))
                continue
            for line in intake.to_look_at:
                log.warning("The bank's report %s on %s: %s", path.name, line.refund_no, line.effect.value)
            for refund_no in intake.decided:
                self._wake(refund_no)
            _move(path, self._made("done") / _distinct(path, content))
            taken.append(intake)
        return taken

    def _refuse(self, path: Path, content: bytes, reason: str) -> None:
        target = self._made("refused") / _distinct(path, content)
        target.with_suffix(".txt").write_text(f"{reason}\n", "utf-8")
        _move(path, target)

    def _made(self, name: str) -> Path:
        place = self._folder / name
        place.mkdir(parents=True, exist_ok=True)
        return place


def _content(path: Path) -> bytes:
    """What lies in the folder, as far as a message can be long. A link or a device is taken for an empty file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as wrong:
        if isinstance(wrong, FileNotFoundError):
            raise
        return b""
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return b""
        return file.read(LARGEST_MESSAGE + 1)


def _distinct(path: Path, content: bytes) -> str:
    """A name under which a second file of the same name does not hide the first."""
    return f"{path.stem[:150]}-{sha256(content).hexdigest()[:12]}.xml"


def _move(path: Path, target: Path) -> None:
    try:
        path.replace(target)
    except FileNotFoundError:
        # Another worker moved it.
        return
