"""The documentation: the console shows it, everything it refers to exists, and what it says of the defaults is true."""

import json
import re
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it import MarkdownIt
from pages import link, links, words_of
from shop import Shop

from certlifecycle import PRESETS, RefundPolicy, State
from webapp.cli import desk as commands
from webapp.config import load
from webapp.help import views
from webapp.help.markdown import Heading, anchor_of, console_address, plain, render, size_of, walk
from webapp.help.truths import PLACE, TRUTHS, fill_in

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FILES = sorted(DOCS.glob("*.md"))
EVERYTHING = [*FILES, ROOT / "README.md", ROOT / "statemachine" / "README.md"]
PAGES = [file.stem for file in FILES if file.stem != "README"]


def by_name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


# In the console


@pytest.mark.parametrize("name", PAGES)
def test_every_document_is_a_page_for_everybody(shop: Shop, name: str) -> None:
    for browser in (shop.browser(), shop.browser(shop.alice), shop.browser(shop.rita)):
        page = browser.get(f"/help/{name}")
        (title,) = page.tree.iter("h1")
        assert words_of(title) in page.words
        assert link(page, "Help") == "/help"
        assert "<!--" not in page.text.partition("<article")[2]
    assert "{{" not in page.words


def test_the_first_page_leads_to_every_document(shop: Shop) -> None:
    page = shop.browser().get("/help")
    assert {f"/help/{name}" for name in PAGES} <= set(links(page))


def test_a_document_that_the_first_page_does_not_name_is_listed_all_the_same(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "README.md").write_text("# Help\n\nRead [this](named.md).\n")
    (tmp_path / "named.md").write_text("# Named\n")
    (tmp_path / "other.md").write_text("# Another subject\n")
    monkeypatch.setattr(views, "FOLDER", tmp_path)
    page = shop.browser().get("/help")
    assert link(page, "this") == "/help/named"
    assert link(page, "Another subject") == "/help/other"
    assert link(page, "Named") is None


def test_every_page_leads_to_the_help(shop: Shop) -> None:
    for browser, address in (
        (shop.browser(), "/sign-in"),
        (shop.browser(shop.alice), "/certificates"),
        (shop.browser(shop.rita), "/review"),
    ):
        (foot,) = browser.get(address).tree.iter("footer")
        assert [node.get("href") for node in foot.iter("a") if words_of(node) == "Help"] == ["/help"]


@pytest.mark.parametrize(
    "address", ["/help/nonsense", "/help/README", "/help/..%2fREADME", "/help/customers.md", "/help/nonsense.png"]
)
def test_what_is_no_document_is_not_found(shop: Shop, address: str) -> None:
    shop.browser().get(address, 404)


@pytest.mark.parametrize("address", ["/help/../pyproject.png", "/help/..%2f..%2fwebapp%2fstatic%2ffavicon.svg"])
def test_no_picture_from_elsewhere_is_shown(shop: Shop, address: str) -> None:
    response = shop.browser().client.get(address)
    assert response.status_code == 404
    response.close()


def test_pictures_come_with_their_size(shop: Shop) -> None:
    page = shop.browser().get("/help/customers")
    pictures = list(page.tree.iter("img"))
    assert len(pictures) >= 5
    for picture in pictures:
        assert picture.get("alt")
        response = shop.browser().client.get(picture.get("src"))
        assert response.status_code == 200
        assert response.mimetype in ("image/png", "image/svg+xml")
        response.close()
        if response.mimetype == "image/png":
            assert int(picture.get("width")) > 300
            assert int(picture.get("height")) > 300


def test_every_place_on_the_page_is_there(shop: Shop) -> None:
    for name in PAGES:
        page = shop.browser().get(f"/help/{name}")
        ids = {node.get("id") for node in page.tree.iter()}
        assert {target[1:] for target in links(page) if target.startswith("#")} <= ids


# What it says of this shop


def test_the_rules_are_those_of_the_shop(sqlite_url: str, open_shop: Callable[..., Shop]) -> None:
    shop = open_shop(
        sqlite_url,
        shop_name="Example & Sons",
        timezone="Europe/Berlin",
        policy=replace(PRESETS["7-days-from-payment"], review_days=(1, 2)),
    )
    page = shop.browser().get("/help/customers")
    assert "These are the rules of Example & Sons" in page.words
    assert "The money comes back within 7 days of the payment." in page.words
    assert "within 30 days of the issue date" not in page.words
    assert "The review takes 1 to 2 business days" in page.words
    assert "that of the shop, Europe/Berlin" in page.words


