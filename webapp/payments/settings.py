"""Which payment providers refunds go back to: read from the environment once, and named at the start when malformed.

Each provider is off unless its first setting is there, and what belongs to it may not stand alone: a forgotten line
must not silently send refunds elsewhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from webapp.payments.alipay_client import PRODUCTION, AlipaySettings, Reference
from webapp.payments.alipay_protocol import read_private_key, read_public_key
from webapp.payments.bank import BankSettings
from webapp.payments.bank_accounts import AccountRejected, BankAccount
from webapp.payments.bank_orders import VERSIONS
from webapp.payments.bank_xml import Schemas

ALIPAY = (
    "ALIPAY_APP_ID",
    "ALIPAY_PRIVATE_KEY_FILE",
    "ALIPAY_PUBLIC_KEY_FILE",
    "ALIPAY_FORMER_PUBLIC_KEY_FILE",
    "ALIPAY_GATEWAY",
    "ALIPAY_REFERENCE",
    "ALIPAY_TIMEOUT_SECONDS",
)
BANK = (
    "BANK_ACCOUNT",
    "BANK_HOLDER",
    "BANK_CODE",
    "BANK_MESSAGE",
    "BANK_TIMEZONE",
    "BANK_FOLDER",
    "BANK_FILE_MINUTES",
    "BANK_SCHEMAS",
)
LARGEST_KEY_FILE = 64 * 1024
REFERENCES: Mapping[str, Reference] = {"out_trade_no": "out_trade_no", "trade_no": "trade_no"}

T = TypeVar("T")


class PaymentSettingError(ValueError):
    """A setting that cannot be used; the message begins with its name and never holds a key or an account."""


@dataclass(frozen=True, slots=True)
class PaymentSettings:
    """The providers besides the balance; ``None`` where one is not connected."""

    alipay: AlipaySettings | None = None
    bank: BankSettings | None = None


def load_payments(environ: Mapping[str, str]) -> PaymentSettings:
    """Read the settings; raises :class:`PaymentSettingError` naming the first one that is malformed."""
    given = {name: environ.get(name, "").strip() for name in (*ALIPAY, *BANK)}
    return PaymentSettings(
        alipay=_alipay(given) if _is_wanted(given, ALIPAY) else None,
        bank=_bank(given) if _is_wanted(given, BANK) else None,
    )


def _is_wanted(given: Mapping[str, str], names: tuple[str, ...]) -> bool:
    first, *others = names
    alone = [name for name in others if given[name] and not given[first]]
    if alone:
        raise PaymentSettingError(f"{first} must be set where {alone[0]} is")
    return bool(given[first])


def _alipay(given: Mapping[str, str]) -> AlipaySettings:
    # The application's number at the Alipay Open Platform.
    app_id = given["ALIPAY_APP_ID"]
    if not (app_id.isascii() and app_id.isdigit() and len(app_id) <= 32):
        raise PaymentSettingError("ALIPAY_APP_ID must be the application's number: up to 32 digits")
    # The shop's own private key, and Alipay's public one, in PEM or as the base64 that Alipay's tools show.
    private_key = _read("ALIPAY_PRIVATE_KEY_FILE", given, lambda path: read_private_key(_content(path)))
    alipay_key = _read("ALIPAY_PUBLIC_KEY_FILE", given, lambda path: read_public_key(_content(path)))
    # While Alipay changes its key: the one before, which still counts for what is already on its way.
    former = "ALIPAY_FORMER_PUBLIC_KEY_FILE"
    former_key = _read(former, given, lambda path: read_public_key(_content(path))) if given[former] else None
    if former_key is not None and former_key in (alipay_key, private_key.public_key()):
        raise PaymentSettingError(f"{former} must hold another key than ALIPAY_PUBLIC_KEY_FILE and the shop's own")
    if private_key.public_key() == alipay_key:
        raise PaymentSettingError("ALIPAY_PUBLIC_KEY_FILE must hold Alipay's public key, not the shop's own")
    # What the orders' payment references are: the shop's order numbers at Alipay, or Alipay's trade numbers.
    reference = given["ALIPAY_REFERENCE"] or "out_trade_no"
    if reference not in REFERENCES:
        raise PaymentSettingError(f"ALIPAY_REFERENCE must be one of {', '.join(REFERENCES)}, not {reference!r}")
    # How long one call may take.
    seconds = _whole("ALIPAY_TIMEOUT_SECONDS", given, 15, 1, 120)
    # Where Alipay listens; its sandbox has another address.
    gateway = given["ALIPAY_GATEWAY"] or PRODUCTION
    try:
        return AlipaySettings(app_id, private_key, alipay_key, gateway, REFERENCES[reference], seconds, former_key)
    except ValueError as wrong:
        raise PaymentSettingError(f"ALIPAY_GATEWAY: {wrong}") from None


def _bank(given: Mapping[str, str]) -> BankSettings:
    # The shop's account from which refunds are paid: an IBAN, or a number with its bank's code (BIC or CNAPS).
    names = {"holder": "BANK_HOLDER", "account": "BANK_ACCOUNT", "bank_code": "BANK_CODE"}
    try:
        debtor = BankAccount.read(given["BANK_HOLDER"], given["BANK_ACCOUNT"], given["BANK_CODE"])
    except AccountRejected as wrong:
        raise PaymentSettingError(f"{names[wrong.field]}: {wrong}") from None
    # Which version of the payment order the bank reads.
    message = given["BANK_MESSAGE"] or VERSIONS[0]
    if message not in VERSIONS:
        raise PaymentSettingError(f"BANK_MESSAGE must be one of {', '.join(VERSIONS)}, not {message!r}")
    # Where its days begin, and what its reports mean by an instant without a zone.
    zone = _zone(given["BANK_TIMEZONE"] or "Asia/Shanghai")
    # A folder with out/ and in/ that the bank's software empties and fills; without one an admin carries the files.
    folder = _folder("BANK_FOLDER", given)
    # How long payments are collected before they go into one file.
    minutes = _whole("BANK_FILE_MINUTES", given, 60, 0, 7 * 24 * 60)
    # A folder with the schema definitions of further versions of pain.002.
    schemas = Schemas(_folder("BANK_SCHEMAS", given))
    return BankSettings(debtor, message, zone, folder, schemas, timedelta(minutes=minutes))


def _read(name: str, given: Mapping[str, str], reader: Callable[[Path], T]) -> T:
    if not given[name]:
        raise PaymentSettingError(f"{name} must name a file where ALIPAY_APP_ID is set")
    path = Path(given[name])
    try:
        return reader(path)
    except OSError as wrong:
        raise PaymentSettingError(f"{name}: {path} cannot be read ({wrong.strerror})") from None
    except ValueError as wrong:
        raise PaymentSettingError(f"{name}: {path} {wrong}") from None


def _content(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(LARGEST_KEY_FILE)
    return content.decode("ascii", "replace")


def _folder(name: str, given: Mapping[str, str]) -> Path | None:
    if not given[name]:
        return None
    path = Path(given[name]).resolve()
    if not path.is_dir():
        # It is not made here: a misspelt one would swallow payment orders that nobody collects.
        raise PaymentSettingError(f"{name}: there is no folder {path}")
    return path


def _zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    # A folder of the time zone database, or a name too long for a file, is an error of the file system.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PaymentSettingError(f"BANK_TIMEZONE: {value!r} is no IANA time zone") from None


def _whole(name: str, given: Mapping[str, str], default: int, least: int, most: int) -> int:
    raw = given[name] or str(default)
    try:
        value = int(raw)
    except ValueError:
        raise PaymentSettingError(f"{name} must be a whole number, not {raw!r}") from None
    if not least <= value <= most:
        raise PaymentSettingError(f"{name} must be between {least} and {most}, not {value}")
    return value
