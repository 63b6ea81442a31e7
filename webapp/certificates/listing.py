"""The list of certificates, made from rows: tabs, search, rows with their verdicts, and the ways to other pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from flask import url_for

from certlifecycle import REVIEWERS, Mover, Outlook, RefundPolicy, State, Verdict, phrase, verdict
from webapp.accounts.models import Account
from webapp.catalogue import product_words
from webapp.certificates.actions import WAITING_FOR_REVIEW
from webapp.certificates.facts import facts_of
from webapp.certificates.names import display_name
from webapp.certificates.present import SOON, mover_of, open_until, time_left
from webapp.certificates.queries import STATES_ON, Counts, Listed, ListPage, Place, Search, Tab
from webapp.wording import STATE_WORDS, Vocabulary, _, ngettext, words

list_address = partial(url_for, "certificates.list_certificates")

TAB_WORDS = Vocabulary({Tab.UNSIGNED: phrase("Unsigned"), Tab.SIGNED: phrase("Signed")})


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate in the list. ``wants`` marks what waits for the reader; ``action`` is (label, address)."""

    key: str
    url: str
    fragment_url: str
    domain: str
    product: str
    state: State
    mover: Mover
    outlook: Outlook
    sentence: str
    note: str | None
    soon: bool
    wants: bool
    action: tuple[str, str]


def addresses(endpoint: str) -> Callable[[str], str]:
    """The address of each certificate's page; building every one from the route would be half the work of a list."""
    placeholder = "0" * 32
    pattern = url_for(endpoint, certificate_id=placeholder)
    return lambda key: pattern.replace(placeholder, key)


def rows(found: Sequence[Listed], viewer: Account, now: datetime, policy: RefundPolicy) -> list[Row]:
    """The rows of a list, each with its verdict."""
    url, fragment_url = addresses("certificates.details"), addresses("certificates.row")
    return [_row(one, viewer, now, policy, url, fragment_url) for one in found]


def _row(
    one: Listed,
    viewer: Account,
    now: datetime,
    policy: RefundPolicy,
    url: Callable[[str], str],
    fragment_url: Callable[[str], str],
) -> Row:
    certificate, purchase = one.certificate, one.purchase
    answer = verdict(facts_of(certificate, purchase, one.refund), now, policy)
    state = State(certificate.state)
    until = open_until(answer, now)
    note = time_left(until, now) if until else None
    if state is State.REFUND_REQUESTED and one.refund:
        note = _("Decision by {day}", day=one.refund.latest)
    line = [product_words(purchase.product_name), _("order {number}", number=purchase.number)]
    if viewer.role in REVIEWERS:
        line.insert(0, one.customer_name)
    return Row(
        key=certificate.id,
        url=url(certificate.id),
        fragment_url=fragment_url(certificate.id),
        domain=display_name(certificate.domain),
        product=" · ".join(line),
        state=state,
        mover=mover_of(state, answer),
        outlook=answer.outlook,
        # The step is what the customer can do; it names the deadline as well.
        sentence=words().say(answer.next_step or answer.sentence),
        note=note,
        soon=until is not None and until - now <= SOON,
        wants=_wants(state, answer, viewer),
        action=_next_thing(one, state, answer, viewer, url),
    )


def _wants(state: State, answer: Verdict, viewer: Account) -> bool:
    if viewer.role in REVIEWERS:
        return state in WAITING_FOR_REVIEW
    if state is State.REVOKED:
        return answer.eligible
    return state in (State.PENDING, State.FAILED, State.REJECTED)


def _next_thing(
    one: Listed, state: State, answer: Verdict, viewer: Account, url: Callable[[str], str]
) -> tuple[str, str]:
    key = one.certificate.id
    if viewer.role in REVIEWERS:
        if state in WAITING_FOR_REVIEW:
            return _("Review"), url_for("review.item", certificate_id=key)
        return _("Details"), url(key)
    if one.refund is not None:
        label = _("See why") if state is State.REJECTED else _("Progress")
        return label, url_for("refunds.details", refund_id=one.refund.id)
    if state in (State.PENDING, State.FAILED):
        return _("Submit"), url_for("certificates.submit", certificate_id=key)
    if state is State.REVOKED and answer.eligible:
        return _("Refund"), url_for("refunds.apply", certificate_id=key)
    return _("Details"), url(key)


