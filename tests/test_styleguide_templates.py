"""The design system: every macro renders, its marks are accessible, its colours are legible, its weight is small.

The pages of the desk come from these templates, so what holds for the style guide holds for them. The application
around the templates is the smallest that can show them: the real wording and static files, and no database.
"""

import gzip
import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import unescape
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import html5lib
import pytest
from conftest import required
from flask import Flask, flash, render_template, render_template_string
from jinja2 import StrictUndefined, UndefinedError
from werkzeug.serving import make_server

from certlifecycle import State
from certlifecycle.diagram import svg
from certlifecycle.policy import Outlook
from certlifecycle.states import Mover
from webapp import wording
from webapp.styleguide import SampleForm, refused_form

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "webapp" / "static"
CSS = (STATIC / "desk.css").read_text()
NOW = datetime(2026, 11, 23, 6, 5, tzinfo=UTC)
IMPORTS = '{% import "_macros.html" as ui %}{% import "_components.html" as parts %}{% import "_forms.html" as forms %}'


class Person:
    """Somebody who is signed in."""

    name = "A. Customer"
    email = "customer@example.com"
    role = "customer"


def style_guide() -> str:
    return render_template(
        "styleguide.html",
        now=NOW,
        fresh=SampleForm(prefix="fresh-"),
        refused=refused_form(),
        diagram=svg(State.REVOKED, [State.PENDING, State.ISSUED]),
    )


@pytest.fixture
def app() -> Flask:
    """An application with the desk's templates, wording and globals, and nothing behind them."""
    app = Flask(__name__, template_folder=str(TEMPLATES), static_folder=str(STATIC), static_url_path="/static")
    app.secret_key = "for flash() alone"
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        asset=lambda path: f"/static/{path}",
        csrf_token=lambda: "a-csrf-token",
    )
    wording.install(app, wording.Wording(ZoneInfo("Asia/Shanghai")))
    page: dict[str, Any] = {
        "shop_name": "Certificate desk",
        "theme": "auto",
        "nav": [("Certificates", "/certificates", True, None), ("Refunds", "/refunds", False, 2)],
        "current_account": Person(),
        "live_url": "http://127.0.0.1:1/live",
        "live_ticket": None,
    }
    app.context_processor(lambda: page)
    app.extensions["page"] = page
    app.add_url_rule("/sign-out", "accounts.sign_out", lambda: "", methods=["POST"])
    app.add_url_rule("/account/mail", "mail.preferences", lambda: "")
    app.add_url_rule("/account/security", "security.overview", lambda: "")
    app.add_url_rule("/organisation", "organisation.overview", lambda: "")
    app.add_url_rule("/account/data", "privacy.overview", lambda: "")
    app.add_url_rule("/jobs", "jobs.list_jobs", lambda: "")
    app.add_url_rule("/account/preferences", "preferences.preferences", lambda: "")
    app.add_url_rule("/help", "help.first_page", lambda: "")
    app.add_url_rule("/styleguide", "styleguide", style_guide)

    @app.after_request
    def protect(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
        )
        return response

    return app


@pytest.fixture
def render(app: Flask) -> Callable[..., ET.Element]:
    """Render a snippet that knows ui, parts and forms, and read it as HTML; names given are its context."""

    def render_one(source: str, **context: Any) -> ET.Element:
        with app.test_request_context("/"):
            return parse(render_template_string(IMPORTS + source, **context))

    return render_one


def parse(html: str) -> ET.Element:
    """Read HTML without forgiving anything."""
    parser = html5lib.HTMLParser(namespaceHTMLElements=False, strict=html.lstrip().lower().startswith("<!doctype"))
    document: ET.Element = parser.parse(html)
    return document


