"""A shop whose settings connect Alipay's stand-in and a bank, so that pages and processes find them by themselves."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from outside_shop import CUSTOMERS_ACCOUNT, SHOPS_ACCOUNT, OutsideShop, alipay_settings
from provider import APP_ID, Provider
from shop import Shop

from webapp.payments.bank import BankSettings
from webapp.payments.settings import PaymentSettings


@contextmanager
def connected(
    open_shop: Callable[..., Shop],
    url: str,
    folder: Path,
    *,
    by_hand: bool = True,
    collecting: timedelta = timedelta(hours=1),
    **changes: Any,
) -> Iterator[OutsideShop]:
    """The shop with its stand-ins; ``by_hand`` leaves the bank's folder out of the shop's settings."""
    opened: list[Shop] = []
    with Provider(lambda: opened[0].clock()) as provider:
        bank = BankSettings(SHOPS_ACCOUNT, folder=None if by_hand else folder, collecting=collecting)
        payments = PaymentSettings(alipay_settings(provider), bank)
        opened.append(open_shop(url, payments=payments, **changes))
        with OutsideShop(opened[0], provider, folder) as outside:
            yield outside


def payment_environment(provider: Provider, folder: Path, bank_folder: Path | None = None) -> dict[str, str]:
    """The same as a process of its own finds it in its environment; keys are written to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alipay_private_key.pem").write_text(provider.keys.shop_pem)
    (folder / "alipay_public_key.txt").write_text(provider.keys.alipay_base64)
    found = {
        "ALIPAY_APP_ID": APP_ID,
        "ALIPAY_GATEWAY": provider.gateway,
        "ALIPAY_PRIVATE_KEY_FILE": str(folder / "alipay_private_key.pem"),
        "ALIPAY_PUBLIC_KEY_FILE": str(folder / "alipay_public_key.txt"),
        "ALIPAY_TIMEOUT_SECONDS": "2",
        "BANK_HOLDER": SHOPS_ACCOUNT.holder,
        "BANK_ACCOUNT": SHOPS_ACCOUNT.number,
        "BANK_CODE": SHOPS_ACCOUNT.bank_code,
        "BANK_FILE_MINUTES": "0",
    }
    if bank_folder is not None:
        bank_folder.mkdir(parents=True, exist_ok=True)
        found["BANK_FOLDER"] = str(bank_folder)
    return found


__all__ = ["CUSTOMERS_ACCOUNT", "connected", "payment_environment"]
