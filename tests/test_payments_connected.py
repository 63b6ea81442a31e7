"""What a shop is connected to: which rounds its worker makes, what they outlast, and letting go."""

import logging
import threading
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from outside_shop import SHOPS_ACCOUNT
from provider_keys import make_keys
from shop import Shop

from certlifecycle import Money
from webapp.certificates.models import PaymentMethod
from webapp.columns import new_id
from webapp.payments.alipay_client import AlipaySettings
from webapp.payments.bank import BankSettings
from webapp.payments.connect import connect
from webapp.payments.destination import AT_THE_BEGINNING, capital, label_of
from webapp.payments.payouts import waking
from webapp.payments.port import PayoutOrder
from webapp.payments.rounds import Round, rounds
from webapp.payments.settings import PaymentSettings


def test_a_refund_that_is_not_known_wakes_nothing(shop: Shop) -> None:
    woken: list[str] = []
    waking(shop.database, woken.append)("0" * 32)
    assert woken == []


def test_connections_are_let_go(shop: Shop) -> None:
    alipay = AlipaySettings("1", make_keys().shop, make_keys().alipay.public_key())
    connect(PaymentSettings(), shop.database, shop.clock, UTC).close()
    payments = connect(PaymentSettings(alipay=alipay), shop.database, shop.clock, UTC)
    payments.close()
    assert payments.alipay is not None
    with pytest.raises(RuntimeError, match="closed"):
        payments.alipay.query(PayoutOrder(new_id(), new_id(), "trade-1", new_id(), Money(1, "CNY"), "x"))


@pytest.mark.parametrize(
    ("has_bank", "has_folder", "names"),
    [
        (False, False, ["The daily comparison"]),
        (True, False, ["The daily comparison", "The bank's files"]),
        (True, True, ["The daily comparison", "The bank's folder"]),
    ],
)
def test_a_worker_looks_after_the_bank_that_is_connected(
    shop: Shop, tmp_path: Path, has_bank: bool, has_folder: bool, names: list[str]
) -> None:
    bank = BankSettings(SHOPS_ACCOUNT, folder=tmp_path / "bank" if has_folder else None) if has_bank else None
    payments = connect(PaymentSettings(bank=bank), shop.database, shop.clock, UTC)
    found = rounds(replace(shop.parts, payments=payments))
    assert [one.name for one in found] == names
    for one in found:
        one.work()
    assert (tmp_path / "bank" / "in").is_dir() == has_folder


def test_an_account_at_the_beginning_of_a_sentence_is_one_that_is_recognised() -> None:
    labels = [label_of(method, account) for method in PaymentMethod for account in ("", "…")]
    assert {capital(label) for label in labels} == set(AT_THE_BEGINNING)


def test_a_round_goes_on_whatever_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    stopping = threading.Event()
    turns: list[int] = []

    def work() -> None:
        turns.append(1)
        if len(turns) == 1:
            raise LookupError("away")
        stopping.set()

    with caplog.at_level(logging.ERROR):
        Round("The comparison", work).run(stopping, 0.01)
    assert len(turns) == 2
    assert "The comparison did not get to its end; it begins again." in caplog.text
