"""The journal: what a viewer who was away has missed, exactly where that can be known."""

from live_support import ALICE, BOB

from webapp.live.bus import Change
from webapp.live.journal import Journal
from webapp.live.tickets import REVIEW_TOPIC, customer_topic

ALL = (REVIEW_TOPIC,)


def change(number: int, certificate: str = "", customer: str = ALICE) -> Change:
    return Change(number, certificate or f"c{number}", customer)


def ids(changes: list[Change] | None) -> list[int]:
    assert changes is not None
    return [one.id for one in changes]


def following(overlap: int = 0, capacity: int = 100) -> Journal:
    journal = Journal(capacity, overlap)
    journal.catch_up([], complete=True)
    return journal


def test_what_came_after_is_told_in_its_order() -> None:
    journal = following()
    for number in range(1, 6):
        assert journal.add(change(number))
    assert ids(journal.missed(2, ALL, 100)) == [3, 4, 5]
    assert ids(journal.missed(0, ALL, 100)) == [1, 2, 3, 4, 5]
    assert ids(journal.missed(5, ALL, 100)) == []
    assert journal.last_id == 5


def test_a_page_may_be_ahead_of_the_hub() -> None:
    journal = following()
    journal.add(change(1))
    assert ids(journal.missed(2, ALL, 100)) == []


def test_only_the_viewers_topics_are_told() -> None:
    journal = following()
    journal.add(change(1, customer=ALICE))
    journal.add(change(2, customer=BOB))
    assert ids(journal.missed(0, (customer_topic(BOB),), 100)) == [2]
    assert ids(journal.missed(0, (customer_topic(BOB), REVIEW_TOPIC), 100)) == [1, 2]
    assert ids(journal.missed(0, (), 100)) == []


def test_a_certificate_that_changed_often_is_told_once() -> None:
    journal = following()
    for number, certificate in enumerate(["a", "b", "a", "a"], start=1):
        journal.add(change(number, certificate))
    assert ids(journal.missed(0, ALL, 100)) == [2, 4]


def test_too_much_is_not_told_piece_by_piece() -> None:
    journal = following()
    for number in range(1, 12):
        journal.add(change(number))
    assert ids(journal.missed(1, ALL, 10)) == list(range(2, 12))
    assert journal.missed(0, ALL, 10) is None


def test_what_was_forgotten_cannot_be_told() -> None:
    journal = following(capacity=10)
    for number in range(1, 21):
        journal.add(change(number))
    assert ids(journal.missed(10, ALL, 100)) == list(range(11, 21))
    assert journal.missed(9, ALL, 100) is None


def test_what_was_there_before_the_hub_cannot_be_told_beyond_what_it_read() -> None:
    journal = Journal(100, 0)
    journal.catch_up([change(51), change(52)], complete=False)
    assert ids(journal.missed(50, ALL, 100)) == [51, 52]
    assert journal.missed(49, ALL, 100) is None


def test_the_same_change_is_taken_in_once() -> None:
    journal = following()
    assert journal.add(change(1))
    assert not journal.add(change(1))
    journal.catch_up([change(1), change(2)], complete=True)
    assert not journal.add(change(2))
    assert ids(journal.missed(0, ALL, 100)) == [1, 2]


def test_a_lower_id_that_was_committed_later_is_told_to_whoever_has_the_higher() -> None:
    journal = following(overlap=100)
    for number in (500, 502, 501, 300):
        journal.add(change(number))
    assert ids(journal.missed(502, ALL, 100)) == [501, 300]
    assert ids(journal.missed(501, ALL, 100)) == [300]
    assert ids(journal.missed(300, ALL, 100)) == []


def test_what_was_read_from_the_table_is_told_again_within_the_overlap() -> None:
    journal = Journal(1000, 100)
    journal.catch_up([change(number) for number in range(1, 201)], complete=True)
    assert ids(journal.missed(200, ALL, 1000)) == list(range(101, 201))


def test_a_history_that_was_put_back_begins_anew() -> None:
    journal = following()
    for number in range(1, 11):
        journal.add(change(number))
    journal.catch_up([change(number) for number in range(1, 6)], complete=True)
    assert journal.last_id == 5
    assert journal.add(change(6))
    assert ids(journal.missed(5, ALL, 100)) == [6]
