"""Settings of payment providers: off unless set, and a malformed one is named without its secrets."""

from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from provider_keys import Keys, make_keys

from webapp.config import SettingError, load
from webapp.payments.alipay_client import PRODUCTION
from webapp.payments.bank_accounts import BankAccount
from webapp.payments.settings import ALIPAY, BANK, PaymentSettingError, PaymentSettings, load_payments

IBAN = "DE89370400440532013000"


@pytest.fixture
def keys() -> Keys:
    return make_keys()


@pytest.fixture
def alipay(tmp_path: Path, keys: Keys) -> dict[str, str]:
    """What connects Alipay, and nothing more."""
    (tmp_path / "private.pem").write_text(keys.shop_pem)
    (tmp_path / "public.txt").write_text(keys.alipay_base64)
    return {
        "ALIPAY_APP_ID": "2026050400000001",
        "ALIPAY_PRIVATE_KEY_FILE": str(tmp_path / "private.pem"),
        "ALIPAY_PUBLIC_KEY_FILE": str(tmp_path / "public.txt"),
    }


BANK_ONLY = {"BANK_HOLDER": "Example Certificates Ltd", "BANK_ACCOUNT": IBAN}


def refused(environ: dict[str, str]) -> str:
    with pytest.raises(PaymentSettingError) as caught:
        load_payments(environ)
    return str(caught.value)


def test_nothing_is_connected_unless_it_is_set() -> None:
    assert load_payments({}) == PaymentSettings(None, None)
    assert load_payments(dict.fromkeys((*ALIPAY, *BANK), " ")) == PaymentSettings(None, None)


def test_alipay_with_its_defaults(alipay: dict[str, str], keys: Keys) -> None:
    settings = load_payments(alipay)
    assert settings.bank is None
    assert settings.alipay is not None
    assert (settings.alipay.app_id, settings.alipay.gateway) == ("2026050400000001", PRODUCTION)
    assert (settings.alipay.reference, settings.alipay.seconds) == ("out_trade_no", 15)
    assert settings.alipay.private_key.private_numbers() == keys.shop.private_numbers()
    assert settings.alipay.alipay_key == keys.alipay.public_key()
    # A log or a traceback may hold the settings.
    assert "key" not in repr(settings)


def test_alipay_with_everything(alipay: dict[str, str]) -> None:
    more = {
        "ALIPAY_GATEWAY": "https://openapi.example.com/gateway.do",
        "ALIPAY_REFERENCE": "trade_no",
        "ALIPAY_TIMEOUT_SECONDS": "30",
    }
    settings = load_payments(alipay | more).alipay
    assert settings is not None
    assert (settings.gateway, settings.reference, settings.seconds) == (
        "https://openapi.example.com/gateway.do",
        "trade_no",
        30,
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ALIPAY_APP_ID": ""}, "ALIPAY_APP_ID must be set where ALIPAY_PRIVATE_KEY_FILE is"),
        ({"ALIPAY_APP_ID": "my shop"}, "ALIPAY_APP_ID must be the application's number: up to 32 digits"),
        ({"ALIPAY_APP_ID": "１２３"}, "ALIPAY_APP_ID must be the application's number: up to 32 digits"),
        ({"ALIPAY_APP_ID": "1" * 33}, "ALIPAY_APP_ID must be the application's number: up to 32 digits"),
        ({"ALIPAY_PRIVATE_KEY_FILE": ""}, "ALIPAY_PRIVATE_KEY_FILE must name a file where ALIPAY_APP_ID is set"),
        ({"ALIPAY_PUBLIC_KEY_FILE": ""}, "ALIPAY_PUBLIC_KEY_FILE must name a file where ALIPAY_APP_ID is set"),
        ({"ALIPAY_REFERENCE": "number"}, "ALIPAY_REFERENCE must be one of out_trade_no, trade_no, not 'number'"),
        ({"ALIPAY_TIMEOUT_SECONDS": "soon"}, "ALIPAY_TIMEOUT_SECONDS must be a whole number, not 'soon'"),
        ({"ALIPAY_TIMEOUT_SECONDS": "0"}, "ALIPAY_TIMEOUT_SECONDS must be between 1 and 120, not 0"),
        *(
            ({"ALIPAY_GATEWAY": value}, f"ALIPAY_GATEWAY: Alipay's gateway must be an https address, not {value!r}")
            for value in ("http://openapi.example.com/", "openapi.example.com", "https://", "ftp://127.0.0.1/")
        ),
    ],
)
def test_a_malformed_setting_of_alipay_is_named(alipay: dict[str, str], changes: dict[str, str], says: str) -> None:
    assert refused(alipay | changes) == says


