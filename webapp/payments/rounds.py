"""What the worker does for payments besides single refunds, again and again, each in a thread of its own."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from webapp.parts import Parts
from webapp.payments.bank_folder import BankFolder
from webapp.payments.daily import Comparisons
from webapp.payments.payouts import waking

log = logging.getLogger("desk.payments")


@dataclass(frozen=True, slots=True)
class Round:
    """Work without an end. ``name`` is what the log calls it."""

    name: str
    work: Callable[[], object]

    def run(self, stopping: threading.Event, every_seconds: float) -> None:
        """Work until told to stop; meant for a thread of its own."""
        while not stopping.wait(every_seconds):
            self.turn()

    def turn(self) -> None:
        """Work once. Whatever goes wrong is tried again the next time: nothing may end the loop."""
        try:
            self.work()
        except Exception:
            log.exception("%s did not get to its end; it begins again.", self.name)


def rounds(parts: Parts) -> list[Round]:
    """The rounds of a worker: the daily comparison always, and the bank's files where a bank is connected."""
    comparisons = Comparisons(parts.database, parts.gateways, parts.desk.clock)
    found = [Round("The daily comparison", comparisons.turn)]
    bank = parts.payments.bank
    if bank is None:
        return found
    if bank.settings.folder is None:
        # Somebody downloads the files and brings them to the bank.
        return [*found, Round("The bank's files", bank.files.make_due)]
    wake = waking(parts.database, parts.desk.look_now)
    folder = BankFolder(bank.settings.folder, bank.files, bank.reports, wake)
    return [*found, Round("The bank's folder", folder.turn)]