def test_a_shop_s_name_is_text(shop: Shop) -> None:
    text = fill_in("# T\n\n<!--= shop_name -->x<!--/-->", replace(shop.settings, shop_name="<b>&"), shop.desk.policy)
    assert render(text, DOCS, "/help").html == "<p>&lt;b&gt;&amp;</p>\n"


@pytest.mark.parametrize("file", FILES, ids=by_name)
def test_what_stands_in_the_files_is_true_of_the_defaults(file: Path, tmp_path: Path) -> None:
    settings = load({"DATA_DIR": str(tmp_path)})
    for name, said in PLACE.findall(file.read_text("utf-8")):
        assert TRUTHS[name](settings, settings.policy).strip() == said.strip(), name


def test_every_truth_is_told_somewhere() -> None:
    told = {name for file in FILES for name, _ in PLACE.findall(file.read_text("utf-8"))}
    assert told == set(TRUTHS)


def test_every_comment_of_a_document_is_a_place_with_an_end() -> None:
    for file in FILES:
        assert "<!--" not in PLACE.sub("", file.read_text("utf-8")), file


def test_every_status_is_explained(shop: Shop) -> None:
    words = shop.browser().get("/help/customers").words
    for state in State:
        assert state.meaning in words


# What it refers to


def anchors(file: Path) -> set[str]:
    return {heading.anchor for heading in headings(file)}


def headings(file: Path) -> list[Heading]:
    text = file.read_text("utf-8")
    # The title is a heading like the others, for whoever reads the file.
    return [Heading(1, "", anchor_of(words)) for words in re.findall(r"^# (.+)$", text, re.M)] + list(
        render(text, file.parent, "").headings
    )


def references(file: Path) -> Iterator[str]:
    """Everything in the repository that a document links to or shows."""
    for token in walk(MarkdownIt("commonmark").enable("table").parse(file.read_text("utf-8"))):
        target = str(token.attrGet("href" if token.type == "link_open" else "src") or "")
        if target and not urlsplit(target).scheme:
            yield target


@pytest.mark.parametrize("file", EVERYTHING, ids=by_name)
def test_every_link_and_every_picture_leads_somewhere(file: Path) -> None:
    for target in references(file):
        parts = urlsplit(target)
        there = (file.parent / parts.path).resolve() if parts.path else file
        assert there.exists(), f"{by_name(file)}: {target}"
        if parts.fragment:
            assert parts.fragment in anchors(there), f"{by_name(file)}: {target}"


@pytest.mark.parametrize("file", FILES, ids=by_name)
def test_documents_lead_to_documents_only(file: Path) -> None:
    """The console has nothing else of the repository to show."""
    for target in references(file):
        there = (file.parent / (urlsplit(target).path or file.name)).resolve()
        assert there.is_relative_to(DOCS), target
        assert there.suffix in (".md", ".png", ".svg"), target


def test_every_picture_is_shown_and_made_by_the_script() -> None:
    """A picture that nobody names is forgotten, and one that no script makes would rot."""
    shown = {
        (file.parent / target).resolve()
        for file in EVERYTHING
        for target in references(file)
        if target.endswith((".png", ".svg"))
    }
    pictures = set((DOCS / "screenshots").iterdir())
    assert pictures == {one for one in shown if one.parent.name == "screenshots"}
    sys_path = [str(ROOT / "tests"), *sys.path]
    sys.path[:], before = sys_path, list(sys.path)
    try:
        made = runpy.run_path(str(ROOT / "tests" / "screenshots.py"), run_name="screenshots")["SHOTS"]
    finally:
        sys.path[:] = before
    assert {f"{name}.png" for name in made} == {one.name for one in pictures}


# What it says of the program


