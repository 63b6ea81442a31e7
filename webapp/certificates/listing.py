"""The list of certificates, made from rows: tabs, search, rows with their verdicts, and the ways to other pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from flask import url_for
from werkzeug.datastructures import MultiDict

from certlifecycle import REVIEWERS, Mover, Outlook, RefundPolicy, State, Verdict, phrase, verdict
from webapp.accounts.models import Account
from webapp.catalogue import product_words
from webapp.certificates.actions import WAITING_FOR_REVIEW
from webapp.certificates.names import display_name
from webapp.certificates.present import SOON, mover_of, open_until, time_left
from webapp.certificates.queries import PAGE_SIZE, Counts, Listed, ListPage
from webapp.certificates.saved import SavedSearch
from webapp.certificates.search import NEWEST, STATES_ON, Order, Place, Search, Sort, Tab
from webapp.certificates.sorting import sorts_on
from webapp.counting import MOST
from webapp.domaincontrol.showing import STATES as SHOWN_IN
from webapp.organisations.naming import customer_words
from webapp.wording import STATE_WORDS, Vocabulary, _, ngettext, words

list_address = partial(url_for, "certificates.list_certificates")

TAB_WORDS = Vocabulary({Tab.UNSIGNED: phrase("Unsigned"), Tab.SIGNED: phrase("Signed")})

SORT_WORDS = {
    Order(Sort.ORDERED, falling=True): phrase("Newest first"),
    Order(Sort.ORDERED, falling=False): phrase("Oldest first"),
    Order(Sort.DOMAIN, falling=False): phrase("Domain, A to Z"),
    Order(Sort.DOMAIN, falling=True): phrase("Domain, Z to A"),
    Order(Sort.STATE, falling=False): phrase("State, in the order of the life cycle"),
    Order(Sort.STATE, falling=True): phrase("State, from the end of the life cycle"),
    Order(Sort.ISSUED, falling=True): phrase("Issued last, first"),
    Order(Sort.ISSUED, falling=False): phrase("Issued longest ago, first"),
    Order(Sort.EXPIRES, falling=False): phrase("Expires soonest, first"),
    Order(Sort.EXPIRES, falling=True): phrase("Expires last, first"),
    Order(Sort.DEADLINE, falling=False): phrase("Refund window closes soonest, first"),
    Order(Sort.DEADLINE, falling=True): phrase("Refund window closes last, first"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate in the list. ``wants`` marks what waits for the reader; ``action`` is (label, address).

    ``dates`` are (label, instant). ``refund_url`` leads to the application where it can be made and is not the action;
    ``pick`` is what a box to tick says, where there is one.
    """

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
    dates: tuple[tuple[str, datetime], ...]
    refund_url: str | None
    pick: str | None


def addresses(endpoint: str) -> Callable[[str], str]:
    """The address of each certificate's page; building every one from the route would be half the work of a list."""
    placeholder = "0" * 32
    pattern = url_for(endpoint, certificate_id=placeholder)
    return lambda key: pattern.replace(placeholder, key)


class _Ways:
    """The addresses that rows lead to."""

    def __init__(self) -> None:
        self.details = addresses("certificates.details")
        self.fragment = addresses("certificates.row")
        self.submit = addresses("certificates.submit")
        self.apply = addresses("refunds.apply")


def rows(found: Sequence[Listed], viewer: Account, now: datetime, policy: RefundPolicy) -> list[Row]:
    """The rows of a list, each with its verdict."""
    ways = _Ways()
    return [_row(one, viewer, now, policy, ways) for one in found]


def _row(one: Listed, viewer: Account, now: datetime, policy: RefundPolicy, ways: _Ways) -> Row:
    state = State(one.state)
    answer = verdict(one.facts, now, policy)
    mover = mover_of(state, answer, one.showing)
    until = open_until(answer, now)
    note = time_left(until, now) if until else None
    if state is State.REFUND_REQUESTED and one.refund:
        note = _("Decision by {day}", day=words().day(one.refund.latest))
    line = [product_words(one.product_name), _("order {number}", number=one.number)]
    is_reviewer = viewer.role in REVIEWERS
    if is_reviewer:
        line.insert(0, customer_words(one.customer_name, one.organisation_name))
    elif one.customer_id != viewer.id:
        # A colleague's, on the list that an organisation shares.
        line.insert(0, one.customer_name)
    is_first = state in (State.PENDING, State.FAILED)
    return Row(
        key=one.id,
        url=ways.details(one.id),
        fragment_url=ways.fragment(one.id),
        domain=display_name(one.domain),
        product=" · ".join(line),
        state=state,
        mover=mover,
        outlook=answer.outlook,
        # The step is what the customer can do; it names the deadline as well.
        sentence=words().say(answer.next_step or answer.sentence),
        note=note,
        soon=until is not None and until - now <= SOON,
        wants=_wants(state, answer, mover, viewer),
        action=_next_thing(one, answer, mover, viewer, ways),
        dates=_dates(one),
        refund_url=ways.apply(one.id) if is_first and answer.eligible and not is_reviewer else None,
        pick=None if is_reviewer else f"{one.id}:{one.version}",
    )


