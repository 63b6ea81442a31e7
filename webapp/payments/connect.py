"""Connecting the payment providers that the settings name, the same for every process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo

from webapp.certificates.models import PaymentMethod
from webapp.db import Database
from webapp.payments.alipay import AlipayGateway
from webapp.payments.balance import BalanceGateway
from webapp.payments.bank import BankFiles, BankGateway, BankSettings
from webapp.payments.bank_intake import BankReports
from webapp.payments.port import PaymentGateway
from webapp.payments.settings import PaymentSettings


@dataclass(frozen=True, slots=True)
class OnlineBank:
    """The bank as far as it works with files."""

    settings: BankSettings
    gateway: BankGateway
    files: BankFiles
    reports: BankReports


@dataclass(frozen=True, slots=True)
class Payments:
    """Every way of paying that is connected: the balance always, the others where they are set."""

    balance: BalanceGateway
    alipay: AlipayGateway | None = None
    bank: OnlineBank | None = None

    @property
    def gateways(self) -> Mapping[PaymentMethod, PaymentGateway]:
        """The gateways by the payment method that they pay back to."""
        connected: list[PaymentGateway] = [self.balance]
        if self.alipay is not None:
            connected.append(self.alipay)
        if self.bank is not None:
            connected.append(self.bank.gateway)
        return {one.method: one for one in connected}

    def close(self) -> None:
        """Let go of the connections."""
        if self.alipay is not None:
            self.alipay.close()


def connect(settings: PaymentSettings, database: Database, clock: Callable[[], datetime], zone: tzinfo) -> Payments:
    """Connect what is set. ``zone`` is the shop's, in which the days of the balance begin."""
    return Payments(
        balance=BalanceGateway(database, clock, zone),
        alipay=AlipayGateway(settings.alipay, clock) if settings.alipay else None,
        bank=_bank(settings.bank, database, clock) if settings.bank else None,
    )


def _bank(settings: BankSettings, database: Database, clock: Callable[[], datetime]) -> OnlineBank:
    return OnlineBank(
        settings,
        BankGateway(database, clock, settings),
        BankFiles(database, clock, settings),
        BankReports(database, clock, settings),
    )
