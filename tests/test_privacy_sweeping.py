"""Letting go of what is old: as the settings say, by the worker and by hand."""

from datetime import timedelta

from mail_shop import MailShop
from shop import PASSWORD, Shop
from sign_in_support import sign_in
from sqlmodel import col, func, select, update
from test_cli import run

from certlifecycle import State
from webapp.accounts.models import Account, AccountEvent, WebSession
from webapp.certificates.models import PaymentMethod, Purchase
from webapp.columns import new_id
from webapp.config import load
from webapp.mail.models import Mail, MailStatus
from webapp.organisations.models import Note, NoteKind
from webapp.payments.models_outside import BankPayment, NotificationEffect, ProviderNotification
from webapp.privacy.settings import RetentionSettings
from webapp.privacy.sweeping import Sweeper, sweep

DAY = timedelta(days=1)


def count(shop: Shop, model: type) -> int:
    with shop.database.reading() as session:
        return session.exec(select(func.count()).select_from(model)).one()


def filled(shop: Shop) -> None:
    """One of everything that gets old, and a mail that is still due."""
    sign_in(shop, shop.alice)
    for status in (MailStatus.SENT, MailStatus.DUE):
        with shop.database.writing() as session:
            session.add(
                Mail(
                    occasion=f"for a test: {status}",
                    kind="approved",
                    recipient_id=shop.alice.id,
                    address="alice@example.com",
                    subject="Money",
                    status=status,
                    due_at=shop.clock(),
                    message_id=f"<{status}@example.com>",
                    created_at=shop.clock(),
                    sent_at=shop.clock() if status is MailStatus.SENT else None,
                )
            )
            session.add(
                Note(
                    kind=NoteKind.INVITATION,
                    subject_id=new_id(),
                    address="newcomer@example.com",
                    status=status,
                    due_at=shop.clock(),
                    message_id=f"<note-{status}@example.com>",
                    created_at=shop.clock(),
                    sent_at=shop.clock() if status is MailStatus.SENT else None,
                )
            )
    with shop.database.writing() as session:
        session.add(
            ProviderNotification(
                provider=PaymentMethod.ALIPAY,
                notify_id=new_id(),
                kind="refund",
                effect=NotificationEffect.ASKED,
                received_at=shop.clock(),
            )
        )


def test_what_is_old_goes_and_what_is_not_stays(any_shop: Shop) -> None:
    shop = any_shop
    filled(shop)
    settings = RetentionSettings(sign_in_days=10, mail_days=40, notification_days=50)
    assert not any(sweep(shop.database, settings, shop.clock() + 10 * DAY - timedelta(hours=13)).values())
    told = sweep(shop.database, settings, shop.clock() + 11 * DAY, dry_run=True)
    assert (told["entries about signing in"], told["sessions that have ended"]) == (1, 1)
    assert (count(shop, AccountEvent), count(shop, WebSession)) == (1, 1)
    assert sweep(shop.database, settings, shop.clock() + 11 * DAY) == told
    assert (count(shop, AccountEvent), count(shop, WebSession)) == (0, 0)
    later = sweep(shop.database, settings, shop.clock() + 60 * DAY)
    assert {name: number for name, number in later.items() if number} == {
        "addresses and subjects of mails": 1,
        "addresses of mails with a link": 1,
        "notifications of providers": 1,
    }
    with shop.database.reading() as session:
        mails = session.exec(select(Mail).order_by(col(Mail.status))).all()
        notes = session.exec(select(Note).order_by(col(Note.status))).all()
    assert [(one.status, one.address, one.subject) for one in mails] == [
        ("due", "alice@example.com", "Money"),
        ("sent", "", ""),
    ]
    assert [(one.status, one.address) for one in notes] == [("due", "newcomer@example.com"), ("sent", "")]
    assert count(shop, ProviderNotification) == 0
    assert not any(sweep(shop.database, settings, shop.clock() + 60 * DAY).values())


def test_what_the_books_need_goes_after_its_years_where_the_account_is_deleted(any_shop: Shop) -> None:
    shop = any_shop
    for who in (shop.alice, shop.bob):
        certificate = shop.certificate_in(State.REFUNDED, who, method=PaymentMethod.BANK, account=f"of {who.name}")
        refund = shop.refund_of(certificate)
        with shop.database.writing() as session:
            session.add(
                BankPayment(
                    refund_no=refund.id,
                    holder=who.name,
                    number="62220202",
                    amount_minor=1,
                    currency="CNY",
                    purpose="Refund",
                    ordered_at=shop.clock(),
                    updated_at=shop.clock(),
                )
            )
    browser = shop.browser(shop.alice)
    browser.post("/account/data/delete", {"password": PASSWORD, "understood": "y"})
    settings = RetentionSettings(books_years=2)
    sweep(shop.database, settings, shop.clock() + 700 * DAY)
    with shop.database.reading() as session:
        assert {one.holder for one in session.exec(select(BankPayment))} == {"Alice", "Bob"}
    sweep(shop.database, settings, shop.clock() + 733 * DAY)
    with shop.database.reading() as session:
        assert {(one.holder, one.number) for one in session.exec(select(BankPayment))} == {
            ("", "0"),
            ("Bob", "62220202"),
        }
        assert {one.payment_account for one in session.exec(select(Purchase))} == {"", "of Bob"}


def test_a_worker_sweeps_once_a_day(shop: Shop) -> None:
    filled(shop)
    sweeper = Sweeper(shop.database, RetentionSettings(sign_in_days=1), shop.clock)
    sweeper.turn()
    assert count(shop, AccountEvent) == 1
    shop.clock.advance(hours=23)
    sweeper.turn()
    shop.clock.advance(hours=2)
    sweeper.turn()
    assert count(shop, AccountEvent) == 0
    with shop.database.writing() as session:
        session.exec(update(Account).values(browser_language="de"))
    sign_in(shop, shop.alice)
    shop.clock.advance(hours=23)
    sweeper.turn()
    assert count(shop, AccountEvent) == 1


def test_whoever_runs_the_desk_sees_before_what_goes(shop: Shop) -> None:
    filled(shop)
    shop.clock.advance(days=400)
    told = run(shop.app, "forget", "--dry-run").output
    assert "1  entries about signing in" in told
    assert "Nothing was changed." in told
    assert count(shop, AccountEvent) == 1
    assert "Done." in run(shop.app, "forget").output
    assert count(shop, AccountEvent) == 0


def test_the_settings_are_read(tmp_path: object) -> None:
    names = ("SIGN_IN_DAYS", "MAIL_DAYS", "NOTIFICATION_DAYS", "BOOKS_YEARS")
    given = {f"RETENTION_{name}": str(number) for number, name in enumerate(names, 40)}
    assert load({"DATA_DIR": str(tmp_path)} | given).retention == RetentionSettings(40, 41, 42, 43)
    assert load({"DATA_DIR": str(tmp_path)}).retention == RetentionSettings()


def test_mails_can_be_planned_after_their_addresses_went(shop: Shop) -> None:
    """What was told once is not told again because its entry was emptied."""
    post = MailShop(shop)
    shop.certificate_in(State.FAILED)
    post.office.work()
    before = count(shop, Mail)
    sweep(shop.database, RetentionSettings(mail_days=1), shop.clock() + 2 * DAY)
    post.office.work()
    assert count(shop, Mail) == before > 0
