"""What the admin's first page about payments and the list of notifications show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flask import url_for

from certlifecycle import phrase
from webapp.certificates.models import PaymentMethod
from webapp.payments.bank import BankSettings
from webapp.payments.bank_queries import Known
from webapp.payments.connect import Payments
from webapp.payments.forms import PROVIDER_WORDS
from webapp.payments.models_outside import NotificationEffect, ProviderNotification
from webapp.payments.present_bank import Mark, RefundLink, refund_link
from webapp.payments.present_books import DayView, day_view
from webapp.payments.queries import Concern, LastDay
from webapp.wording import _, words


@dataclass(frozen=True, slots=True)
class ConcernRow:
    """Something to be looked into: a sentence, and where."""

    sentence: str
    label: str
    url: str


CONCERN_WORDS = {
    Concern.FILES: (
        phrase("Payment order files that nobody has taken to the bank yet: {count}."),
        phrase("See the files"),
    ),
    Concern.LINES: (
        phrase("Lines of the bank’s reports in the last 30 days that do not fit our payments: {count}."),
        phrase("See the reports"),
    ),
    Concern.DIFFERENCES: (
        phrase("Days of the last 30 on which a provider says something else than this desk: {count}."),
        phrase("See the days"),
    ),
    Concern.NO_STATEMENT: (
        phrase("Days of the last 30 with refunds for which the provider had no statement: {count}."),
        phrase("See the days"),
    ),
    Concern.NOTIFICATIONS: (
        phrase("Notifications in the last 30 days that name another order or amount than the refund has: {count}."),
        phrase("See the notifications"),
    ),
}
CONCERN_PAGES = {
    Concern.FILES: "payments.bank.overview",
    Concern.LINES: "payments.bank.overview",
    Concern.DIFFERENCES: "payments.books.days",
    Concern.NO_STATEMENT: "payments.books.days",
    Concern.NOTIFICATIONS: "payments.notifications",
}


def concern_rows(found: Mapping[Concern, int]) -> list[ConcernRow]:
    """What is to be looked into, in words."""
    rows = []
    for concern, count in found.items():
        sentence, label = CONCERN_WORDS[concern]
        rows.append(ConcernRow(_(sentence, count=count), _(label), url_for(CONCERN_PAGES[concern])))
    return rows


@dataclass(frozen=True, slots=True)
class Way:
    """A way of paying back; ``facts`` say how it is connected, ``missing`` what to do where it is not."""

    name: str
    is_connected: bool
    facts: list[tuple[str, str]]
    missing: str
    last: DayView | None


NOT_CONNECTED = {
    PaymentMethod.ALIPAY: (
        phrase(
            "Orders that were paid with Alipay are refunded to the balance. To connect Alipay, set ALIPAY_APP_ID, "
            "ALIPAY_PRIVATE_KEY_FILE and ALIPAY_PUBLIC_KEY_FILE, and start the desk again."
        )
    ),
    PaymentMethod.BANK: (
        phrase(
            "Orders that were paid from a bank account are refunded to the balance. To connect a bank, set "
            "BANK_ACCOUNT and BANK_HOLDER, and start the desk again."
        )
    ),
}


def ways(payments: Payments, public_url: str, days: Mapping[PaymentMethod, LastDay], now: datetime) -> list[Way]:
    """Every way of paying back, whether it is connected, and how its last day compared."""
    facts: dict[PaymentMethod, list[tuple[str, str]]] = {
        PaymentMethod.BALANCE: [(_("Books"), _("This desk’s own ledger"))],
    }
    if payments.alipay is not None:
        settings = payments.alipay.settings
        facts[PaymentMethod.ALIPAY] = [
            (_("Application"), settings.app_id),
            (_("Gateway"), urlsplit(settings.gateway).netloc),
            (_("Address for notifications"), f"{public_url}{url_for('notifications.from_alipay')}"),
        ]
    if payments.bank is not None:
        facts[PaymentMethod.BANK] = bank_facts(payments.bank.settings)
    return [
        Way(
            name=PROVIDER_WORDS[method],
            is_connected=method in facts,
            facts=facts.get(method, []),
            missing=_(NOT_CONNECTED.get(method, "")),
            last=day_view(days[method].comparison, days[method].differences, now) if method in days else None,
        )
        for method in PaymentMethod
    ]


def bank_facts(settings: BankSettings) -> list[tuple[str, str]]:
    """How the bank is connected."""
    by_hand = _("Downloaded and uploaded by hand")
    label = words().retell(settings.debtor.label)
    return [
        (_("Account"), _("{holder}, {label}", holder=settings.debtor.holder, label=label)),
        (_("Payment orders"), settings.message),
        (_("Files"), _("In the folder {folder}", folder=settings.folder) if settings.folder else by_hand),
    ]


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A notification: what it speaks of, and what came of it."""

    provider: str
    kind: str
    refund: RefundLink | None
    refund_no: str
    mark: Mark
    meaning: str
    received_at: datetime


NOTIFICATION_EFFECTS = {
    NotificationEffect.ASKED: (
        Mark("good", "check", phrase("Asked about")),
        phrase("The provider was asked at once what became of the refund."),
    ),
    NotificationEffect.NOT_OURS: (
        Mark("neutral", "minus", phrase("Not about a refund")),
        phrase("It speaks of no refund of this desk, so nothing was done."),
    ),
    NotificationEffect.MISMATCH: (
        Mark("warn", "triangle-alert", phrase("Does not match")),
        phrase(
            "It names another order or amount than the refund has, so nothing was done. Look it up at the provider."
        ),
    ),
}


def notification_rows(rows: Sequence[ProviderNotification], known: Mapping[str, Known]) -> tuple[NotificationRow, ...]:
    """Notifications as the list shows them."""
    return tuple(
        NotificationRow(
            provider=PROVIDER_WORDS[PaymentMethod(one.provider)],
            kind=one.kind,
            refund=refund_link(known.get(one.refund_no)),
            refund_no=one.refund_no,
            mark=NOTIFICATION_EFFECTS[NotificationEffect(one.effect)][0],
            meaning=_(NOTIFICATION_EFFECTS[NotificationEffect(one.effect)][1]),
            received_at=one.received_at,
        )
        for one in rows
    )