def text(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def with_id(document: ET.Element, key: str) -> ET.Element:
    (found,) = [element for element in document.iter() if element.get("id") == key]
    return found


def with_class(document: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in document.iter() if name in (element.get("class") or "").split()]


# The page


@pytest.fixture
def guide(app: Flask) -> str:
    response = app.test_client().get("/styleguide")
    assert response.status_code == 200
    return response.text


def test_the_style_guide_is_valid_html_with_unique_ids(guide: str) -> None:
    document = parse(guide)
    ids = Counter(element.get("id") for element in document.iter() if element.get("id"))
    assert [key for key, times in ids.items() if times > 1] == []


def test_everything_that_is_referred_to_by_id_exists(guide: str) -> None:
    document = parse(guide)
    ids = {element.get("id") for element in document.iter()}
    for element in document.iter():
        for attribute in ("for", "aria-describedby", "aria-labelledby", "popovertarget"):
            for key in (element.get(attribute) or "").split():
                assert key in ids, f"{element.tag} {attribute}={key}"
        target = element.get("href") or ""
        if element.tag == "a" and len(target) > 1 and target.startswith("#"):
            assert target[1:] in ids, target


def test_nothing_on_the_page_needs_more_than_the_content_security_policy_allows(guide: str) -> None:
    for element in parse(guide).iter():
        assert element.tag != "style"
        assert element.tag != "script" or (element.get("src") and not text(element))
        for attribute, _value in element.items():
            assert attribute != "style"
            assert not attribute.startswith(("on", "hx-on"))
        assert not (element.get("href") or "").startswith("javascript:")


def test_every_class_in_the_templates_has_a_rule(guide: str) -> None:
    """A misspelt class is as silent as a misspelt name would be without StrictUndefined."""
    known = set(re.findall(r"\.(-?[a-zA-Z_][\w-]*)", re.sub(r"/\*.*?\*/", "", CSS, flags=re.S)))
    # Hooks that need no rule of their own: the plain forms of what has variants, and the picture's own names.
    hooks = {
        "button--secondary",
        "action",
        "verdict__text",
        "notice__body",
        "lifecycle",
        "state",
        "edge",
        "choice__point",
    }
    used = {
        name
        for element in parse(guide).iter()
        for name in (element.get("class") or "").split()
        if not name.startswith(("state--", "step--", "tone-"))
    }
    assert used - known - hooks == set()


def test_every_icon_exists_and_is_shown_in_the_style_guide(guide: str) -> None:
    there = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    used = set(re.findall(r"icons\.svg#([\w-]+)", guide))
    assert used == there


def test_a_missing_name_is_an_error(app: Flask) -> None:
    with app.test_request_context("/"), pytest.raises(UndefinedError):
        render_template("styleguide.html", now=NOW)


def test_htmx_is_told_what_may_be_swapped_and_where(guide: str) -> None:
    (meta,) = [element for element in parse(guide).iter("meta") if element.get("name") == "htmx-config"]
    config = json.loads(meta.get("content") or "")
    assert config["allowEval"] is False
    assert config["selfRequestsOnly"] is True
    assert config["includeIndicatorStyles"] is False
    assert config["historyCacheSize"] == 0

    def handled(status: int) -> dict[str, Any]:
        rules: list[dict[str, Any]] = config["responseHandling"]
        return next(rule for rule in rules if re.search(rule["code"], str(status)))

    assert not handled(204)["swap"]
    for status in (200, 409, 422):
        assert handled(status)["swap"]
        assert "target" not in handled(status)
    for status in (400, 403, 404, 413, 500):
        assert handled(status)["target"] == "#messages"


def test_the_page_knows_who_is_signed_in_and_lets_them_out(guide: str) -> None:
    document = parse(guide)
    (form,) = [form for form in document.iter("form") if form.get("action") == "/sign-out"]
    assert form.get("method") == "post"
    assert [field.get("value") for field in form.iter("input")] == ["a-csrf-token"]
    (body,) = document.iter("body")
    assert json.loads(body.get("hx-headers") or "") == {"X-CSRFToken": "a-csrf-token"}
    assert body.get("sse-connect") is None
    current = [link for link in document.iter("a") if link.get("aria-current") == "page"]
    assert text(current[0]) == "Certificates"


def test_a_stranger_sees_neither_places_nor_a_way_out(app: Flask) -> None:
    app.extensions["page"].update(current_account=None, nav=[])
    document = parse(app.test_client().get("/styleguide").text)
    assert [nav for nav in document.iter("nav") if nav.get("aria-label") == "Main"] == []
    assert [form for form in document.iter("form") if form.get("action") == "/sign-out"] == []


def test_a_live_page_names_its_stream(app: Flask) -> None:
    app.extensions["page"].update(live_ticket="a.b", live_ticket_url="/live-ticket")
    document = parse(app.test_client().get("/styleguide").text)
    (body,) = document.iter("body")
    assert body.get("sse-connect") == "http://127.0.0.1:1/live"
    assert body.get("hx-ext") == "sse"
    assert (body.get("data-live-ticket"), body.get("data-live-renew")) == ("a.b", "/live-ticket")
    foot = next(document.iter("footer"))
    (status,) = [element for element in foot.iter() if element.get("data-live-status")]
    assert status.get("data-live-status") == "off"
    assert {"data-text-live", "data-text-reconnecting", "data-text-polling", "data-text-off"} <= set(status.keys())


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_the_server_sets_the_theme_and_the_switch_waits_for_its_script(app: Flask, theme: str) -> None:
    app.extensions["page"].update(theme=theme)
    document = parse(app.test_client().get("/styleguide").text)
    assert document.get("data-theme") == theme
    (switch,) = [element for element in document.iter() if element.get("data-theme-switch") is not None]
    assert switch.get("hidden") is not None
    chosen = [field.get("value") for field in switch.iter("input") if field.get("checked") is not None]
    assert chosen == [theme]


def test_what_people_wrote_stays_text(app: Flask) -> None:
    evil = "<b onclick='x'>&amp;"
    app.extensions["page"].update(shop_name=evil)

    @app.get("/flashing")
    def flashing() -> str:
        flash(evil, "error")
        return style_guide()

    document = parse(app.test_client().get("/flashing").text)
    messages = with_id(document, "messages")
    assert messages.get("role") == "status"
    assert text(messages) == evil
    assert text(with_class(document, "brand")[0]) == evil
    assert len(with_class(messages, "tone-danger")) == 1


@pytest.mark.parametrize("reference", [None, "4F1A"])
@pytest.mark.parametrize("template", ["errors/error.html", "errors/_error.html"])
def test_an_error_says_what_happened_and_what_to_do_next(app: Flask, template: str, reference: str | None) -> None:
    with app.test_request_context("/"):
        document = parse(
            render_template(
                template,
                code=409,
                title="Somebody was faster",
                explanation="It was approved at 12:50.",
                advice="Look at it as it is now.",
                action=("Show it", "/refunds"),
                reference=reference,
            )
        )
    shown = text(document)
    for part in ("Somebody was faster", "It was approved at 12:50.", "Look at it as it is now.", "Show it"):
        assert part in shown
    assert ("4F1A" in shown) == (reference is not None)


# Words of state


def test_every_state_mover_and_outlook_has_its_mark(app: Flask) -> None:
    module = app.jinja_env.get_template("_macros.html").module
    assert set(module.STATES) == {state.value for state in State}  # type: ignore[attr-defined]
    assert set(module.MOVES) == {mover.value for mover in Mover}  # type: ignore[attr-defined]
    assert set(module.OUTLOOKS) == {outlook.value for outlook in Outlook}  # type: ignore[attr-defined]


@pytest.mark.parametrize("state", list(State))
def test_a_badge_has_an_icon_and_the_words_of_the_desk(render: Callable[..., ET.Element], state: State) -> None:
    (badge,) = with_class(render("{{ ui.badge(state) }}", state=state), "badge")
    assert text(badge) == wording.STATE_WORDS[state]
    assert len(list(badge.iter("{http://www.w3.org/2000/svg}svg"))) + len(list(badge.iter("svg"))) == 1


@pytest.mark.parametrize(
    ("mover", "viewer", "words"),
    [
        ("customer", "customer", "Your move"),
        ("reviewer", "reviewer", "Your move"),
        ("reviewer", "admin", "Your move"),
        ("reviewer", "customer", "Reviewer’s move"),
        ("customer", "reviewer", "Customer’s move"),
        ("system", "customer", "We are working on it"),
        ("nobody", "reviewer", "Nothing left to do"),
    ],
)
def test_whose_move_it_is_depends_on_who_reads(
    render: Callable[..., ET.Element], mover: str, viewer: str, words: str
) -> None:
    document = render("{{ ui.move(mover, viewer) }}", mover=mover, viewer=viewer)
    assert text(with_class(document, "move")[0]) == words
    assert bool(with_class(document, "move--loud")) == (words == "Your move")


def test_an_instant_is_readable_by_people_and_by_machines(render: Callable[..., ET.Element]) -> None:
    (time,) = render("{{ ui.when(at) }}", at=NOW.replace(microsecond=123456)).iter("time")
    assert time.get("datetime") == "2026-11-23T06:05:00+00:00"
    assert text(time) == "23 Nov 2026, 14:05 CST"
    (day,) = render("{{ ui.on_day(at) }}", at=NOW.date()).iter("time")
    assert day.get("datetime") == "2026-11-23"


# Actions


def test_a_permitted_action_is_a_link_or_a_form(render: Callable[..., ET.Element]) -> None:
    (link,) = render("{{ ui.action('refund', 'Refund', '/refund') }}").iter("a")
    assert link.get("href") == "/refund"
    (form,) = render("{{ ui.post_action('keep', 'Keep', '/keep', fields={'version': 7}) }}").iter("form")
    assert (form.get("method"), form.get("action")) == ("post", "/keep")
    sent = {field.get("name"): field.get("value") for field in form.iter("input")}
    assert sent == {"csrf_token": "a-csrf-token", "version": "7"}


@pytest.mark.parametrize("macro", ["action", "post_action"])
def test_a_refused_action_stands_disabled_with_its_reason_in_sight(
    render: Callable[..., ET.Element], macro: str
) -> None:
    document = render("{{ ui[macro]('refund', 'Refund', '/refund', reason='Revoke it first.') }}", macro=macro)
    assert list(document.iter("a")) == []
    assert list(document.iter("form")) == []
    (button,) = document.iter("button")
    assert (button.get("aria-disabled"), button.get("type")) == ("true", "button")
    reason = with_id(document, button.get("aria-describedby") or "")
    assert text(reason) == "Revoke it first."
    assert reason.get("hidden") is None


# Fields


FIELDS = ["domain", "password", "csr", "upload", "account", "remember"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_its_label_help_and_error(render: Callable[..., ET.Element], name: str) -> None:
    form = refused_form()
    form[name].errors = ["This is wrong."]
    document = render("{{ forms.field(field, help='Some help.') }}", field=form[name])
    control = with_id(document, form[name].id)
    described = [with_id(document, key) for key in (control.get("aria-describedby") or "").split()]
    assert [text(element) for element in described] == ["Some help.", "This is wrong."]
    assert control.get("aria-invalid") == "true"
    labels = [
        label for label in document.iter("label") if label.get("for") == control.get("id") or control in label.iter()
    ]
    assert len(labels) == 1
    assert form[name].label.text in text(labels[0])


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_without_help_and_error_refers_to_neither(render: Callable[..., ET.Element], name: str) -> None:
    form = SampleForm()
    control = with_id(render("{{ forms.field(field) }}", field=form[name]), name)
    assert control.get("aria-describedby") is None
    assert control.get("aria-invalid") is None


def test_radios_are_a_group_with_a_name_and_an_error(render: Callable[..., ET.Element]) -> None:
    form = refused_form()
    document = render("{{ forms.field(field, notes={'Ordered twice': 'The other one stays.'}) }}", field=form.reason)
    (group,) = document.iter("fieldset")
    assert group.get("aria-invalid") == "true"
    assert text(with_id(document, group.get("aria-describedby") or "")) == "Choose a reason."
    assert [text(legend) for legend in group.iter("legend")] == ["Refund reason"]
    assert [text(label) for label in group.iter("label")] == ["Ordered twice The other one stays.", "Another reason"]


def test_cards_are_radios_of_the_field(render: Callable[..., ET.Element]) -> None:
    cards = [
        {"value": value, "title": value, "price": "1", "per": "a year", "text": "", "points": ["fast"]}
        for value in ("dv", "ov")
    ]
    document = render("{{ forms.choice_cards(field, cards) }}", field=SampleForm().product, cards=cards)
    radios = [(field.get("name"), field.get("value"), field.get("checked")) for field in document.iter("input")]
    assert radios == [("product", "dv", ""), ("product", "ov", None)]


def test_a_checked_field_asks_for_itself_and_replaces_itself(render: Callable[..., ET.Element]) -> None:
    document = render("{{ forms.field(field, check_url='/check') }}", field=SampleForm().domain)
    control = with_id(document, "domain")
    assert control.get("hx-post") == "/check"
    assert control.get("hx-trigger") == "change"
    assert "field" in (with_id(document, (control.get("hx-target") or "").lstrip("#")).get("class") or "")


def test_the_summary_leads_to_every_error(render: Callable[..., ET.Element]) -> None:
    form = refused_form()
    form.form_errors.append("These do not belong together.")
    document = render(
        "{{ forms.error_summary(form) }}{% for field in form %}{{ forms.field(field) }}{% endfor %}", form=form
    )
    (summary,) = with_class(document, "errors")
    assert "These do not belong together." in text(summary)
    links = {(link.get("href") or "").lstrip("#") for link in summary.iter("a")}
    assert links == {form[name].id for name in form.errors if name}
    for key in links:
        with_id(document, key)
    assert with_class(render("{{ forms.error_summary(form) }}", form=SampleForm()), "errors") == []


# Weight


def test_the_first_visit_is_light(app: Flask, guide: str) -> None:
    """Everything that a browser fetches before it can show and use a page, compressed as a proxy would."""
    sizes = {
        path: len(gzip.compress((STATIC / path).read_bytes())) for path in set(re.findall(r"/static/([\w./-]+)", guide))
    }
    assert {"desk.css", "live.js", "page.js", "theme.js", "vendor/htmx.min.js"} <= set(sizes)
    assert sum(sizes.values()) + 8 * 1024 < 100 * 1024


def test_the_style_sheet_and_a_long_list_are_light(app: Flask) -> None:
    assert len(gzip.compress(CSS.encode())) < 16 * 1024
    assert len(gzip.compress((STATIC / "icons.svg").read_bytes())) < 6 * 1024
    row = (
        "{{ parts.certificate_row(key ~ n, '/certificates/' ~ key ~ n, 'host-' ~ n ~ '.example.com', 'Wildcard',"
        " states[n % states|length], 'customer', 'customer', 'now', 'Refundable until ' ~ n ~ ' Dec 2026, 14:05 CST',"
        " 'in ' ~ n ~ ' days', wants=true, action=('Refund', '/certificates/' ~ key ~ n ~ '/refund')) }}"
    )
    source = (
        "{% extends 'base.html' %}" + IMPORTS + "{% block title %}List{% endblock %}{% block main %}"
        "{% call parts.certificate_table('Certificates') %}{% for n in range(25) %}" + row + "{% endfor %}{% endcall %}"
        "{% endblock %}"
    )
    with app.test_request_context("/"):
        html = render_template_string(
            source, key="0123456789abcdef0123456789abcd", states=[state.value for state in State]
        )
    assert len(gzip.compress(html.encode())) < 8 * 1024


# Colours


def tokens() -> dict[str, tuple[str, str]]:
    """The colour tokens of the style sheet: name to (light, dark)."""
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
    return {name: (light, dark) for name, light, dark in found}


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as WCAG 2.2 defines it, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


TONES = ["neutral", "progress", "good", "warn", "bad", "money"]
GROUNDS = ["paper", "surface", "sunken"]
TINTS = [f"{tone}-tint" for tone in TONES] + ["accent-tint"]
TEXT = 4.5
"""WCAG 2.2, 1.4.3, for text of any size."""
GRAPHIC = 3.0
"""WCAG 2.2, 1.4.11, for the bounds of controls, marks and the focus ring."""

PAIRS = [
    *((ink, ground, TEXT) for ink, ground in product(["ink", "ink-2", "ink-3", "accent", "accent-strong"], GROUNDS)),
    *((ink, tint, TEXT) for ink, tint in product(["ink", "ink-2", "accent", "accent-strong"], TINTS)),
    *((f"{tone}-ink", ground, TEXT) for tone, ground in product(TONES, [*GROUNDS, "accent-tint"])),
    *((f"{tone}-ink", f"{tone}-tint", TEXT) for tone in TONES),
    *(("on-accent", ground, TEXT) for ground in ("accent", "accent-strong", "bad-ink")),
    ("ink", "warn-tint", TEXT),
    ("surface", "good-ink", GRAPHIC),
    ("surface", "bad-ink", GRAPHIC),
    *(("line-strong", ground, GRAPHIC) for ground in GROUNDS),
    *(("focus", ground, GRAPHIC) for ground in [*GROUNDS, *TINTS]),
]
DECORATION = {"line", "line-soft", *(f"{tone}-line" for tone in TONES)}
"""Lines that only divide, or bound what its words already name."""


@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_contrast_of_every_pair_of_colours(front: str, back: str, least: float, theme: str) -> None:
    colours = {name: pair[theme == "dark"] for name, pair in tokens().items()}
    assert contrast(colours[front], colours[back]) >= least


def test_every_colour_is_part_of_a_pair_that_is_checked() -> None:
    checked = {name for front, back, _ in PAIRS for name in (front, back)}
    assert set(tokens()) == checked | DECORATION


def test_colours_are_written_in_tokens_only() -> None:
    """Except for paper that is printed on, for shadows, and inside the drawing of a mask."""
    rules = CSS.replace(unescape(CSS[CSS.index("@layer print {") :]), "")
    rules = re.sub(r"--[\w-]+: [^;]*;|url\(\"[^\"]*\"\)|box-shadow: [^;]*;", "", rules)
    assert re.findall(r"(?:#[0-9a-fA-F]{3,8}\b(?=[;, )])|\brgba?\()", rules) == []


# In a browser


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    """The style guide on a free port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}/styleguide"
    server.shutdown()
    thread.join()


@pytest.mark.browser
def test_the_style_guide_in_a_browser(address: str) -> None:
    """Axe finds nothing, nothing runs over the edge, and the policy stops nothing, in both themes at every width."""
    chromium = shutil.which("chromium")
    if chromium is None:
        required("Chromium", "apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for theme, width in product(("light", "dark"), (320, 1440)):
            page = browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=theme, reduced_motion="reduce"
            )
            complaints: list[str] = []
            page.on("console", lambda message, told=complaints: told.append(message.text))
            page.goto(address)
            assert [told for told in complaints if "Content Security Policy" in told] == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = axe.run(page).response["violations"]
            assert found == [], f"{theme} {width}: {[(one['id'], one['nodes'][0]['target']) for one in found]}"
            page.close()
        browser.close()
