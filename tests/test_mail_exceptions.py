"""An exception from the refund policy is told to the customer: what was granted, until when, and what to do now."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from language_support import catalogue_of
from mail_shop import PUBLIC_URL, MailShop, text_of
from shop import Shop
from sqlmodel import Session
from test_goodwill import WHY, by, late, proposed

from certlifecycle import PRESETS, Event, State
from webapp.certificates.models import Certificate
from webapp.desk import Desk
from webapp.goodwill.granting import LASTS, ExceptionRefused, agree, decline
from webapp.mail.about import Obsolete
from webapp.mail.models import MailKind, MailStatus
from webapp.wording import Wording

GRANTED = MailKind.EXCEPTION_GRANTED


def granted(shop: Shop, certificate: Certificate) -> Certificate:
    """An exception that Rita proposed and Ada agreed to."""
    return agree(shop.desk, certificate.id, by(shop.ada), proposed(shop, certificate))


def told(post: MailShop) -> list[str]:
    """Who was told of exceptions, once everything that happened was read."""
    post.office.plan()
    return [address for kind, address in post.told() if kind == GRANTED]


def test_what_was_granted_is_told_once_by_the_row_that_says_so(any_shop: Shop) -> None:
    post, certificate = MailShop(any_shop), late(any_shop)
    granted(any_shop, certificate)
    assert told(post) == [any_shop.alice.email]
    mail = post.last()
    assert mail.history_id == any_shop.history(certificate)[-1].id
    post.open_office().plan()
    assert told(post) == [any_shop.alice.email]
    post.office.send()
    assert post.mails()[-1].status == MailStatus.SENT
    message = post.compose(mail)
    assert message["Subject"] == "An exception for www.example.com: you can still get your money back"
    words = text_of(message)
    assert WHY in words
    assert "The time in which the refund policy gives money back is over." in words
    assert f"Apply for the refund: {PUBLIC_URL}/certificates/{certificate.id}/refund" in words


def test_what_stays_among_reviewers_is_not_told(shop: Shop) -> None:
    post, certificate = MailShop(shop), late(shop)
    key = proposed(shop, certificate)
    assert told(post) == []
    with pytest.raises(ExceptionRefused):
        agree(shop.desk, certificate.id, by(shop.rita), key)
    decline(shop.desk, certificate.id, by(shop.ada), key, "It did arrive.")
    assert told(post) == []


def test_what_was_rolled_back_is_not_told(any_shop: Shop) -> None:
    post, certificate = MailShop(any_shop), late(any_shop)
    key = proposed(any_shop, certificate)

    class Broken(Desk):
        def _announce(self, session: Session, rows: Sequence[Sequence[Any]]) -> None:
            super()._announce(session, rows)
            raise OSError("The hub is away.")

    desk = any_shop.desk
    broken = Broken(desk.database, desk.work, desk.policy, desk.clock)
    with pytest.raises(OSError, match="away"):
        agree(broken, certificate.id, by(any_shop.ada), key)
    assert told(post) == []
    agree(any_shop.desk, certificate.id, by(any_shop.ada), key)
    assert told(post) == [any_shop.alice.email]


def test_a_valid_certificate_has_to_be_revoked_first(shop: Shop) -> None:
    post, issued = MailShop(shop), shop.certificate_in(State.ISSUED)
    shop.clock.advance(days=31)
    granted(shop, issued)
    assert told(post)
    words = text_of(post.compose())
    assert "Not refundable before it is revoked. Revoke it, then apply by 18 Jun 2026, 17:00 CST." in words
    assert f"Revoke the certificate: {PUBLIC_URL}/certificates/{issued.id}/revoke" in words
    assert "You can apply for the refund now" not in words
    shop.fire(issued, Event.REVOKE)
    words = text_of(post.compose())
    assert f"See the certificate: {PUBLIC_URL}/certificates/{issued.id}" in words
    assert "Wait for the confirmation, then apply by 18 Jun 2026, 17:00 CST." in words


def test_what_the_policy_keeps_is_said_to_come_back(open_shop: Callable[..., Shop], sqlite_url: str) -> None:
    shop = open_shop(sqlite_url, policy=replace(PRESETS["30-days-from-issue"], fee_minor=90_000))
    post = MailShop(shop)
    granted(shop, shop.order())
    assert told(post)
    words = text_of(post.compose())
    assert "All that you paid comes back, with the part that the refund policy keeps otherwise." in words
    assert "268.00 CNY to your balance" in words


def test_a_refused_application_can_be_made_again(shop: Shop) -> None:
    post, certificate = MailShop(shop), shop.certificate_in(State.REJECTED)
    shop.clock.advance(days=31)
    granted(shop, certificate)
    assert told(post)
    assert f"{PUBLIC_URL}/certificates/{certificate.id}/refund" in text_of(post.compose())


def test_nothing_is_told_of_what_is_used_or_over(shop: Shop) -> None:
    post, used, over = MailShop(shop), late(shop), late(shop, domain="shop.example.com")
    granted(shop, over)
    assert told(post)
    first = post.last()
    shop.clock.advance(microseconds=LASTS.total_seconds() * 1e6)
    assert post.compose(first), "the last instant still counts"
    shop.clock.advance(microseconds=1)
    with pytest.raises(Obsolete, match="has ended"):
        post.compose(first)
    granted(shop, over)
    with pytest.raises(Obsolete, match="has ended"):
        # The mail about the former exception says nothing about the new one, which has its own.
        post.compose(first)
    granted(shop, used)
    post.office.plan()
    shop.fire(used, Event.REQUEST_REFUND)
    mail = next(one for one in post.mails() if one.kind == GRANTED and one.certificate_id == used.id)
    with pytest.raises(Obsolete, match="applied for already"):
        post.compose(mail)


def test_it_is_told_in_the_readers_language_and_zone(shop: Shop) -> None:
    german = catalogue_of(
        "de", {"The exception lasts until {until}. After that the refund policy alone counts.": "Sie gilt bis {until}."}
    )
    post = MailShop(shop, reader_of=lambda _account: Wording(ZoneInfo("Europe/Berlin"), german))
    granted(shop, late(shop))
    assert told(post)
    assert "Sie gilt bis 18 Juni 2026, 11:00 MESZ." in text_of(post.compose())
