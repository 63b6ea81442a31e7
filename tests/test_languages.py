"""In which language and time zone somebody reads: the choice, the switch, the setting, the browser; pages and mails."""

from collections.abc import Callable
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from mail_shop import text_of
from pages import button, link
from shop import PASSWORD, Browser, Page, Shop

from certlifecycle import State
from webapp.accounts.models import Account
from webapp.config import SettingError, load
from webapp.languages import Languages, spoken
from webapp.mail.models import Mail
from webapp.mail.office import open_office
from webapp.zones import zones

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


def language_of(page: Page) -> str:
    """The language that the page says it is in; its header says the same."""
    (root,) = (node for node in page.tree.iter("html"))
    assert page.response.headers["Content-Language"] == root.get("lang")
    return str(root.get("lang"))


def asking(shop: Shop, languages: str, account: Account | None = None) -> Browser:
    """A browser that asks for these languages."""
    browser = shop.browser(account)
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = languages
    return browser


def reload(shop: Shop, account: Account) -> Account:
    found: Account = shop.find(Account, account.id)
    return found


# What a browser asks for


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("fr,zh-CN;q=0.5", "zh-Hans"),
        ("en-GB,zh-CN;q=0.5", "en"),
        # Traditional characters are another language to read; these browsers name "zh" as well.
        ("zh-TW", "en"),
        ("zh-TW,zh;q=0.9", "zh-Hans"),
        # Only started: not offered by itself.
        ("de-AT,de;q=0.9", "en"),
        ("tlh,*;q=0.1", "en"),
        ("x" * 5000, "en"),
        ("-,--,en-,zh_CN,;q", "en"),
    ],
)
def test_a_browser_is_given_the_language_it_asks_for(shop: Shop, asked: str, given: str) -> None:
    page = asking(shop, asked).get("/sign-in")
    assert language_of(page) == given
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in page.response.headers["Vary"].split(",")}


def test_whoever_reads_one_reads_the_other() -> None:
    assert spoken("zh-CN") == spoken("zh") == spoken("zh-Hans") == ("zh", "Hans")
    assert spoken("zh-HK") == spoken("zh-Hant") == ("zh", "Hant")
    assert spoken("pt-BR") == spoken("pt-PT") == ("pt", "Latn")
    assert spoken("no such language") == ("", "")


