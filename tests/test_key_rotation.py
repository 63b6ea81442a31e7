"""Alipay changes its key: for a while what either key has signed counts, and nothing that another one has."""

from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from provider_keys import is_signed, joined, make_keys, signature, signed_answer
from shop import Clock

from webapp.payments.alipay import AlipayGateway
from webapp.payments.alipay_client import AlipayClient, AlipaySettings, NoAnswer
from webapp.payments.port import NotificationRefused
from webapp.payments.settings import PaymentSettingError, load_payments

OLD, NEW, FOREIGN = (rsa.generate_private_key(65537, 2048) for _ in range(3))
METHOD = "alipay.trade.refund"
SETTINGS = AlipaySettings("1", make_keys().shop, NEW.public_key(), former_alipay_key=OLD.public_key())
AFTERWARDS = replace(SETTINGS, former_alipay_key=None)


def asked(settings: AlipaySettings, signer: rsa.RSAPrivateKey) -> dict[str, object]:
    """What the client makes of an answer with that signature."""

    def answer(request: httpx.Request) -> httpx.Response:
        fields = dict(httpx.QueryParams(request.content.decode()))
        assert is_signed(SETTINGS.private_key.public_key(), fields.pop("sign"), joined(fields))
        body = signed_answer(signer, f"{METHOD.replace('.', '_')}_response", '{"code":"10000"}')
        return httpx.Response(200, content=body)

    client = AlipayClient(settings, httpx.Client(transport=httpx.MockTransport(answer)), Clock())
    return client.call(METHOD, {})


def test_an_answer_counts_with_either_key_and_after_the_change_with_the_new_one_alone() -> None:
    assert asked(SETTINGS, NEW) == asked(SETTINGS, OLD) == asked(AFTERWARDS, NEW) == {"code": "10000"}
    for settings, signer in ((SETTINGS, FOREIGN), (AFTERWARDS, OLD), (AFTERWARDS, FOREIGN)):
        with pytest.raises(NoAnswer, match="signature does not hold"):
            asked(settings, signer)


def test_a_notification_counts_with_either_key(tmp_path: Path) -> None:
    def told(settings: AlipaySettings, signer: rsa.RSAPrivateKey) -> str:
        fields = {"app_id": "1", "notify_type": "trade_status_sync", "out_biz_no": "f" * 32, "sign_type": "RSA2"}
        fields |= {"trade_status": "TRADE_CLOSED", "refund_fee": "1.00", "notify_id": "n", "out_trade_no": "o"}
        signed = fields | {"sign": signature(signer, joined(fields, "sign_type"))}
        gateway = AlipayGateway(settings, Clock())
        try:
            return gateway.verify_notification(signed).refund_no
        finally:
            gateway.close()

    assert told(SETTINGS, NEW) == told(SETTINGS, OLD) == told(AFTERWARDS, NEW) == "f" * 32
    for settings, signer in ((SETTINGS, FOREIGN), (AFTERWARDS, OLD)):
        with pytest.raises(NotificationRefused, match="signature does not hold"):
            told(settings, signer)


def test_the_former_key_is_a_setting_that_has_to_make_sense(tmp_path: Path) -> None:
    keys = make_keys()
    files = {"own": keys.shop_pem, "new": keys.alipay_base64, "old": replace(keys, alipay=OLD).alipay_base64}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    environ = {
        "ALIPAY_APP_ID": "1",
        "ALIPAY_PRIVATE_KEY_FILE": str(tmp_path / "own"),
        "ALIPAY_PUBLIC_KEY_FILE": str(tmp_path / "new"),
    }
    former = "ALIPAY_FORMER_PUBLIC_KEY_FILE"
    read = load_payments(environ | {former: str(tmp_path / "old")}).alipay
    assert read is not None
    assert read.former_alipay_key == OLD.public_key()
    assert "key" not in repr(read)
    plain = load_payments(environ).alipay
    assert plain is not None
    assert plain.former_alipay_key is None
    for wrong in ("new", "missing"):
        with pytest.raises(PaymentSettingError, match=f"^{former}"):
            load_payments(environ | {former: str(tmp_path / wrong)})
    with pytest.raises(PaymentSettingError, match="ALIPAY_APP_ID must be set"):
        load_payments({former: str(tmp_path / "old")})