def _dates(one: Listed) -> tuple[tuple[str, datetime], ...]:
    if one.issued_at is None or one.not_after is None:
        return ((_("Ordered"), one.created_at),)
    return ((_("Issued"), one.issued_at), (_("Expires"), one.not_after))


def _wants(state: State, answer: Verdict, mover: Mover, viewer: Account) -> bool:
    if viewer.role in REVIEWERS:
        return state in WAITING_FOR_REVIEW and mover is Mover.REVIEWER
    if state is State.REVOKED:
        return answer.eligible
    return mover is Mover.CUSTOMER and state is not State.ISSUED


def _next_thing(one: Listed, answer: Verdict, mover: Mover, viewer: Account, ways: _Ways) -> tuple[str, str]:
    state = State(one.state)
    if viewer.role in REVIEWERS:
        if state in WAITING_FOR_REVIEW:
            return _("Review"), url_for("review.item", certificate_id=one.id)
        return _("Details"), ways.details(one.id)
    if one.refund is not None:
        label = _("See why") if state is State.REJECTED else _("Progress")
        return label, url_for("refunds.details", refund_id=one.refund.id)
    if state in (State.PENDING, State.FAILED):
        return _("Submit"), ways.submit(one.id)
    if state is State.REVOKED and answer.eligible:
        return _("Refund"), ways.apply(one.id)
    if state in SHOWN_IN and mover is Mover.CUSTOMER:
        return _("See what to set"), f"{ways.details(one.id)}#domain-control"
    return _("Details"), ways.details(one.id)


@dataclass(frozen=True, slots=True)
class Empty:
    """What stands where there are no rows: why, and what to do. ``actions`` are (label, address)."""

    title: str
    text: str
    actions: tuple[tuple[str, str], ...] = ()


Head = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class ListView:
    """A page of the list. ``url`` is its own address; addresses that lead nowhere are ``None``.

    ``heads`` are the columns: (label, address that sorts by it, direction or ``None``); ``sorts`` are the choices of
    the same for narrow screens. ``args`` are the parameters that lead back to this search. ``many`` names what can be
    done with the ticked ones: (event, label); ``all_found`` is how many the search finds where a page shows less.
    ``can_save`` says that there is something about the search worth keeping.
    """

    tab: Tab
    text: str
    state: str
    sort: str
    url: str
    args: Mapping[str, str]
    clear_url: str | None
    can_save: bool
    tabs: list[tuple[str, str, bool, int]]
    states: list[tuple[str, str]]
    heads: list[Head]
    sorts: list[tuple[str, str]]
    rows: list[Row]
    count: int
    summary: str
    order: str
    many: list[tuple[str, str]]
    all_found: int | None
    first: str | None
    newer: str | None
    older: str | None
    last: str | None
    empty: Empty | None


def address(args: Mapping[str, str], **place: Place | str | None) -> str:
    """The address of the list with these parameters, and of a place in it."""
    kept = dict(args) | {name: str(value) for name, value in place.items() if value is not None}
    return f"{list_address()}?{urlencode(kept)}" if kept else list_address()


def list_view(page: ListPage, search: Search, viewer: Account, now: datetime, policy: RefundPolicy) -> ListView:
    """What the page and its living fragment show."""
    tab, found = page.tab, page.counts.found
    args = search.args(tab)
    is_last = "last" if search.is_last else None
    is_customer = viewer.role not in REVIEWERS
    return ListView(
        tab=tab,
        text=search.text,
        state=search.state or "",
        sort=str(search.order),
        url=address(args, after=search.after, before=search.before, page=is_last),
        args=args,
        clear_url=list_address(tab=tab.value) if search.narrows else None,
        can_save=search.narrows or search.order != NEWEST,
        tabs=[(TAB_WORDS[one], address(search.args(one)), one is tab, page.counts.on(one)) for one in Tab],
        states=[("", _("Any state")), *((state.value, STATE_WORDS[state]) for state in STATES_ON[tab])],
        heads=_heads(tab, search, policy),
        sorts=_sorts(tab, search, policy),
        rows=rows(page.rows, viewer, now, policy),
        count=found,
        summary=_summary(found),
        order=_(SORT_WORDS[search.order]),
        many=[(event, _(label)) for event, label in MANY[tab]] if is_customer else [],
        all_found=found if found > PAGE_SIZE else None,
        first=address(args) if page.newer else None,
        newer=address(args, before=page.newer) if page.newer else None,
        older=address(args, after=page.older) if page.older else None,
        last=address(args, page="last") if page.older else None,
        empty=None if page.rows else _empty(page.counts, tab, search, viewer),
    )


