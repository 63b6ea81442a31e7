"""The door: one way in, one transaction, one winner."""

import pytest
from shop import WAYS, Shop

from certlifecycle import State


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_reached_through_the_door(any_shop: Shop, state: State) -> None:
    certificate = any_shop.certificate_in(state)
    assert certificate.state == state
    rows = any_shop.history(certificate)
    assert [row.event for row in rows] == ["order", *WAYS[state]]
    assert certificate.version == len(rows)
