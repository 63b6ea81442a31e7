"""The second factor: setting it up, being asked for it, and what one cannot do before."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from shop import PASSWORD, Shop
from sign_in_support import App, codes_on, events_of, sign_in, with_app
from sqlmodel import select

from webapp.accounts import factors
from webapp.accounts.models import Act, Authenticator, RecoveryCode, Way
from webapp.accounts.settings import SecondFactor, SignInSettings


@pytest.fixture
def strict(sqlite_url: str, open_shop: Callable[..., Shop]) -> Shop:
    """A shop whose staff must have a second factor, as in production."""
    return open_shop(sqlite_url, sign_in=SignInSettings())


def test_a_journey_with_an_authenticator_app(strict: Shop) -> None:
    """From the first sign-in of a reviewer, who has no second factor yet, to the next one with a code."""
    shop = strict
    browser, led = sign_in(shop, shop.rita, to="?next=/figures")
    assert led.location == "/account/second-factor?next=/figures"
    # Nothing else is there before that.
    for path in ("/", "/review", "/account/security", "/account/password", "/live-ticket"):
        assert (browser.get(path, 303).location or "").startswith("/account/second-factor"), path
    assert browser.get("/review", 204, htmx=True).location == "/account/second-factor"
    browser.post("/account/sign-out-everywhere")
    page = browser.get(led.location)
    assert "Review" not in [node.text for node in page.tree.iter("a")], "no navigation before the second factor"
    assert next(page.tree.iter("{http://www.w3.org/2000/svg}svg"), None) is not None or "<svg" in page.text
    app = App(page)
    assert app.shows(shop.clock()) != "", "reloading keeps the secret"
    assert App(browser.get(led.location)).shows(shop.clock()) == app.shows(shop.clock())

    wrong = browser.post(led.location, {"code": "000000" if app.shows(shop.clock()) != "000000" else "000001"}, 422)
    assert "This is not the code that the app shows now." in wrong.words
    before = browser.client.get_cookie("desk")
    shown = browser.post(led.location, {"code": app.shows(shop.clock())}, 200)
    codes = codes_on(shown)
    assert len(set(codes)) == 10
    assert 'href="/figures"' in shown.text
    after = browser.client.get_cookie("desk")
    assert before is not None
    assert after is not None
    assert before.value != after.value, "the session is a new one"
    browser.get("/figures")

    # The next time the code is asked for.
    other, led = sign_in(shop, shop.rita, to="?next=/figures")
    assert led.location == "/sign-in/code?next=/figures"
    assert (other.get("/review", 303).location or "").startswith("/sign-in/code")
    assert (other.get("/account/second-factor", 303).location or "").startswith("/sign-in/code")
    again = other.post(led.location, {"code": app.shows(shop.clock())}, 422)
    assert "not a code that fits now" in again.words, "the code of the set-up is used up"
    shop.clock.advance(seconds=30)
    answer = other.post(led.location, {"code": f"{app.shows(shop.clock())[:3]} {app.shows(shop.clock())[3:]}"})
    assert answer.location == "/figures"
    other.get("/figures")
    assert events_of(shop, shop.rita) == [
        (Act.AUTHENTICATOR_ADDED, None),
        (Act.SIGNED_IN, Way.CODE),
        (Act.SIGN_IN_FAILED, Way.CODE),
        (Act.SIGNED_IN, Way.CODE),
    ]


@pytest.mark.parametrize(("seconds", "taken"), [(-0.001, False), (0, True), (29.999, True), (30, False)])
def test_a_code_is_good_for_thirty_seconds(shop: Shop, seconds: float, taken: bool) -> None:
    _, app, _ = with_app(shop, shop.alice)
    # The shop's clock stands at the beginning of a step.
    assert shop.clock().timestamp() % 30 == 0
    code = app.shows(shop.clock(), steps=10)
    shop.clock.advance(minutes=5, seconds=seconds)
    browser, led = sign_in(shop, shop.alice)
    answer = browser.post(led.location or "", {"code": code}, 303 if taken else 422)
    assert ("one of the app counts as long as it is shown" in answer.words) is not taken


def test_a_code_is_taken_once(shop: Shop) -> None:
    _, app, _ = with_app(shop, shop.alice)
    shop.clock.advance(minutes=5)
    for later, status in ((0, 303), (0, 422), (29, 422), (30, 303)):
        shop.clock.advance(seconds=later)
        browser, led = sign_in(shop, shop.alice)
        browser.post(led.location or "", {"code": app.shows(shop.clock())}, status)


def test_of_no_two_clocks_the_later_one_lets_an_old_code_in_again(shop: Shop) -> None:
    """Machines that serve one desk have clocks of their own: a step that was used stays used for all of them."""
    _, app, _ = with_app(shop, shop.alice)
    shop.clock.advance(minutes=5)
    earlier = app.shows(shop.clock())
    shop.clock.advance(seconds=30)
    browser, led = sign_in(shop, shop.alice)
    browser.post(led.location or "", {"code": app.shows(shop.clock())})
    shop.clock.advance(seconds=-30)
    browser, led = sign_in(shop, shop.alice)
    browser.post(led.location or "", {"code": earlier}, 422)


def test_of_many_with_the_same_code_one_comes_in(any_shop: Shop) -> None:
    shop = any_shop
    _, app, (recovery, *_) = with_app(shop, shop.alice)
    shop.clock.advance(minutes=5)
    for code in (app.shows(shop.clock()), recovery):
        start = threading.Barrier(8)
        taken: list[Way | None] = []

        def try_it(code: str = code, start: threading.Barrier = start, taken: list[Way | None] = taken) -> None:
            start.wait()
            with shop.database.writing() as session:
                taken.append(factors.check(session, shop.alice.id, code, shop.settings, shop.clock()))

        threads = [threading.Thread(target=try_it) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([one for one in taken if one is not None]) == 1


def test_a_recovery_code_works_once_however_it_is_typed(shop: Shop) -> None:
    _, _, codes = with_app(shop, shop.alice)
    browser, led = sign_in(shop, shop.alice)
    typed = codes[0].lower().replace("-", " ")
    browser.post(led.location or "", {"code": typed})
    assert "You have 9 recovery codes left." in browser.get("/account/security").words
    browser, led = sign_in(shop, shop.alice)
    browser.post(led.location or "", {"code": codes[0]}, 422)
    browser.post(led.location or "", {"code": codes[1]})
    assert events_of(shop, shop.alice)[-1] == (Act.SIGNED_IN, Way.RECOVERY_CODE)


def test_somebody_elses_recovery_code_opens_nothing(shop: Shop) -> None:
    _, _, codes = with_app(shop, shop.bob)
    with_app(shop, shop.alice)
    browser, led = sign_in(shop, shop.alice)
    browser.post(led.location or "", {"code": codes[0]}, 422)


def test_the_tables_hold_neither_the_secret_nor_the_codes(shop: Shop) -> None:
    _, app, codes = with_app(shop, shop.alice)
    secret = app.totp.get_provisioning_uri("x", None).partition("secret=")[2].partition("&")[0]
    with shop.database.reading() as session:
        (row,) = session.exec(select(Authenticator)).all()
        hashes = [one.code_hash for one in session.exec(select(RecoveryCode)).all()]
    assert secret not in row.sealed_secret
    assert len(hashes) == 10
    assert not set(hashes) & {code.replace("-", "") for code in codes}


def test_an_app_that_was_set_up_before_the_secret_key_was_changed_goes_on(shop: Shop) -> None:
    _, app, _ = with_app(shop, shop.alice)
    shop.clock.advance(minutes=5)
    former = ("the oldest key", shop.settings.secret_key)
    rotated = replace(shop.settings, secret_key="another key", secret_key_fallbacks=former)
    with shop.database.writing() as session:
        now = shop.clock()
        assert factors.check(session, shop.alice.id, app.shows(now), rotated, now) is Way.CODE


def test_with_another_secret_key_recovery_codes_still_open(
    sqlite_url: str, open_shop: Callable[..., Shop], shop: Shop
) -> None:
    """The app's secret cannot be read any more then; nobody is let in by it, and nobody is locked out."""
    _, app, codes = with_app(shop, shop.alice)
    shop.clock.advance(minutes=5)
    other = replace(shop.settings, secret_key="another key")
    with shop.database.writing() as session:
        now = shop.clock()
        assert factors.check(session, shop.alice.id, app.shows(now), other, now) is None
        assert factors.check(session, shop.alice.id, codes[0], other, now) is Way.RECOVERY_CODE


