"""What the certificate's page says about the control of the domain."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, render_template
from jinja2 import StrictUndefined
from nameserver import NameServer, name_server
from shop import Page, Shop, parse

from certlifecycle import State
from webapp import wording
from webapp.certificates.models import Certificate
from webapp.domaincontrol.check import Checker
from webapp.domaincontrol.dns import Resolvers
from webapp.domaincontrol.http import Visitor
from webapp.domaincontrol.models import DomainControl, open_control
from webapp.domaincontrol.present import ControlView, ago, control_view
from webapp.domaincontrol.showing import showings
from webapp.effects.check_domain import Patience, check_domain

ROOT = Path(__file__).parent.parent


@pytest.fixture
def names() -> Iterator[NameServer]:
    with name_server() as running:
        yield running


@pytest.fixture
def checker(names: NameServer) -> Iterator[Checker]:
    with name_server() as second:
        yield Checker(Resolvers([names.address, second.address], quorum=1), Visitor(), "desk.example")


@pytest.fixture
def desk_shop(shop: Shop) -> Shop:
    DomainControl.__table__.create(shop.database.engine, checkfirst=True)  # type: ignore[attr-defined]
    return shop


@pytest.fixture
def app() -> Flask:
    """The smallest application that can show the fragment: the real templates and words, and the two addresses."""
    app = Flask(__name__, template_folder=str(ROOT / "templates"))
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(asset=lambda path: f"/static/{path}", csrf_token=lambda: "a-csrf-token")
    wording.install(app, wording.Wording(ZoneInfo("Asia/Shanghai")))
    app.add_url_rule("/certificates/<certificate_id>", "certificates.details")
    app.add_url_rule("/certificates/<certificate_id>/check", "certificates.check_now", methods=["POST"])
    return app


def view_of(shop: Shop, certificate: Certificate) -> ControlView | None:
    with shop.database.reading() as session:
        file = shop.desk.open_file(session, certificate.id)
        showing = showings(session, [certificate.id], lambda _: False).get(certificate.id)
        return control_view(file, showing, shop.clock(), Patience())


def shown(app: Flask, view: ControlView) -> tuple[str, str]:
    """The fragment's markup, checked as strictly as every page's, and its words."""
    with app.test_request_context():
        text = render_template("certificates/_domain_control.html", control=view)
    tree = parse(text, fragment=True)
    page = object.__new__(Page)
    page.tree = tree
    return text, page.words


def given(shop: Shop, **order: str) -> Certificate:
    """A submitted certificate whose customer has the value."""
    certificate = shop.certificate_in(State.SUBMITTED, **order)
    assert certificate.submission_id is not None
    open_control(shop.database, certificate.submission_id, certificate.id, shop.clock())
    return certificate


def token_of(shop: Shop, certificate: Certificate) -> str:
    control: DomainControl = shop.find(DomainControl, certificate.submission_id)
    return control.token


def test_before_the_first_look_both_ways_are_explained(desk_shop: Shop, app: Flask) -> None:
    certificate = given(desk_shop)
    view = view_of(desk_shop, certificate)
    assert view is not None
    text, words = shown(app, view)
    token = token_of(desk_shop, certificate)
    for copied in (
        "_desk.www.example.com",
        f"desk-verification={token}",
        f"http://www.example.com/.well-known/pki-validation/{certificate.submission_id}.txt",
        token,
    ):
        assert f'<span class="copyable">{copied}</span>' in text
    assert f'_desk.www.example.com. 300 IN TXT "desk-verification={token}"' in words
    assert "We have not looked yet." in words
    assert "until 6 May 2026, 17:00 CST" in words
    assert f'action="/certificates/{certificate.id}/check"' in text
    assert f'name="version" value="{certificate.version}"' in text
    assert "Check now" in words


def test_a_wildcard_is_told_of_the_record_alone(desk_shop: Shop, app: Flask) -> None:
    certificate = given(desk_shop, domain="*.example.com", product="wildcard")
    view = view_of(desk_shop, certificate)
    assert view is not None
    text, words = shown(app, view)
    assert "Show that example.com is yours" in words
    assert "_desk.example.com" in words
    assert ".well-known" not in text


def test_an_international_name_is_shown_as_people_read_it_and_as_the_dns_needs_it(desk_shop: Shop, app: Flask) -> None:
    view = view_of(desk_shop, given(desk_shop, domain="xn--bcher-kva.example"))
    assert view is not None
    _, words = shown(app, view)
    assert "Show that bücher.example (xn--bcher-kva.example) is yours" in words
    assert "_desk.xn--bcher-kva.example. 300 IN TXT" in words


def test_the_last_findings_with_when_and_by_how_many(
    desk_shop: Shop, app: Flask, names: NameServer, checker: Checker
) -> None:
    certificate = given(desk_shop)
    names.put_txt("_desk.www.example.com", b"<img src=x>")
    check_domain(desk_shop.desk, checker, certificate.id)
    desk_shop.clock.advance(seconds=40)
    view = view_of(desk_shop, certificate)
    assert view is not None
    text, words = shown(app, view)
    assert "TXT record: The TXT record at _desk.www.example.com holds another value: “<img src=x>”." in words
    assert "<img" not in text
    assert "File: www.example.com has no address for a web server." in words
    assert "Checked 40 s ago by 2 resolvers." in words
    assert "You need not come back for it." in words
    assert view.can_check_now


def test_whoever_has_just_looked_need_not_look_again(desk_shop: Shop, app: Flask, checker: Checker) -> None:
    certificate = given(desk_shop)
    check_domain(desk_shop.desk, checker, certificate.id)
    desk_shop.clock.advance(seconds=9)
    view = view_of(desk_shop, certificate)
    assert view is not None
    assert "Check now" not in shown(app, view)[1]


def test_what_was_seen_is_told_and_the_reviewer_comes_next(
    desk_shop: Shop, app: Flask, names: NameServer, checker: Checker
) -> None:
    certificate = given(desk_shop, product="ov")
    before = view_of(desk_shop, certificate)
    assert before is not None
    assert before.until == desk_shop.clock() + timedelta(days=30)
    assert "a reviewer looks at your organisation" in before.next_step
    names.put("_desk.www.example.com", "TXT", f'"desk-verification={token_of(desk_shop, certificate)}"')
    check_domain(desk_shop.desk, checker, certificate.id)
    view = view_of(desk_shop, certificate)
    assert view is not None
    text, words = shown(app, view)
    assert "We have seen that www.example.com is yours" in words
    assert "TXT record, seen 4 May 2026, 17:00 CST" in words
    assert "A reviewer looks at your organisation next; you need do nothing." in words
    # Nothing is left to be copied, waited for or checked.
    for gone in ("copyable", "Check now", "We look again", "hx-trigger"):
        assert gone not in text


def test_caa_records_in_the_way_are_told_with_what_to_add(
    desk_shop: Shop, app: Flask, names: NameServer, checker: Checker
) -> None:
    certificate = given(desk_shop)
    names.put("example.com", "CAA", '0 issue "other.example"')
    names.put("_desk.www.example.com", "TXT", f'"desk-verification={token_of(desk_shop, certificate)}"')
    check_domain(desk_shop.desk, checker, certificate.id)
    desk_shop.clock.advance(minutes=2)
    view = view_of(desk_shop, certificate)
    assert view is not None
    _, words = shown(app, view)
    assert "Your CAA records are in the way" in words
    assert 'Add the record: example.com. CAA 0 issue "desk.example"' in words
    assert "Change the CAA records as said above. We look again by ourselves." in words
    assert "Check now" in words


def test_a_submission_without_a_value_yet_has_a_page(desk_shop: Shop, app: Flask) -> None:
    certificate = desk_shop.certificate_in(State.SUBMITTED)
    # One that was handed in before the desk looked at domains.
    with desk_shop.database.writing() as session:
        session.delete(session.get(DomainControl, certificate.submission_id))
    view = view_of(desk_shop, certificate)
    assert view is not None
    assert "it stands here in a moment" in shown(app, view)[1]


@pytest.mark.parametrize("state", [State.PENDING, State.VERIFIED, State.FAILED, State.ISSUED])
def test_in_other_states_there_is_nothing_to_show(desk_shop: Shop, state: State) -> None:
    assert view_of(desk_shop, desk_shop.certificate_in(state)) is None


def test_looking_at_the_page_changes_nothing(desk_shop: Shop) -> None:
    certificate = given(desk_shop)
    before = desk_shop.find(DomainControl, certificate.submission_id)
    view_of(desk_shop, certificate)
    assert desk_shop.find(DomainControl, certificate.submission_id) == before


def test_the_findings_ask_for_themselves_and_leave_the_instructions_alone(desk_shop: Shop, app: Flask) -> None:
    view = view_of(desk_shop, given(desk_shop))
    assert view is not None
    text, _ = shown(app, view)
    instructions, _, findings = text.partition('<div id="domain-control-finding"')
    assert 'hx-select="#domain-control-finding"' in findings
    assert "copyable" in instructions
    assert "copyable" not in findings


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (timedelta(seconds=-5), "0 s ago"),
        (timedelta(seconds=40.9), "40 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=47), "47 h ago"),
        (timedelta(hours=48), "2 days ago"),
    ],
)
def test_how_long_ago(past: timedelta, words: str) -> None:
    assert ago(past) == words
