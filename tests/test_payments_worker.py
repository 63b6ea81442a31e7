"""Payments with a worker of its own process: Alipay over HTTP, the bank through its folder and through the upload."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bank_provider import Says, line, report
from connected_shop import payment_environment
from outside_shop import OutsideShop
from processes import end, eventually, start
from provider import Provider
from provider_books import Fault
from shop import Shop, test_settings
from sqlmodel import select

from certlifecycle import Event, State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.config import load
from webapp.parts import present
from webapp.payments.models import PayoutStatus
from webapp.payments.models_books import ComparisonStatus, DailyComparison
from webapp.payments.models_outside import BankPayment, BankStatus

ALIPAY, BANK = PaymentMethod.ALIPAY, PaymentMethod.BANK


@contextmanager
def worked(database_url: str, tmp_path: Path, *, with_folder: bool) -> Iterator[OutsideShop]:
    """A shop whose worker runs with settings of its own, as a vendor would set them."""
    with Provider() as provider:
        folder = tmp_path / "bank"
        environment = payment_environment(provider, tmp_path / "keys", folder if with_folder else None)
        payments = load({"DATA_DIR": str(tmp_path / "data"), **environment}).payments
        # The clock on the wall, as the worker has it.
        shop = Shop(test_settings(database_url, tmp_path / "data", payments=payments), present)
        worker = start(shop.settings, "-m", "webapp.effects.worker", **environment)
        try:
            with OutsideShop(shop, provider, folder) as outside:
                yield outside
        finally:
            end(worker)
            shop.close()
    assert worker.returncode == 0


def state_of(outside: OutsideShop, certificate: Certificate) -> State:
    return State(outside.shop.get(certificate.id).state)


def test_a_refund_whose_answer_is_lost_is_paid_once_by_alipay(database_url: str, tmp_path: Path) -> None:
    """A notification wakes the worker, through the console's own address; nobody waits half a minute."""
    with worked(database_url, tmp_path, with_folder=False) as outside:
        certificate = outside.applied(ALIPAY)
        refund_no = outside.refund_no(certificate)
        outside.provider.books.plan(refund_no, Fault.DROP)
        outside.shop.fire(certificate, Event.APPROVE_REFUND)
        eventually(lambda: [one.status for one in outside.payouts(certificate).values()] == [PayoutStatus.UNKNOWN])
        fields = outside.provider.notification(refund_no)
        answer = outside.shop.app.test_client().post("/notifications/alipay", data=fields)
        assert answer.text == "success"
        eventually(lambda: state_of(outside, certificate) == State.REFUNDED, 20)
        assert outside.provider.books.paid(refund_no) == [26800]
        assert [call.method for call in outside.provider.books.calls if call.refund_no == refund_no] == [
            "refund",
            "query",
        ]


def test_reports_in_the_folder_move_exactly_the_right_refunds(database_url: str, tmp_path: Path) -> None:
    with worked(database_url, tmp_path, with_folder=True) as outside:
        settled, rejected, pending = (outside.approved(BANK) for _ in range(3))
        outside.bank.plan(outside.refund_no(rejected), Says.CLOSED)
        outside.bank.plan(outside.refund_no(pending), *[Says.PENDING] * 3, *[Says.NOTHING] * 1000)

        def is_done() -> bool:
            outside.bank.turn()
            return {state_of(outside, settled), state_of(outside, rejected)} == {State.REFUNDED}

        eventually(is_done, 60)
        eventually(lambda: outside.shop.find(BankPayment, outside.refund_no(pending)).said == "PDNG")
        assert state_of(outside, pending) == State.REFUND_APPROVED
        assert outside.shop.find(BankPayment, outside.refund_no(pending)).status == BankStatus.ORDERED
        assert outside.shop.refund_of(settled).paid_to == "the bank account ending 88"
        assert outside.shop.refund_of(rejected).paid_to == "your balance in this shop"
        assert outside.on_balance() == 26800
        assert {key for key, paid in outside.bank.paid.items() if paid} == {outside.refund_no(settled)}


def test_an_uploaded_report_moves_exactly_the_right_refunds(sqlite_url: str, tmp_path: Path) -> None:
    """Without a folder the worker makes the file all the same, and an admin carries it to the bank and back."""
    with worked(sqlite_url, tmp_path, with_folder=False) as outside:
        settled, rejected, pending = (outside.approved(BANK) for _ in range(3))
        ada = outside.shop.browser(outside.shop.ada)

        def all_ordered() -> bool:
            with outside.shop.database.reading() as session:
                payments = session.exec(select(BankPayment)).all()
            return len(payments) == 3 and {one.status for one in payments} == {BankStatus.ORDERED}

        eventually(all_ordered)
        (tmp_path / "bank" / "out").mkdir(parents=True)
        for batch in outside.files_kept():
            content = ada.client.get(f"/payments/bank/files/{batch.id}.xml").data
            (tmp_path / "bank" / "out" / f"{batch.msg_id}.xml").write_bytes(content)
        for certificate in (settled, rejected, pending):
            outside.bank.plan(outside.refund_no(certificate), Says.NOTHING)
        outside.bank.turn()
        said = {
            outside.refund_no(settled): ("ACSC", ""),
            outside.refund_no(rejected): ("RJCT", "AC04"),
            outside.refund_no(pending): ("PDNG", ""),
        }
        for order in outside.bank.orders:
            status, reason = said[order.key]
            content = report(order.msg_id, present(), line(order, status, reason))
            data = {"report": (io.BytesIO(content), f"{status}.xml")}
            ada.follow(ada.post("/payments/bank/reports", data, content_type="multipart/form-data"))
        both = {State.REFUNDED}
        eventually(lambda: {state_of(outside, settled), state_of(outside, rejected)} == both)
        assert state_of(outside, pending) == State.REFUND_APPROVED
        assert outside.shop.refund_of(settled).paid_to == "the bank account ending 88"
        assert outside.on_balance() == 26800


def test_the_worker_compares_yesterday_with_every_provider(sqlite_url: str, tmp_path: Path) -> None:
    with worked(sqlite_url, tmp_path, with_folder=True) as outside:

        def compared() -> dict[PaymentMethod, ComparisonStatus]:
            with outside.shop.database.reading() as session:
                return {one.method: one.status for one in session.exec(select(DailyComparison)).all()}

        done = {
            PaymentMethod.BALANCE: ComparisonStatus.COMPARED,
            PaymentMethod.BANK: ComparisonStatus.COMPARED,
            # Nothing happened there, so that there is no bill.
            PaymentMethod.ALIPAY: ComparisonStatus.DUE,
        }
        eventually(lambda: compared() == done)