class Asking(Mapping[str, str]):
    """An empty environment that notes what it is asked for."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self.known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


def documented() -> set[str]:
    """The settings in the first columns of the tables of settings.md; fields of the policy are in lower case."""
    found: set[str] = set()
    for line in (DOCS / "settings.md").read_text("utf-8").splitlines():
        if line.startswith("| `"):
            found |= set(re.findall(r"`([A-Z][A-Z_]+)`", line.split("|")[1]))
    return found


def test_every_setting_is_documented_and_every_documented_setting_exists(tmp_path: Path) -> None:
    # What belongs to a server of some kind is only asked for where there is one.
    environ = Asking(
        DATA_DIR=str(tmp_path),
        SMTP_URL="smtp://mail.example.com",
        MAIL_FROM="desk@example.com",
        RESOLVERS="192.0.2.1",
        ACME_DIRECTORY="https://acme.example.com/directory",
        OIDC_ISSUER="https://login.example.com",
        OIDC_CLIENT_ID="desk",
    )
    load(environ)
    assert documented() == environ.asked


def test_every_field_of_a_policy_is_documented_with_its_default() -> None:
    text = (DOCS / "settings.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", text, re.S)
    assert json.loads(example) == RefundPolicy("ours/1").as_mapping()
    assert set(json.loads(example)) == set(re.findall(r"^\| `([a-z_]+)` \|", text, re.M))


def test_every_command_exists() -> None:
    known = set(commands.commands)
    for file in EVERYTHING:
        for name in re.findall(r"flask --app webapp desk ([a-z-]+)", file.read_text("utf-8")):
            assert name in known, f"{by_name(file)}: {name}"
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    for file in EVERYTHING:
        for block in re.findall(r"```sh\n(.*?)```", file.read_text("utf-8"), re.S):
            assert set(re.findall(r"^make ([a-z]+)", block, re.M)) <= targets, file


def test_the_processes_are_those_of_the_procfile() -> None:
    named = set(re.findall(r"^([a-z]+):", (ROOT / "Procfile").read_text(), re.M))
    table = (DOCS / "installing.md").read_text("utf-8").partition("## Processes")[2].partition("##")[0]
    assert set(re.findall(r"^\| `([a-z]+)` \|", table, re.M)) == named


def test_the_examples_of_the_life_cycle_run() -> None:
    """In one go, as somebody would type them; the last one is a test, and runs as one."""
    text = (DOCS / "embedding.md").read_text("utf-8")
    *blocks, plugin = re.findall(r"```python\n(.*?)```", text, re.S)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/embedding.md", "exec"), names)  # noqa: S102  # Our own document.
    assert "def test_the_window_closes" in plugin


def test_the_example_test_of_the_documents_passes(tmp_path: Path) -> None:
    text = (DOCS / "embedding.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "test_shop.py").write_text("\n".join(blocks))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


# Markdown


@pytest.mark.parametrize(
    ("words", "anchor"),
    [
        ("What each status means", "what-each-status-means"),
        ("A proxy with TLS", "a-proxy-with-tls"),
        ("Somebody’s own, `code` & more", "somebodys-own-code--more"),
        ("状态", "状态"),
    ],
)
def test_anchors_are_those_of_the_sites_that_show_repositories(words: str, anchor: str) -> None:
    assert anchor_of(words) == anchor


def test_headings_of_the_same_words_have_anchors_of_their_own() -> None:
    document = render("# T\n\n## Same\n\n## Same\n", DOCS, "/help")
    assert [heading.anchor for heading in document.headings] == ["same", "same-1"]
    assert 'id="same-1"' in document.html


def test_a_text_without_a_title_keeps_its_beginning() -> None:
    document = render("Only words.\n", DOCS, "/help")
    assert (document.title, document.html) == ("", "<p>Only words.</p>\n")
    assert render("", DOCS, "/help").title == ""


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ("customers.md", "/help/customers"),
        ("customers.md#mails", "/help/customers#mails"),
        ("README.md", "/help"),
        ("#mails", "#mails"),
        ("https://example.com/a.md", "https://example.com/a.md"),
    ],
)
def test_links_lead_to_the_console_s_own_pages(target: str, address: str) -> None:
    assert console_address(target, "/help") == address


def test_html_in_a_document_is_text_and_dangerous_links_are_none() -> None:
    html = render("<script>alert(1)</script>\n\n[x](javascript:alert(1))\n", DOCS, "/help").html
    assert "<script" not in html
    assert "<a" not in html


def test_wide_things_scroll_by_themselves_and_by_the_keyboard() -> None:
    html = render("| a |\n|---|\n| b |\n\n```sh\nls\n```\n", DOCS, "/help").html
    assert '<div class="prose__wide" tabindex="0"><table>' in html
    assert '<pre class="code" tabindex="0"><code' in html


def test_the_size_of_a_picture_is_read_where_there_is_one(tmp_path: Path) -> None:
    assert size_of(DOCS / "screenshots" / "list.png")["width"] == 1200
    assert size_of(DOCS / "lifecycle.svg") == {}
    assert size_of(tmp_path / "none.png") == {}


def test_words_of_a_heading_have_no_marks() -> None:
    (_, inline, _) = MarkdownIt().parse("# The `code` of *it*")
    assert plain(inline.children or ()) == "The code of it"
