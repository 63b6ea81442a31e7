"""What Alipay's notifications can do: have it asked now what became of a refund, and nothing else."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from outside_shop import OutsideShop
from provider import Provider
from provider_books import Fault
from provider_keys import joined, make_keys, signature
from shop import Shop
from sqlmodel import select

from certlifecycle import State
from webapp.certificates.models import Certificate, PaymentMethod
from webapp.columns import new_id
from webapp.payments.models import PayoutStatus
from webapp.payments.models_outside import NotificationEffect, ProviderNotification
from webapp.payments.notifications import LARGEST_NOTIFICATION, Inbox, blueprint
from webapp.payments.payouts import waking
from webapp.payments.port import NotificationRefused


@pytest.fixture
def outside(any_shop: Shop, tmp_path: Path) -> Iterator[OutsideShop]:
    with Provider(any_shop.clock) as provider, OutsideShop(any_shop, provider, tmp_path / "bank") as opened:
        yield opened


@pytest.fixture
def inbox(outside: OutsideShop) -> Inbox:
    wake = waking(outside.shop.database, outside.woken.append)
    return Inbox(outside.alipay, outside.shop.database, wake, outside.shop.clock)


@pytest.fixture
def client(inbox: Inbox) -> FlaskClient:
    app = Flask("notifications")
    app.register_blueprint(blueprint(inbox))
    return app.test_client()


@pytest.fixture
def unheard(outside: OutsideShop) -> Certificate:
    """A refund that Alipay paid without our hearing of it."""
    certificate = outside.approved(PaymentMethod.ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.DROP)
    assert outside.pay(certificate) == State.REFUND_APPROVED
    return certificate


def send(client: FlaskClient, fields: Mapping[str, object]) -> tuple[int, str]:
    answer = client.post("/notifications/alipay", data=fields)
    return answer.status_code, answer.text


def kept(outside: OutsideShop) -> list[ProviderNotification]:
    with outside.shop.database.reading() as session:
        return list(session.exec(select(ProviderNotification)).all())


def test_a_notification_has_the_refund_asked_for_and_moves_nothing_itself(
    outside: OutsideShop, client: FlaskClient, unheard: Certificate
) -> None:
    notification = outside.provider.notification(outside.refund_no(unheard))
    assert send(client, notification) == (200, "success")
    assert outside.woken == [unheard.id]
    assert outside.shop.get(unheard.id).state == State.REFUND_APPROVED
    assert outside.payouts(unheard)[PaymentMethod.ALIPAY].status == PayoutStatus.UNKNOWN
    assert outside.pay(unheard) == State.REFUNDED
    assert outside.provider.books.paid(outside.refund_no(unheard)) == [26800]


def test_the_banks_word_on_a_card_comes_as_a_notification_too(outside: OutsideShop, client: FlaskClient) -> None:
    certificate = outside.approved(PaymentMethod.ALIPAY)
    outside.provider.books.plan(outside.refund_no(certificate), Fault.TO_BANK)
    assert outside.pay(certificate) == State.REFUND_APPROVED
    assert outside.payouts(certificate)[PaymentMethod.ALIPAY].status == PayoutStatus.SENT
    said = outside.provider.bank_notification(outside.refund_no(certificate), "S")
    assert send(client, said) == (200, "success")
    assert outside.woken == [certificate.id]
    assert outside.pay(certificate) == State.REFUNDED


def test_the_same_notification_again_is_received_and_does_nothing(
    outside: OutsideShop, client: FlaskClient, unheard: Certificate
) -> None:
    notification = outside.provider.notification(outside.refund_no(unheard))
    assert [send(client, notification) for _ in range(3)] == [(200, "success")] * 3
    assert outside.woken == [unheard.id]
    assert len(kept(outside)) == 1


def test_the_same_notification_at_once_wakes_once(outside: OutsideShop, inbox: Inbox, unheard: Certificate) -> None:
    notification = outside.provider.notification(outside.refund_no(unheard))
    with ThreadPoolExecutor(6) as pool:
        effects = list(pool.map(lambda _: inbox.take_in(notification), range(6)))
    assert effects == [NotificationEffect.ASKED] * 6
    assert outside.woken == [unheard.id]


def forged(fields: dict[str, str], **changes: str) -> dict[str, str]:
    """Signed by somebody else."""
    fields = fields | changes
    return fields | {"sign": signature(make_keys().shop, joined(fields, "sign", "sign_type"))}


@pytest.mark.parametrize(
    "change",
    [
        lambda fields: fields | {"refund_fee": "1.00"},
        lambda fields: fields | {"more": "x"},
        lambda fields: {name: value for name, value in fields.items() if name != "sign"},
        lambda fields: {name: value for name, value in fields.items() if name != "subject"},
        lambda fields: fields | {"sign": "not base64 é"},
        lambda fields: fields | {"sign_type": "RSA"},
        lambda fields: fields | {"sign_type": ""},
        forged,
        lambda fields: fields | {"out_trade_no": ["x", fields["out_trade_no"]]},
        lambda _fields: {},
    ],
)
def test_a_forged_notification_is_refused_and_not_kept(
    outside: OutsideShop,
    client: FlaskClient,
    unheard: Certificate,
    change: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields = change(outside.provider.notification(outside.refund_no(unheard)))  # type: ignore[operator]
    with caplog.at_level(logging.WARNING, "desk.payments"):
        assert send(client, fields) == (400, "fail")
    assert "was refused" in caplog.text
    assert (outside.woken, kept(outside)) == ([], [])


def test_a_notification_for_another_application_is_refused(outside: OutsideShop, inbox: Inbox) -> None:
    with pytest.raises(NotificationRefused, match="another application"):
        inbox.take_in(outside.provider.sign_notification({"notify_id": "1", "app_id": "x", "sign_type": "RSA2"}))
    with pytest.raises(NotificationRefused, match="without an id"):
        inbox.take_in(
            outside.provider.sign_notification({"app_id": outside.alipay.settings.app_id, "sign_type": "RSA2"})
        )


@pytest.mark.parametrize(
    "changes",
    [{"refund_fee": "1.00"}, {"refund_fee": "26800.00"}, {"out_trade_no": "another order", "trade_no": "another"}],
)
def test_another_amount_or_order_is_answered_with_fail_and_wakes_nobody(
    outside: OutsideShop, client: FlaskClient, unheard: Certificate, changes: dict[str, str]
) -> None:
    fields = outside.provider.notification(outside.refund_no(unheard), **changes)
    assert [send(client, fields) for _ in range(2)] == [(200, "fail")] * 2
    assert [one.effect for one in kept(outside)] == [NotificationEffect.MISMATCH]
    assert outside.woken == []


@pytest.mark.parametrize("changes", [{"out_biz_no": ""}, {"out_biz_no": "0" * 32}, {"out_biz_no": "x" * 500}])
def test_what_is_not_about_a_refund_of_ours_is_received_and_let_be(
    outside: OutsideShop, client: FlaskClient, unheard: Certificate, changes: dict[str, str]
) -> None:
    fields = outside.provider.notification(outside.refund_no(unheard), **changes)
    assert send(client, fields) == (200, "success")
    assert [one.effect for one in kept(outside)] == [NotificationEffect.NOT_OURS]
    assert outside.woken == []


@pytest.mark.parametrize("content", ["", "{", "[]", "1", '{"out_request_no": 5, "dback_amount": "x"}', "[" * 5000])
def test_a_signed_notification_with_strange_content_is_no_error(
    outside: OutsideShop, client: FlaskClient, content: str
) -> None:
    fields = {
        "notify_id": new_id(),
        "msg_method": "alipay.trade.refund.depositback.completed",
        "app_id": outside.alipay.settings.app_id,
        "sign_type": "RSA2",
        "biz_content": content,
    }
    assert send(client, outside.provider.sign_notification(fields))[0] in (200, 400)
    assert outside.woken == []


def test_a_notification_that_overtakes_our_own_answer_does_no_harm(
    outside: OutsideShop, inbox: Inbox, unheard: Certificate
) -> None:
    """It is asked for while the first attempt still waits; whoever comes second finds it done."""
    inbox.take_in(outside.provider.notification(outside.refund_no(unheard)))
    assert outside.pay(unheard) == State.REFUNDED
    # A late one about a refund that is over, and one that says that nothing was refunded yet.
    late = outside.provider.notification(outside.refund_no(unheard))
    early = outside.provider.notification(outside.refund_no(unheard), refund_fee="0.00", trade_status="TRADE_SUCCESS")
    assert inbox.take_in(late) == NotificationEffect.ASKED
    assert inbox.take_in(early) == NotificationEffect.MISMATCH
    assert outside.pay(unheard) == State.REFUNDED
    assert outside.provider.books.paid(outside.refund_no(unheard)) == [26800]


def test_too_large_a_request_is_not_read(client: FlaskClient) -> None:
    assert send(client, {"x": "y" * (LARGEST_NOTIFICATION + 1)})[0] == 413


def test_only_a_form_by_post_is_taken(client: FlaskClient) -> None:
    assert client.get("/notifications/alipay").status_code == 405
    assert client.post("/notifications/alipay", json={"a": 1}).status_code == 400