def test_a_key_file_that_is_none_is_named_by_its_setting(alipay: dict[str, str], tmp_path: Path, keys: Keys) -> None:
    missing = tmp_path / "missing.pem"
    said = refused(alipay | {"ALIPAY_PRIVATE_KEY_FILE": str(missing)})
    assert said == f"ALIPAY_PRIVATE_KEY_FILE: {missing} cannot be read (No such file or directory)"
    said = refused(alipay | {"ALIPAY_PUBLIC_KEY_FILE": str(tmp_path)})
    assert said == f"ALIPAY_PUBLIC_KEY_FILE: {tmp_path} cannot be read (Is a directory)"
    # The two mixed up.
    swapped = alipay | {"ALIPAY_PRIVATE_KEY_FILE": alipay["ALIPAY_PUBLIC_KEY_FILE"]}
    assert refused(swapped).endswith("is no private key in PEM or base64 without a password")
    swapped = alipay | {"ALIPAY_PUBLIC_KEY_FILE": alipay["ALIPAY_PRIVATE_KEY_FILE"]}
    said = refused(swapped)
    assert said.endswith("is no public key in PEM or base64")
    assert keys.shop_pem.splitlines()[1] not in said
    # The shop's own public key instead of Alipay's: every answer of Alipay's would seem forged.
    own = tmp_path / "own.pem"
    own.write_bytes(keys.shop.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    said = refused(alipay | {"ALIPAY_PUBLIC_KEY_FILE": str(own)})
    assert said == "ALIPAY_PUBLIC_KEY_FILE must hold Alipay's public key, not the shop's own"


def test_a_weak_or_strange_key_is_refused(alipay: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "other.pem"
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 (it is to be refused)
    for key in (ec.generate_private_key(ec.SECP256R1()), weak):
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        assert refused(alipay | {"ALIPAY_PRIVATE_KEY_FILE": str(path)}).endswith(
            "must be an RSA key of at least 2048 bits"
        )
    path.write_bytes("钥匙".encode())
    assert refused(alipay | {"ALIPAY_PUBLIC_KEY_FILE": str(path)}).endswith("is no public key in PEM or base64")


def test_a_bank_with_its_defaults() -> None:
    settings = load_payments(BANK_ONLY)
    assert settings.alipay is None
    assert settings.bank is not None
    assert settings.bank.debtor == BankAccount("Example Certificates Ltd", iban=IBAN)
    assert (settings.bank.message, settings.bank.zone.key) == ("pain.001.001.03", "Asia/Shanghai")
    assert (settings.bank.folder, settings.bank.collecting) == (None, timedelta(hours=1))


def test_a_bank_with_everything(tmp_path: Path) -> None:
    settings = load_payments(
        {
            "BANK_HOLDER": "示例科技有限公司",
            "BANK_ACCOUNT": "6222 0202 0000 1234 567",
            "BANK_CODE": "102100099996",
            "BANK_MESSAGE": "pain.001.001.09",
            "BANK_TIMEZONE": "Europe/Berlin",
            "BANK_FOLDER": str(tmp_path),
            "BANK_FILE_MINUTES": "0",
            "BANK_SCHEMAS": str(tmp_path),
        }
    ).bank
    assert settings is not None
    assert settings.debtor == BankAccount("示例科技有限公司", number="6222020200001234567", bank_code="102100099996")
    assert (settings.message, settings.zone) == ("pain.001.001.09", ZoneInfo("Europe/Berlin"))
    assert (settings.folder, settings.collecting) == (tmp_path, timedelta(0))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"BANK_ACCOUNT": ""}, "BANK_ACCOUNT must be set where BANK_HOLDER is"),
        ({"BANK_HOLDER": ""}, "BANK_HOLDER: The account holder's name must have 1 to 140 printable characters."),
        ({"BANK_ACCOUNT": "DE1"}, "BANK_ACCOUNT: The account must be an IBAN or a number of 8 to 32 digits."),
        ({"BANK_ACCOUNT": f"{IBAN[:-1]}1"}, "BANK_ACCOUNT: The IBAN's check digits are wrong."),
        ({"BANK_ACCOUNT": "6222020200001234567"}, "BANK_CODE: An account number needs the code of its bank."),
        ({"BANK_CODE": "X"}, "BANK_CODE: The bank code must be a BIC or the 12 digits of a CNAPS code."),
        ({"BANK_MESSAGE": "pain.001.001.02"}, "BANK_MESSAGE must be one of pain.001.001.03, pain.001.001.09, not"),
        ({"BANK_TIMEZONE": "Mars"}, "BANK_TIMEZONE: 'Mars' is no IANA time zone"),
        ({"BANK_TIMEZONE": "../etc"}, "BANK_TIMEZONE: '../etc' is no IANA time zone"),
        ({"BANK_FOLDER": "/nowhere/at/all"}, "BANK_FOLDER: there is no folder /nowhere/at/all"),
        ({"BANK_SCHEMAS": "/nowhere/at/all"}, "BANK_SCHEMAS: there is no folder /nowhere/at/all"),
        ({"BANK_FILE_MINUTES": "-1"}, "BANK_FILE_MINUTES must be between 0 and 10080, not -1"),
    ],
)
def test_a_malformed_setting_of_the_bank_is_named(changes: dict[str, str], says: str) -> None:
    said = refused(BANK_ONLY | changes)
    assert said.startswith(says)
    assert IBAN[:-1] not in said


def test_a_setting_without_its_provider_stops_the_start(tmp_path: Path) -> None:
    """A forgotten line must not silently send every refund to the balance."""
    for name in (*ALIPAY[1:], *BANK[1:]):
        first = "ALIPAY_APP_ID" if name in ALIPAY else "BANK_ACCOUNT"
        with pytest.raises(SettingError, match=f"^{first} must be set where {name} is$"):
            load({"DATA_DIR": str(tmp_path / "data"), name: "x"})


def test_the_settings_are_among_the_desks(tmp_path: Path) -> None:
    settings = load({"DATA_DIR": str(tmp_path / "data")} | BANK_ONLY)
    assert settings.payments.bank is not None
    assert load({"DATA_DIR": str(tmp_path / "data")}).payments == PaymentSettings()
