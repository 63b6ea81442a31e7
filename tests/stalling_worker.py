"""A worker that does the outside's work and then stops for ever, before it can record the answer.

``python tests/stalling_worker.py``: leaves a file ``stalled`` in DATA_DIR when it is there. Tests kill it then.
"""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from certlifecycle import RevocationReason
from webapp.authorities.port import CertificateAuthority, CertificateStatus, Progress, Proof
from webapp.config import load
from webapp.effects.worker import Worker
from webapp.parts import Parts, assemble
from webapp.payments.port import Answer, PaymentGateway, PayoutOrder


class Stall:
    """Tells the test, and never returns."""

    def __init__(self, folder: Path) -> None:
        self.mark = folder / "stalled"

    def __call__(self) -> None:
        self.mark.touch()
        threading.Event().wait()


class StallingAuthority:
    """An authority that works, whose answer is never heard."""

    def __init__(self, parts: Parts, stall: Stall) -> None:
        self.real, self.stall = parts.authority, stall

    def for_product(self, _product: str) -> CertificateAuthority:
        """It is the same for every product."""
        return self

    def proves_control(self, order_key: str) -> bool:
        """As the real one does."""
        return self.real.proves_control(order_key)

    def prove(self, ref: str) -> Proof:
        """Take a step towards the proof."""
        return self.real.prove(ref)

    def submit(self, order_key: str, csr_pem: str, names: Sequence[str], days: int) -> str:
        """Take the order in."""
        return self.real.submit(order_key, csr_pem, names, days)

    def advance(self, ref: str) -> Progress:
        """Issue, then fall silent."""
        answer = self.real.advance(ref)
        self.stall()
        return answer

    def revoke(self, serial: str, reason: RevocationReason) -> None:
        """Revoke, then fall silent."""
        self.real.revoke(serial, reason)
        self.stall()

    def status(self, serial: str) -> CertificateStatus:
        """Ask the authority."""
        return self.real.status(serial)


class StallingGateway:
    """A payment provider that pays, whose answer is never heard."""

    def __init__(self, real: PaymentGateway, stall: Stall) -> None:
        self.real, self.stall, self.method, self.in_flight = real, stall, real.method, real.in_flight

    def refund(self, order: PayoutOrder) -> Answer:
        """Pay, then fall silent."""
        answer = self.real.refund(order)
        self.stall()
        return answer

    def query(self, order: PayoutOrder) -> Answer:
        """Ask the provider."""
        return self.real.query(order)


if __name__ == "__main__":
    settings = load()
    parts = assemble(settings)
    stall = Stall(settings.data_dir)
    gateways = {method: StallingGateway(real, stall) for method, real in parts.gateways.items()}
    authority = StallingAuthority(parts, stall)
    Worker(replace(parts, authority=authority, gateways=gateways), settings).start()  # type: ignore[arg-type]
    threading.Event().wait()