def test_new_codes_take_the_place_of_the_old(shop: Shop) -> None:
    browser, _, codes = with_app(shop, shop.alice)
    browser.post("/account/second-factor/codes", {"password": "wrong"}, 422)
    fresh = codes_on(browser.post("/account/second-factor/codes", {"password": PASSWORD}, 200))
    assert len(set(fresh)) == 10
    assert not set(fresh) & set(codes)
    browser, led = sign_in(shop, shop.alice)
    browser.post(led.location or "", {"code": codes[1]}, 422)
    browser.post(led.location or "", {"code": fresh[1]})


def test_whoever_has_no_app_is_led_to_one_instead_of_codes(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    led = browser.post("/account/second-factor/codes", {"password": PASSWORD})
    assert led.location == "/account/second-factor"


def test_setting_up_takes_the_password_of_whoever_is_signed_in(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    app = App(browser.get("/account/second-factor"))
    page = browser.post("/account/second-factor", {"code": app.shows(shop.clock()), "password": "wrong"}, 422)
    assert "This is not your password." in page.words
    _, led = sign_in(shop, shop.alice)
    assert led.location == "/", "what was not confirmed is not asked for"


def test_a_customer_may_remove_the_app(shop: Shop) -> None:
    browser, _, _ = with_app(shop, shop.alice)
    assert browser.get("/account/second-factor", 303).location == "/account/security"
    browser.get("/account/second-factor/remove")
    browser.post("/account/second-factor/remove", {"password": "wrong"}, 422)
    assert browser.post("/account/second-factor/remove", {"password": PASSWORD}).location == "/account/security"
    assert sign_in(shop, shop.alice)[1].location == "/"
    assert events_of(shop, shop.alice)[-2][0] is Act.AUTHENTICATOR_REMOVED


def test_a_reviewer_who_removes_it_sets_up_another_first(strict: Shop) -> None:
    browser, _, _ = with_app(strict, strict.rita)
    elsewhere = strict.browser(strict.rita)
    led = browser.post("/account/second-factor/remove", {"password": PASSWORD})
    assert led.location == "/account/second-factor"
    for one in (browser, elsewhere):
        assert (one.get("/review", 303).location or "").startswith("/account/second-factor")
    app = App(browser.get("/account/second-factor"))
    browser.post("/account/second-factor", {"code": app.shows(strict.clock())}, 200)
    browser.get("/review")


@pytest.mark.parametrize(
    ("mode", "obliged"),
    [("off", set()), ("staff", {"rita", "ada"}), ("all", {"alice", "rita", "ada"})],
)
def test_who_must_have_one(sqlite_url: str, open_shop: Callable[..., Shop], mode: str, obliged: set[str]) -> None:
    shop = open_shop(sqlite_url, sign_in=SignInSettings(second_factor=SecondFactor(mode)))
    led = {name for name in ("alice", "rita", "ada") if sign_in(shop, getattr(shop, name))[1].location != "/"}
    assert led == obliged


def test_a_half_open_door_closes_soon_and_can_be_left(shop: Shop) -> None:
    _, app, _ = with_app(shop, shop.alice)
    browser, led = sign_in(shop, shop.alice)
    shop.clock.advance(minutes=16)
    assert (browser.get(led.location or "", 303).location or "").startswith("/sign-in?")
    browser, led = sign_in(shop, shop.alice)
    browser.get("/sign-in")
    browser.post("/sign-out")
    assert (browser.get("/sign-in/code", 303).location or "").startswith("/sign-in?")
    assert app.shows(shop.clock())


def test_whoever_is_in_is_not_asked_for_a_code(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    assert browser.get("/sign-in/code?next=/certificates", 303).location == "/certificates"
    assert browser.post("/sign-in/code", {"code": "123456"}).location == "/"
    assert browser.get("/account/security").words.count("Set up an app") == 1


def test_guessing_codes_ends_in_waiting(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    limited = SignInSettings(second_factor=SecondFactor.OFF, limit_account=3)
    shop = open_shop(sqlite_url, sign_in=limited)
    _, app, _ = with_app(shop, shop.alice)
    shop.clock.advance(minutes=5)
    for round_ in range(3):
        # Signing in anew with the password does not set the count of codes back.
        browser, led = sign_in(shop, shop.alice)
        browser.post(led.location or "", {"code": f"00000{round_}"}, 422)
    browser, led = sign_in(shop, shop.alice)
    page = browser.post(led.location or "", {"code": app.shows(shop.clock())}, 429)
    assert "too many tries that failed" in page.words