def _summary(found: int) -> str:
    if found > MOST:
        return _("More than {number} certificates", number=words().number(MOST))
    return ngettext("{count} certificate", "{count} certificates", found)


@dataclass(frozen=True, slots=True)
class SavedLink:
    """A saved search above the list. ``current`` says that the list shows it."""

    key: str
    name: str
    url: str
    current: bool


def saved_links(kept: Sequence[SavedSearch], view: ListView) -> list[SavedLink]:
    """The saved searches as links. What was saved is read anew, as an address is: a state may have lost its name."""
    found = []
    for one in kept:
        search = Search.read(MultiDict(one.args))
        args = search.args(search.tab or Tab.UNSIGNED)
        found.append(SavedLink(one.id, one.name, address(args), args == view.args))
    return found


MANY = {
    Tab.UNSIGNED: [
        ("request_refund", phrase("Apply for refunds")),
        ("withdraw_submission", phrase("Withdraw submissions")),
    ],
    Tab.SIGNED: [("request_refund", phrase("Apply for refunds")), ("revoke", phrase("Revoke"))],
}
"""What customers do with many certificates at once."""


def _heads(tab: Tab, search: Search, policy: RefundPolicy) -> list[Head]:
    dates = (
        [(_("Issued"), Sort.ISSUED), (_("Expires"), Sort.EXPIRES)]
        if tab is Tab.SIGNED
        else [(_("Ordered"), Sort.ORDERED)]
    )
    columns = [(_("Certificate"), Sort.DOMAIN), (_("State"), Sort.STATE), *dates, (_("Refund"), Sort.DEADLINE)]
    known = sorts_on(tab, policy)
    return [
        (label, _sorted_address(tab, search, sort) if sort in known else None, _direction(search, sort))
        for label, sort in columns
    ]


def _sorted_address(tab: Tab, search: Search, sort: Sort) -> str:
    order = search.order.pressed(sort)
    return address({**search.args(tab), "sort": str(order)})


def _direction(search: Search, sort: Sort) -> str | None:
    if search.order.sort is not sort:
        return None
    return "descending" if search.order.falling else "ascending"


def _sorts(tab: Tab, search: Search, policy: RefundPolicy) -> list[tuple[str, str]]:
    known = sorts_on(tab, policy)
    return [(str(order), _(label)) for order, label in SORT_WORDS.items() if order.sort in known]


def _empty(counts: Counts, tab: Tab, search: Search, viewer: Account) -> Empty:
    """Why there is nothing, and what to do."""
    if search.narrows:
        return _nothing_found(counts, tab, search, viewer)
    other = Tab.SIGNED if tab is Tab.UNSIGNED else Tab.UNSIGNED
    if counts.on(other):
        to_other = ((_("Show {tab}", tab=TAB_WORDS[other]), list_address(tab=other.value)),)
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
    return Empty(_("You have no certificates yet"), text, ((_("Order a certificate"), url_for("ordering.price_list")),))


def _nothing_found(counts: Counts, tab: Tab, search: Search, viewer: Account) -> Empty:
    """What was looked for, where else it is, and how to look for less."""
    here, other = TAB_WORDS[tab], Tab.SIGNED if tab is Tab.UNSIGNED else Tab.UNSIGNED
    actions = [(_("Clear the search"), list_address(tab=tab.value))]
    by_name = viewer.role in REVIEWERS
    if search.state is None and by_name:
        said = _(
            "No certificate on the tab {tab} has “{text}” in its domain, its customer’s name or its organisation’s.",
            tab=here,
            text=search.text,
        )
    elif search.state is None:
        said = _("No certificate on the tab {tab} has “{text}” in its domain.", tab=here, text=search.text)
    elif search.text:
        state = STATE_WORDS[search.state]
        said = (
            _(
                "No certificate on the tab {tab} that is in the state “{state}” has “{text}” in its domain, its "
                "customer’s name or its organisation’s.",
                tab=here,
                text=search.text,
                state=state,
            )
            if by_name
            else _(
                "No certificate on the tab {tab} has “{text}” in its domain and is in the state “{state}”.",
                tab=here,
                text=search.text,
                state=state,
            )
        )
        actions.insert(0, (_("Search in any state"), address({"tab": tab.value, "q": search.text})))
    else:
        said = _(
            "No certificate on the tab {tab} is in the state “{state}”.",
            tab=here,
            state=STATE_WORDS[search.state],
        )
    if counts.on(other) and search.text:
        actions.insert(
            0,
            (
                _("Show {count} on {tab}", count=words().counted(counts.on(other)), tab=TAB_WORDS[other]),
                address({"tab": other.value, "q": search.text}),
            ),
        )
    return Empty(_("Nothing found"), said, tuple(actions))
