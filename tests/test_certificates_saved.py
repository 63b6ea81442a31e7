"""Searches that are kept under a name: kept, found again, replaced, deleted, and nobody else's."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pages import link, words_of
from shop import Page, Shop
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from certlifecycle import State
from webapp.certificates import saved
from webapp.certificates.saved import SavedSearch


def kept(shop: Shop) -> list[SavedSearch]:
    with shop.database.reading() as session:
        return list(session.exec(select(SavedSearch)).all())


def chips(page: Page) -> list[str]:
    found = [node for node in page.tree.iter("ul") if node.get("aria-label") == "Saved searches"]
    return [words_of(one.find("a")) for node in found for one in node.iter("li")]


def save_form(page: Page) -> dict[str, str]:
    """The form that keeps the search, as a browser would send it."""
    (form,) = [node for node in page.tree.iter("form") if node.get("action") == "/certificates/saved"]
    return {node.get("name"): node.get("value") or "" for node in form.iter("input") if node.get("name")}


def test_keep_find_again_and_delete_without_scripts(shop: Shop) -> None:
    shop.certificate_in(State.FAILED, domain="failed.example.com")
    shop.order(domain="new.example.com")
    browser = shop.browser(shop.alice)
    page = browser.get("/certificates?tab=unsigned&state=failed&q=failed&sort=domain")
    answer = browser.post("/certificates/saved", save_form(page) | {"name": " To look at "})
    page = browser.follow(answer)
    assert "Saved as “To look at”." in page.words
    assert chips(page) == ["To look at"]

    page = browser.get("/certificates")
    address = link(page, "To look at")
    assert address is not None
    again = browser.get(address)
    assert "tab=unsigned&state=failed&q=failed&sort=domain" in address
    assert "failed.example.com" in again.words
    assert "new.example.com" not in again.words
    (current,) = [node for node in again.tree.iter("a") if node.get("aria-current") == "true"]
    assert words_of(current) == "To look at"

    (form,) = [node for node in again.tree.iter("form") if (node.get("action") or "").endswith("/delete")]
    fields = {node.get("name"): node.get("value") or "" for node in form.iter("input") if node.get("name")}
    page = browser.follow(browser.post(form.get("action"), fields))
    assert "The saved search is deleted." in page.words
    # Whoever deletes stays where they were.
    assert page.field("q") == "failed"
    assert kept(shop) == []


def test_there_is_nothing_to_keep_about_the_plain_list(shop: Shop) -> None:
    shop.order()
    browser = shop.browser(shop.alice)
    assert "Save this search" not in browser.get("/certificates?tab=unsigned").words
    assert "Save this search" in browser.get("/certificates?tab=unsigned&sort=domain").words
    assert "Save this search" in browser.get("/certificates?tab=unsigned&q=nothing").words


def test_the_same_name_again_replaces_the_search(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    browser.post("/certificates/saved", {"name": "Mine", "tab": "unsigned", "q": "one"})
    browser.post("/certificates/saved", {"name": "Mine", "tab": "unsigned", "q": "two"})
    (one,) = kept(shop)
    assert one.args == {"tab": "unsigned", "q": "two"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "Give the search a name"),
        (" \t ", "Give the search a name"),
        ("x" * 41, "A name has at most 40 characters"),
    ],
)
def test_a_name_that_cannot_be_kept_is_said_and_the_search_stays(shop: Shop, name: str, told: str) -> None:
    shop.order()
    browser = shop.browser(shop.alice)
    page = browser.follow(browser.post("/certificates/saved", {"name": name, "tab": "unsigned", "q": "www"}))
    assert told in page.words
    assert page.field("q") == "www"
    assert kept(shop) == []


def test_what_is_kept_is_a_search_and_nothing_else(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    data = {"name": "Odd", "tab": "nonsense", "state": "nonsense", "sort": "nonsense", "after": "x", "evil": "y"}
    browser.post("/certificates/saved", data)
    assert kept(shop)[0].args == {"tab": "unsigned"}
    browser.get("/certificates")


def test_a_saved_state_that_is_gone_leaves_the_rest(shop: Shop) -> None:
    shop.order()
    with shop.database.writing() as session:
        args = {"tab": "unsigned", "state": "a_state_of_yesterday", "q": "www"}
        session.add(SavedSearch(account_id=shop.alice.id, name="Old", args=args, created_at=shop.clock()))
    assert link(shop.browser(shop.alice).get("/certificates"), "Old") == "/certificates?tab=unsigned&q=www"


def test_what_people_write_as_a_name_stays_text(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    page = browser.follow(browser.post("/certificates/saved", {"name": "<b>'&\"", "tab": "unsigned", "q": "x"}))
    assert chips(page) == ["<b>'&\""]


def test_only_so_many(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved, "MOST", 2)
    browser = shop.browser(shop.alice)
    for number in range(3):
        page = browser.follow(browser.post("/certificates/saved", {"name": f"n{number}", "tab": "signed", "q": "x"}))
    assert "You have 2 saved searches, which is the most there can be." in page.words
    assert len(kept(shop)) == 2
    browser.post("/certificates/saved", {"name": "n1", "tab": "signed", "q": "another"})
    assert {one.name: one.args["q"] for one in kept(shop)} == {"n0": "x", "n1": "another"}


def test_everybody_has_their_own(shop: Shop) -> None:
    shop.browser(shop.alice).post("/certificates/saved", {"name": "Mine", "tab": "unsigned", "q": "x"})
    (one,) = kept(shop)
    for other in (shop.bob, shop.rita):
        browser = shop.browser(other)
        assert "Mine" not in browser.get("/certificates").words
        browser.post(f"/certificates/saved/{one.id}/delete", {}, 404)
    shop.browser().post("/certificates/saved", {"name": "Mine", "q": "x"})
    assert [row.account_id for row in kept(shop)] == [shop.alice.id]
    # A reviewer's list has searches, too.
    shop.browser(shop.rita).post("/certificates/saved", {"name": "Failed", "tab": "unsigned", "state": "failed"})
    assert chips(shop.browser(shop.rita).get("/certificates")) == ["Failed"]


def test_without_the_forms_secret_nothing_is_kept_or_deleted(shop: Shop) -> None:
    browser = shop.browser(shop.alice)
    assert browser.client.post("/certificates/saved", data={"name": "x", "q": "x"}).status_code == 400
    assert kept(shop) == []


def test_a_button_pressed_twice_at_once_keeps_one(any_shop: Shop) -> None:
    def press(_: int) -> int:
        browser = any_shop.browser(any_shop.alice)
        return browser.post("/certificates/saved", {"name": "Twice", "tab": "unsigned", "q": "x"}).status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(press, range(8))) == {303}
    assert len(kept(any_shop)) == 1


def test_the_index_behind_it_refuses_a_second_one(any_shop: Shop) -> None:
    def add() -> None:
        with any_shop.database.writing() as session:
            session.add(SavedSearch(account_id=any_shop.alice.id, name="Same", args={}, created_at=any_shop.clock()))

    add()
    with pytest.raises(IntegrityError):
        add()
