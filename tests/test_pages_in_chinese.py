"""The demo shop in Chinese: every page that links lead to, read by everybody, with nothing left in English."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from language_support import english
from shop import Browser, Clock, Page, Shop, test_settings
from sqlmodel import select

from certlifecycle import Role
from webapp.accounts.models import Account
from webapp.demo import STORIES, load_demo

NOT_WALKED = re.compile(r"/static/|/styleguide|/help(?!/states)|/dev/")
"""What is no page, is for those who build the desk, or is one of the documents, which are English."""


class Demo(Shop):
    """The demo's shop, whose people are there already."""

    def account(self, name: str, role: Role) -> Account:
        """Somebody of the demo by name; anybody else is new."""
        with self.database.reading() as session:
            known = session.exec(select(Account).where(Account.email == f"{name}@example.com")).first()
        return known or super().account(name, role)


@pytest.fixture(scope="module")
def demo(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A demo shop with its people."""
    folder = tmp_path_factory.mktemp("chinese")
    copy = folder / "desk.sqlite3"
    copy.write_bytes(migrated_sqlite.read_bytes())
    settings = test_settings(f"sqlite:///{copy}", folder / "data")
    assert load_demo(settings)
    shop = Demo(settings, Clock(datetime.now(UTC)))
    yield shop
    shop.close()


def browser_of(shop: Shop, account: Account) -> Browser:
    browser = shop.browser(account)
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "zh-CN"
    return browser


def pages(browser: Browser, start: str) -> Iterator[tuple[str, Page]]:
    """The pages that links lead to from here; of many that differ by a key alone, as many as the demo has stories."""
    waiting, kinds = [start], {start: 1}
    seen = {start}
    while waiting:
        address = waiting.pop(0)
        response = browser.client.get(address)
        if response.mimetype != "text/html" or response.status_code != 200:
            continue
        page = Page(response, fragment=False)
        yield address, page
        for node in page.tree.iter("a"):
            url = (node.get("href") or "").partition("#")[0]
            kind = re.sub(r"[0-9a-f]{32}|\d+|=[^&]*", "…", url)
            is_page = url.startswith("/") and not NOT_WALKED.match(url)
            if not is_page or url in seen or kinds.get(kind, 0) > len(STORIES):
                continue
            seen.add(url)
            kinds[kind] = kinds.get(kind, 0) + 1
            waiting.append(url)


@pytest.mark.parametrize(("name", "start"), [("carla", "/"), ("rita", "/review"), ("ada", "/review")])
def test_no_page_says_anything_in_english(demo: Shop, name: str, start: str) -> None:
    browser = browser_of(demo, demo.account(name, Role.CUSTOMER))
    read_so_far, left = 0, {}
    for address, page in pages(browser, start):
        read_so_far += 1
        if found := english(page.tree):
            left[address] = found
    print(name, read_so_far)
    [print(a, f) for a, f in left.items()]
    assert not left
    assert read_so_far > 20
