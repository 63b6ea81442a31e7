"""Tickets: what opens a live stream, for whom, and for how long."""

import time

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from live_support import ALICE, SECRET

from webapp.live.tickets import Ticket, TicketRefused, customer_topic, issue_ticket, read_ticket


class EarlierSigner(TimestampSigner):
    """Signs as if it were ten minutes ago."""

    def get_timestamp(self) -> int:
        return int(time.time()) - 600


def issued(secret: str = SECRET) -> str:
    return issue_ticket(
        secret, session_key="5e55", account_id=ALICE, topics=["review", customer_topic(ALICE)], since=41
    )


def test_a_ticket_says_who_follows_what_from_where_on() -> None:
    assert read_ticket(SECRET, issued(), 600) == Ticket("5e55", ALICE, ("review", f"customer:{ALICE}"), 41)


def test_a_ticket_needs_no_escaping_in_a_url() -> None:
    assert set(issued()) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_a_ticket_signed_with_another_secret_is_refused() -> None:
    with pytest.raises(TicketRefused, match="not valid"):
        read_ticket(SECRET, issued("another secret"), 600)


def test_no_byte_of_a_ticket_can_be_changed() -> None:
    token = issued()
    for position, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        # The last letter of a base64 text holds bits that stand for nothing.
        if changed != token and position != len(token) - 1:
            with pytest.raises(TicketRefused):
                read_ticket(SECRET, changed, 600)


@pytest.mark.parametrize("token", ["", ".", "a.b.c", "ä", "\0", "x" * 10_000])
def test_anything_else_is_refused(token: str) -> None:
    with pytest.raises(TicketRefused):
        read_ticket(SECRET, token, 600)


def test_an_old_ticket_is_refused() -> None:
    earlier = URLSafeTimedSerializer(SECRET, salt="webapp.live.tickets", signer=EarlierSigner)
    token = earlier.dumps(["5e55", ALICE, ["review"], 0])
    assert read_ticket(SECRET, token, 700).account_id == ALICE
    with pytest.raises(TicketRefused, match="expired"):
        read_ticket(SECRET, token, 500)


def test_what_the_same_secret_signed_for_another_purpose_is_no_ticket() -> None:
    for salt in ("itsdangerous", "cookie-session"):
        token = URLSafeTimedSerializer(SECRET, salt=salt).dumps(["5e55", ALICE, ["review"], 0])
        with pytest.raises(TicketRefused):
            read_ticket(SECRET, token, 600)


@pytest.mark.parametrize("claims", [None, 7, [], ["a", "b", 7, 0], ["a", "b", ["review"], "x"], {"a": 1}])
def test_signed_nonsense_is_refused(claims: object) -> None:
    token = URLSafeTimedSerializer(SECRET, salt="webapp.live.tickets").dumps(claims)
    with pytest.raises(TicketRefused):
        read_ticket(SECRET, token, 600)


@pytest.mark.parametrize("topic", ["", "everything", "customer:", "customer:a\nb", "Review", "customer:a b"])
def test_an_unknown_topic_is_not_signed(topic: str) -> None:
    with pytest.raises(ValueError, match=r"topic|id"):
        issue_ticket(SECRET, session_key="s", account_id=ALICE, topics=[topic], since=0)


def test_a_ticket_begins_at_a_row_or_at_nothing() -> None:
    with pytest.raises(ValueError, match="since"):
        issue_ticket(SECRET, session_key="s", account_id=ALICE, topics=["review"], since=-1)
