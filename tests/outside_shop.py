"""A shop with every way of paying connected: Alipay at its stand-in, a bank with a folder, the balance."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bank_provider import Bank
from provider import APP_ID, Provider
from shop import Shop
from sqlmodel import col, select

from certlifecycle import Event, State
from webapp.accounts.models import Account
from webapp.certificates.models import Certificate, PaymentMethod, Purchase
from webapp.effects.pay import pay
from webapp.payments.alipay import AlipayGateway, AlipaySettings
from webapp.payments.alipay_protocol import read_private_key, read_public_key
from webapp.payments.balance import BalanceGateway
from webapp.payments.bank import BankFiles, BankGateway, BankSettings
from webapp.payments.bank_accounts import BankAccount, store
from webapp.payments.bank_folder import BankFolder
from webapp.payments.bank_intake import BankReports
from webapp.payments.ledger import balance, wallet
from webapp.payments.models import Payout
from webapp.payments.models_outside import BankBatch
from webapp.payments.payouts import waking
from webapp.payments.port import PaymentGateway

SHOPS_ACCOUNT = BankAccount.read("Example Certificates Ltd", "6222020200001234567", "102100099996")
CUSTOMERS_ACCOUNT = BankAccount.read("示例科技有限公司", "6217000010001234567", "105100000017")


def alipay_settings(provider: Provider, seconds: float = 2.0) -> AlipaySettings:
    """The shop's application at the stand-in."""
    return AlipaySettings(
        app_id=APP_ID,
        private_key=read_private_key(provider.keys.shop_pem),
        alipay_key=read_public_key(provider.keys.alipay_base64),
        gateway=provider.gateway,
        seconds=seconds,
    )


class OutsideShop:
    """The shop, the stand-ins, and short ways to what tests do with them."""

    def __init__(self, shop: Shop, provider: Provider, folder: Path, seconds: float = 2.0) -> None:
        self.shop = shop
        self.provider = provider
        self.bank_settings = BankSettings(SHOPS_ACCOUNT, folder=folder)
        self.alipay = AlipayGateway(alipay_settings(provider, seconds), shop.clock)
        self.bank_gateway = BankGateway(shop.database, shop.clock, self.bank_settings)
        self.balance = BalanceGateway(shop.database, shop.clock)
        self.gateways: Mapping[PaymentMethod, PaymentGateway] = {
            PaymentMethod.ALIPAY: self.alipay,
            PaymentMethod.BANK: self.bank_gateway,
            PaymentMethod.BALANCE: self.balance,
        }
        shop.desk.payable = frozenset(self.gateways)
        self.files = BankFiles(shop.database, shop.clock, self.bank_settings)
        self.reports = BankReports(shop.database, shop.clock, self.bank_settings)
        self.woken: list[str] = []
        wake = waking(shop.database, self.woken.append)
        self.folder = BankFolder(folder, self.files, self.reports, wake)
        self.bank = Bank(folder, shop.clock)

    def __enter__(self) -> "OutsideShop":
        return self

    def __exit__(self, *_: object) -> None:
        self.alipay.close()

    def files_kept(self) -> list[BankBatch]:
        """Every payment order file, the oldest first."""
        with self.shop.database.reading() as session:
            return list(session.exec(select(BankBatch).order_by(col(BankBatch.made_at))).all())

    def approved(self, method: PaymentMethod, owner: Account | None = None, **order: Any) -> Certificate:
        """A refund that is approved, of an order that was really paid at the provider."""
        return self.shop.fire(self.applied(method, owner, **order), Event.APPROVE_REFUND)

    def applied(self, method: PaymentMethod, owner: Account | None = None, **order: Any) -> Certificate:
        """A refund that is applied for, of an order that was really paid at the provider."""
        certificate = self.shop.order(owner, method=method, account="ending 88", **order)
        purchase = self.purchase(certificate)
        match method:
            case PaymentMethod.ALIPAY:
                self.provider.books.add_trade(purchase.payment_reference, purchase.amount_minor)
            case PaymentMethod.BANK:
                with self.shop.database.writing() as session:
                    store(session, purchase.id, CUSTOMERS_ACCOUNT, self.shop.clock())
        return self.shop.fire(certificate, Event.REQUEST_REFUND)

    def purchase(self, certificate: Certificate) -> Purchase:
        """The order of a certificate."""
        found: Purchase = self.shop.find(Purchase, certificate.purchase_id)
        return found

    def refund_no(self, certificate: Certificate) -> str:
        """The refund's key toward every provider."""
        return self.shop.refund_of(certificate).id

    def pay(self, certificate: Certificate, **gateways: PaymentGateway) -> State:
        """Run the effect once; the state afterwards. Gateways may be replaced by name."""
        replaced = {PaymentMethod(name): one for name, one in gateways.items()}
        pay(self.shop.desk, {**self.gateways, **replaced}, certificate.id)
        return State(self.shop.get(certificate.id).state)

    def settle(self, certificate: Certificate, rounds: int = 12) -> State:
        """Run the effect, the bank and the clock until the refund is decided."""
        for _ in range(rounds):
            if self.pay(certificate) != State.REFUND_APPROVED:
                break
            self.bank_turn()
            self.shop.clock.advance(minutes=11)
        return State(self.shop.get(certificate.id).state)

    def bank_turn(self) -> None:
        """Files out, the bank at work, reports in."""
        self.folder.turn()
        self.bank.turn()
        self.folder.turn()

    def payouts(self, certificate: Certificate) -> dict[PaymentMethod, Payout]:
        """What is known of each way of paying."""
        refund_no = self.refund_no(certificate)
        with self.shop.database.reading() as session:
            rows = session.exec(select(Payout).where(Payout.refund_id == refund_no)).all()
        return {PaymentMethod(row.method): row for row in rows}

    def on_balance(self, owner: Account | None = None) -> int:
        """What somebody's balance holds."""
        with self.shop.database.reading() as session:
            return balance(session, wallet((owner or self.shop.alice).id), "CNY").minor