@dataclass(frozen=True, slots=True)
class Empty:
    """What stands where there are no rows: why, and what to do. ``action`` is (label, address)."""

    title: str
    text: str
    action: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ListView:
    """A page of the list. ``url`` is its own address; addresses that lead nowhere are ``None``."""

    tab: Tab
    text: str
    state: str
    url: str
    clear_url: str | None
    tabs: list[tuple[str, str, bool, int]]
    states: list[tuple[str, str]]
    rows: list[Row]
    summary: str
    first: str | None
    newer: str | None
    older: str | None
    last: str | None
    empty: Empty | None


def list_view(page: ListPage, search: Search, viewer: Account, now: datetime, policy: RefundPolicy) -> ListView:
    """What the page and its living fragment show."""
    tab, text = page.tab, search.text

    def address(
        tab: Tab,
        state: State | None,
        after: Place | None = None,
        before: Place | None = None,
        is_last: bool = False,
    ) -> str:
        return list_address(
            tab=tab.value,
            state=state,
            q=text or None,
            after=str(after) if after else None,
            before=str(before) if before else None,
            page="last" if is_last else None,
        )

    def tab_address(other: Tab) -> str:
        return address(other, search.state if search.state in STATES_ON[other] else None)

    is_found = page.counts.found
    return ListView(
        tab=tab,
        text=text,
        state=search.state or "",
        url=address(tab, search.state, search.after, search.before, search.is_last),
        clear_url=list_address(tab=tab.value) if text or search.state else None,
        tabs=[(TAB_WORDS[one], tab_address(one), one is tab, page.counts.on(one)) for one in Tab],
        states=[("", _("Any state")), *((state.value, STATE_WORDS[state]) for state in STATES_ON[tab])],
        rows=rows(page.rows, viewer, now, policy),
        summary=ngettext("{count} certificate, the newest first", "{count} certificates, the newest first", is_found),
        first=address(tab, search.state) if page.newer else None,
        newer=address(tab, search.state, before=page.newer) if page.newer else None,
        older=address(tab, search.state, after=page.older) if page.older else None,
        last=address(tab, search.state, is_last=True) if page.older else None,
        empty=None if page.rows else _empty(page.counts, tab, search, viewer),
    )


def _empty(counts: Counts, tab: Tab, search: Search, viewer: Account) -> Empty:
    """Why there is nothing, and what to do."""
    other = Tab.SIGNED if tab is Tab.UNSIGNED else Tab.UNSIGNED
    to_other = (
        _("Show {tab}", tab=TAB_WORDS[other]),
        url_for("certificates.list_certificates", tab=other.value, q=search.text or None),
    )
    if search.text or search.state:
        clear = list_address(tab=tab.value)
        text = _("No certificate on the tab {tab} fits what you are looking for.", tab=TAB_WORDS[tab])
        if there := counts.on(other):
            more = ngettext(
                "{count} on the tab {tab} fits the search.",
                "{count} on the tab {tab} fit the search.",
                there,
                tab=TAB_WORDS[other],
            )
            text = words().sentences(text, more)
        action = to_other if there and not search.state else (_("Clear the search"), clear)
        return Empty(_("Nothing found"), text, action)
    if counts.on(other):
        if tab is Tab.UNSIGNED:
            text = _("Every certificate has been issued. They stand on the tab Signed.")
            return Empty(_("Nothing is unsigned"), text, to_other)
        text = _("A certificate comes to this tab once it is issued. Those before that stand on the tab Unsigned.")
        return Empty(_("None has been issued yet"), text, to_other)
    if viewer.role in REVIEWERS:
        return Empty(_("No certificates yet"), _("As soon as a customer orders one, it stands here."))
    text = _(
        "Order one: you pay from your balance, hand in a CSR, and once we know that the domain is yours it is issued."
    )
    return Empty(_("You have no certificates yet"), text, (_("Order a certificate"), url_for("ordering.price_list")))
