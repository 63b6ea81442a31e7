"""Where somebody is signed in: what they see of it, and how they end one browser's session from another."""

from shop import PASSWORD, Browser, Shop
from sign_in_support import session_name, sign_in
from sqlmodel import select

from webapp.audit.models import AuditEvent, AuditKind

RIGHT = {"password": PASSWORD}


def address_of(shop: Shop, browser: Browser) -> str:
    """The page on which that browser's session is ended."""
    return f"/account/sessions/{session_name(shop, browser)}/end"


def test_all_open_ones_are_shown_this_one_first(shop: Shop) -> None:
    lost = shop.browser(shop.alice)
    shop.clock.advance(minutes=40)
    here, _ = sign_in(shop, shop.alice)
    sign_in(shop, shop.bob)
    page = here.get("/account/security")
    places = [page.text.index(address_of(shop, one)) for one in (here, lost)]
    assert places == sorted(places)
    assert page.words.count("This browser") == 1
    assert page.text.count("/account/sessions/") == 2
    # What has been idle for too long is over, and shown no more.
    shop.clock.advance(minutes=21)
    assert here.get("/account/security").text.count("/account/sessions/") == 1
    here.get(address_of(shop, lost), 404)


def test_another_browser_is_signed_out_with_the_password(shop: Shop) -> None:
    here, lost = shop.browser(shop.alice), shop.browser(shop.alice)
    there = address_of(shop, lost)
    assert "Whoever sits there has to sign in again." in here.get(there).words
    here.post(there, {"password": "wrong"}, 422)
    lost.get("/certificates")
    answer = here.post(there, RIGHT)
    assert "That browser is signed out." in here.follow(answer).words
    lost.get("/certificates", 303)
    here.post(there, RIGHT, 404)
    with shop.database.reading() as session:
        told = session.exec(select(AuditEvent).where(AuditEvent.kind == AuditKind.SIGNED_OUT)).all()
    assert [one.actor_id for one in told] == [shop.alice.id]


def test_this_browser_can_be_signed_out_like_any_other(shop: Shop) -> None:
    here = shop.browser(shop.alice)
    assert here.post(address_of(shop, here), RIGHT).location == "/sign-in"
    here.get("/certificates", 303)


def test_nobody_ends_somebody_elses(shop: Shop) -> None:
    here, bobs = shop.browser(shop.alice), shop.browser(shop.bob)
    here.get(address_of(shop, bobs), 404)
    here.post(address_of(shop, bobs), RIGHT, 404)
    bobs.get("/certificates")


def test_guessing_at_the_password_has_to_wait(shop: Shop) -> None:
    here, lost = shop.browser(shop.alice), shop.browser(shop.alice)
    for _ in range(10):
        here.post(address_of(shop, lost), {"password": "wrong"}, 422)
    here.post(address_of(shop, lost), RIGHT, 429)
    lost.get("/certificates")