def test_what_is_no_page_has_no_language(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    chain = shop.browser(shop.alice).client.get(f"/certificates/{certificate.id}/chain.pem")
    assert chain.status_code == 200
    assert "Content-Language" not in chain.headers


# The switch


def test_a_visitor_switches_and_stays_on_the_page(shop: Shop) -> None:
    browser = shop.browser()
    page = browser.get("/sign-in?next=/refunds")
    assert button(page, "简体中文").get("lang") == "zh-Hans"
    assert button(page, "English").get("aria-current") == "true"
    answer = browser.post("/language", {"language": "zh-Hans", "next": page.field("next")})
    assert answer.location == "/sign-in?next=/refunds"
    page = browser.follow(answer)
    assert language_of(page) == "zh-Hans"
    assert button(page, "简体中文").get("aria-current") == "true"
    cookie = browser.client.get_cookie("language")
    assert cookie is not None
    assert cookie.http_only


def test_the_choice_of_a_visitor_outlives_the_sign_in(shop: Shop) -> None:
    browser = shop.browser()
    browser.post("/language", {"language": "zh-Hans"})
    browser.post("/sign-in", {"email": "alice@example.com", "password": PASSWORD})
    assert language_of(browser.get("/refunds")) == "zh-Hans"
    # It was made in this browser, not for the account; mails follow it all the same.
    assert (reload(shop, shop.alice).language, reload(shop, shop.alice).browser_language) == ("", "zh-Hans")


def test_whoever_is_signed_in_switches_for_every_browser(shop: Shop) -> None:
    shop.browser(shop.alice).post("/language", {"language": "zh-Hans"})
    assert language_of(asking(shop, "en", shop.alice).get("/refunds")) == "zh-Hans"
    assert language_of(shop.browser(shop.bob).get("/refunds")) == "en"


@pytest.mark.parametrize("language", ["", "de", "tlh", "../../etc", "zh-Hans\r\nX: 1"])
def test_only_what_is_offered_can_be_switched_to(shop: Shop, language: str) -> None:
    browser = shop.browser(shop.alice)
    answer = browser.post("/language", {"language": language, "next": "//evil.example"})
    assert answer.location == "/"
    assert reload(shop, shop.alice).language == ""
    assert browser.client.get_cookie("language") is None


def test_a_cookie_that_nobody_set_is_ignored(shop: Shop) -> None:
    browser = shop.browser()
    browser.client.set_cookie("language", "tlh")
    assert language_of(browser.get("/sign-in")) == "en"


def test_switching_needs_the_form_s_secret(shop: Shop) -> None:
    assert shop.browser(shop.alice).client.post("/language", data={"language": "zh-Hans"}).status_code == 400
    assert reload(shop, shop.alice).language == ""


def test_a_page_that_answers_a_form_leads_back_to_the_start(shop: Shop) -> None:
    page = shop.browser().post("/sign-in", {"email": "", "password": ""}, 422)
    assert page.field("next") == ""


def test_fragments_come_in_the_reader_s_language_and_are_told_apart(shop: Shop) -> None:
    certificate = shop.certificate_in(State.ISSUED)
    url = f"/certificates/{certificate.id}"
    browser = shop.browser(shop.alice)
    english = browser.get(url, htmx=True)
    browser.post("/language", {"language": "zh-Hans"})
    headers = {"HX-Request": "true", "If-None-Match": english.response.headers["ETag"]}
    chinese = browser.client.get(url, headers=headers)
    assert chinese.status_code == 200
    assert chinese.headers["Content-Language"] == "zh-Hans"
    assert "请先吊销" in chinese.text
    headers["If-None-Match"] = chinese.headers["ETag"]
    assert browser.client.get(url, headers=headers).status_code == 304


def test_refusals_are_told_in_the_reader_s_language_too(shop: Shop) -> None:
    """Whoever is sent away has been recognised before."""
    shop.browser(shop.alice).post("/language", {"language": "zh-Hans"})
    assert language_of(shop.browser(shop.alice).get("/review", 403)) == "zh-Hans"


# Preferences


def test_somebody_chooses_a_language_and_a_time_zone(shop: Shop) -> None:
    shop.certificate_in(State.ISSUED)
    browser = shop.browser(shop.alice)
    page = browser.get("/account/preferences")
    assert link(page, "Language and time zone") == "/account/preferences"
    assert {node.get("label") for node in page.tree.iter("optgroup")} >= {"Asia", "Europe", "Indian Ocean"}
    answer = browser.post("/account/preferences", {"language": "zh-Hans", "timezone": "Europe/Berlin"})
    page = browser.follow(answer)
    assert language_of(page) == "zh-Hans"
    # What was said on the way is said in the language that was just chosen.
    assert "您的选择已保存。" in page.words
    chosen = [node.get("value") for node in page.tree.iter("option") if node.get("selected") is not None]
    assert chosen == ["zh-Hans", "Europe/Berlin"]
    assert "Berlin · 柏林" in page.words
    assert "2026年6月3日 11:00（中欧夏令时间）" in browser.get("/certificates?tab=signed").words


def test_the_empty_choice_follows_the_browser_and_the_shop(shop: Shop) -> None:
    browser = asking(shop, "en", shop.alice)
    browser.post("/account/preferences", {"language": "zh-Hans", "timezone": "UTC"})
    page = browser.follow(browser.post("/account/preferences", {"language": "", "timezone": ""}))
    assert language_of(page) == "en"
    assert browser.client.get_cookie("language") is None
    assert "As the shop: Asia/Shanghai" in page.words


@pytest.mark.parametrize(
    "wrong",
    [{"language": "tlh", "timezone": ""}, {"language": "", "timezone": "Mars/Olympus"}, {"language": "de"}],
)
def test_what_is_not_offered_is_refused(shop: Shop, wrong: dict[str, str]) -> None:
    browser = shop.browser(shop.alice)
    page = browser.post("/account/preferences", wrong, 422)
    assert "Not a valid choice" in page.words
    assert (reload(shop, shop.alice).language, reload(shop, shop.alice).timezone) == ("", "")


def test_a_form_s_own_words_are_in_the_reader_s_language(shop: Shop) -> None:
    page = asking(shop, "zh-CN", shop.alice).post("/account/preferences", {"language": "tlh"}, 422)
    assert "不是有效的选择" in page.words
    page = asking(shop, "zh-CN").post("/sign-in", {"email": "", "password": ""}, 422)
    assert "请输入邮箱地址。" in page.words


def test_the_zones_are_those_of_the_database() -> None:
    assert {"UTC", "Asia/Shanghai", "Asia/Kolkata", "America/Argentina/Buenos_Aires"} <= zones()
    assert "Asia/Calcutta" not in zones(), "another name for one"
    assert len(zones()) > 400


# Settings


def test_the_shop_s_language_is_for_whoever_has_chosen_none(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(sqlite_url, language="zh-Hans")
    assert language_of(asking(shop, "en").get("/sign-in")) == "zh-Hans"
    browser = asking(shop, "en", shop.alice)
    browser.post("/language", {"language": "en"})
    assert language_of(browser.get("/refunds")) == "en"


def test_a_language_that_is_only_started_is_offered_when_it_is_named(
    sqlite_url: str, open_shop: Callable[..., Shop]
) -> None:
    shop = open_shop(sqlite_url, languages=("zh-Hans", "de"))
    page = asking(shop, "de-CH").get("/sign-in")
    assert language_of(page) == "de"
    assert button(page, "English") is None
    # Where English is not offered, whoever asks for nothing that is gets the shop's first language.
    assert language_of(asking(shop, "fr").get("/sign-in")) == "zh-Hans"


def test_one_language_needs_no_switch(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    page = open_shop(sqlite_url, languages=("zh-Hans",)).browser().get("/sign-in")
    assert language_of(page) == "zh-Hans"
    assert button(page, "简体中文") is None


def test_languages_are_settings(tmp_path: Path) -> None:
    def read(**environ: str) -> tuple[tuple[str, ...], str]:
        settings = load({"DATA_DIR": str(tmp_path)} | environ)
        return settings.languages, settings.language

    assert read() == ((), "")
    assert read(LANGUAGE="ZH-hans") == ((), "zh-Hans")
    assert read(LANGUAGES="zh-hans, de", LANGUAGE="de") == (("zh-Hans", "de"), "de")
    with pytest.raises(SettingError, match=r"^LANGUAGES: there is no catalogue of 'fr'"):
        read(LANGUAGES="en,fr")
    with pytest.raises(SettingError, match=r"^LANGUAGE must be one of those that are offered"):
        read(LANGUAGE="de")


# Mails


@pytest.mark.parametrize(
    ("account", "language", "words"),
    [
        ({}, "en", "apply by 3 Jun 2026, 17:00 CST"),
        ({"browser_language": "zh-Hans"}, "zh-Hans", "请先吊销，再于2026年6月3日 17:00（中国时间）之前申请退款。"),
        ({"language": "en", "browser_language": "zh-Hans", "timezone": "UTC"}, "en", "by 3 Jun 2026, 09:00 UTC"),
        ({"language": "zh-Hans", "timezone": "Europe/Berlin"}, "zh-Hans", "2026年6月3日 11:00（中欧夏令时间）"),
        ({"language": "tlh", "browser_language": "tlh"}, "en", "3 Jun 2026, 17:00 CST"),
    ],
)
def test_everybody_is_written_to_in_their_language_and_time_zone(
    shop: Shop, account: dict[str, str], language: str, words: str
) -> None:
    with shop.database.writing() as session:
        alice = session.merge(shop.alice)
        for name, value in account.items():
            setattr(alice, name, value)
    office = open_office(shop.parts, replace(shop.settings.mail, folder=shop.settings.data_dir / "post"))
    office.plan()
    shop.certificate_in(State.ISSUED)
    office.work()
    files = (shop.settings.data_dir / "post").glob("*.eml")
    messages = {one.stem: message_from_bytes(one.read_bytes(), EmailMessage, policy=default) for one in files}
    # Others are written to as well: administrators, about the head of the history.
    ((key, message),) = [(key, one) for key, one in messages.items() if alice.email in one["To"]]
    assert message["Content-Language"] == language
    # Lines of the text are broken where they are full.
    assert words.replace(" ", "") in text_of(message).replace(" ", "")
    with shop.database.reading() as session:
        assert session.get(Mail, key) is not None


def test_the_account_s_choice_counts_before_all_else(shop: Shop) -> None:
    languages = Languages(shop.settings)
    assert languages.choose(["", "zh-Hans"], ["en"]) == "zh-Hans"
    assert languages.choose(["tlh"], ["fr", "zh"]) == "zh-Hans"
    assert languages.wording("en") is languages.wording("en", "Asia/Shanghai")
