"""The page that explains the states and the words."""

import pytest
from pages import words_of
from shop import Shop

from certlifecycle import State, declared_transitions
from webapp.glossary import words as glossary
from webapp.wording import EVENT_WORDS, STATE_WORDS


@pytest.mark.parametrize("reader", ["alice", "rita", "ada"])
def test_every_state_says_what_it_means_whose_move_it_is_and_what_can_come(shop: Shop, reader: str) -> None:
    page = shop.browser(getattr(shop, reader)).get("/help/states")
    for state in State:
        (entry,) = [node for node in page.tree.iter() if node.get("id") == state.value]
        told = words_of(entry)
        assert STATE_WORDS[state] in told
        assert state.meaning in told
        for event in {one.event for one in declared_transitions() if one.source is state}:
            assert EVENT_WORDS[event] in told


def test_it_speaks_to_its_reader(shop: Shop) -> None:
    assert "Withdraw the submission by you" in shop.browser(shop.alice).get("/help/states").words
    page = shop.browser(shop.rita).get("/help/states")
    assert "Withdraw the submission by the customer" in page.words
    assert "Verify by a reviewer" in page.words
    assert "Issue by the desk itself" in page.words


def test_every_word_of_a_certificate_s_page_is_explained(shop: Shop) -> None:
    page = shop.browser(shop.alice).get("/help/states")
    for term, meaning in glossary.TERMS.items():
        assert term in page.words
        assert meaning in page.words
    assert set(glossary.of_a_certificate()) <= set(glossary.TERMS)


def test_list_and_details_lead_there(shop: Shop) -> None:
    certificate = shop.certificate_in(State.FAILED)
    browser = shop.browser(shop.alice)
    for address, leads in (
        ("/certificates", "/help/states"),
        (f"/certificates/{certificate.id}", "/help/states#failed"),
    ):
        assert f'href="{leads}"' in browser.get(address).text


def test_whoever_is_not_signed_in_is_asked_to(shop: Shop) -> None:
    assert shop.browser().get("/help/states", 303).location == "/sign-in?next=/help/states"
