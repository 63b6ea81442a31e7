"""Where everything stands in the picture of the life cycle: laid out by hand, drawn by :mod:`certlifecycle.diagram`.

Above, from left to right, a certificate is ordered and issued; in the middle it has failed or is revoked; below is the
refund. The three states from which a refund can start are joined with it by three shared lines, one for each event.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from certlifecycle.states import Event, State

WIDTH, HEIGHT = 960, 546
BOX_WIDTH, BOX_HEIGHT = 148, 54

Point = tuple[int, int]
Transition = tuple[Event, State, State]


@dataclass(frozen=True, slots=True)
class Label:
    """Where the name of an event stands: the base line of its first line of text, and the ``anchor`` as in SVG.

    ``broken`` puts each word on a line of its own; ``conditional`` adds what decides for this way.
    """

    x: int
    y: int
    anchor: str = "middle"
    broken: bool = False
    conditional: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """The line of one transition, corner by corner, and its labels; ways that share a line share its labels."""

    points: tuple[Point, ...]
    labels: tuple[Label, ...]


# The middles of the boxes.
_C1, _C2, _C3, _C4 = 90, 350, 610, 870
_TOP, _MIDDLE, _BOTTOM = 72, 242, 432

# The sides of the boxes.
_HALF, _RISE = BOX_WIDTH // 2, BOX_HEIGHT // 2
_TOP_FLOOR, _MIDDLE_ROOF, _MIDDLE_FLOOR = _TOP + _RISE, _MIDDLE - _RISE, _MIDDLE + _RISE
_BOTTOM_ROOF, _BOTTOM_FLOOR = _BOTTOM - _RISE, _BOTTOM + _RISE

# How far from the middle of a side lines run: the two of a pair, and the outer ones of three.
_PAIR, _OUTER = 10, 40

# The heights of the three shared lines between the middle and the bottom row.
_REQUEST, _WITHDRAW, _KEEP = 306, 336, 366

_ABOVE, _BELOW = -7, 17
_GAPS = (_C1 + _C2) // 2, (_C2 + _C3) // 2, (_C3 + _C4) // 2

PLACES: Mapping[State, Point] = {
    State.PENDING: (_C1, _TOP),
    State.SUBMITTED: (_C2, _TOP),
    State.VERIFIED: (_C3, _TOP),
    State.ISSUED: (_C4, _TOP),
    State.FAILED: (_C2, _MIDDLE),
    State.REVOKED: (_C3, _MIDDLE),
    State.REVOKING: (_C4, _MIDDLE),
    State.REJECTED: (_C1, _BOTTOM),
    State.REFUND_REQUESTED: (_C2, _BOTTOM),
    State.REFUND_APPROVED: (_C3, _BOTTOM),
    State.REFUNDED: (_C4, _BOTTOM),
}
"""The middle of each state's box."""


def _shared(height: int) -> tuple[Label, Label]:
    return Label(_GAPS[0], height + _ABOVE), Label(_GAPS[1], height + _ABOVE)


_REQUEST_LEFT, _REQUEST_RIGHT = _shared(_REQUEST)
_WITHDRAW_LEFT, _WITHDRAW_RIGHT = _shared(_WITHDRAW)
_KEEP_LEFT, _KEEP_RIGHT = _shared(_KEEP)

WAYS: Mapping[Transition, Way] = {
    # Verification and issue, from left to right along the top.
    (Event.SUBMIT, State.PENDING, State.SUBMITTED): Way(
        ((_C1 + _HALF, _TOP - _PAIR), (_C2 - _HALF, _TOP - _PAIR)),
        (Label(_GAPS[0], _TOP - _PAIR + _ABOVE),),
    ),
    (Event.WITHDRAW_SUBMISSION, State.SUBMITTED, State.PENDING): Way(
        ((_C2 - _HALF, _TOP + _PAIR), (_C1 + _HALF, _TOP + _PAIR)),
        (Label(_GAPS[0], _TOP + _PAIR + _BELOW, broken=True),),
    ),
    (Event.VERIFY, State.SUBMITTED, State.VERIFIED): Way(
        ((_C2 + _HALF, _TOP), (_C3 - _HALF, _TOP)),
        (Label(_GAPS[1], _TOP + _ABOVE),),
    ),
    (Event.ISSUE, State.VERIFIED, State.ISSUED): Way(
        ((_C3 + _HALF, _TOP), (_C4 - _HALF, _TOP)),
        (Label(_GAPS[2], _TOP + _ABOVE),),
    ),
    # Failure, and trying again.
    (Event.FAIL_VERIFICATION, State.SUBMITTED, State.FAILED): Way(
        ((_C2 - _OUTER, _TOP_FLOOR), (_C2 - _OUTER, _MIDDLE_ROOF)),
        (Label(_C2 - _OUTER - 9, 152, "end", broken=True),),
    ),
    (Event.SUBMIT, State.FAILED, State.SUBMITTED): Way(
        ((_C2, _MIDDLE_ROOF), (_C2, _TOP_FLOOR)),
        (Label(_C2 + 9, 139, "start"),),
    ),
    (Event.REFUSE_ISSUANCE, State.VERIFIED, State.FAILED): Way(
        ((_C3, _TOP_FLOOR), (_C3, 157), (_C2 + _OUTER, 157), (_C2 + _OUTER, _MIDDLE_ROOF)),
        (Label((_C2 + _OUTER + _C3) // 2, 157 + _ABOVE),),
    ),
    # Revocation, down and back to the left.
    (Event.REVOKE, State.ISSUED, State.REVOKING): Way(
        ((_C4 - _OUTER, _TOP_FLOOR), (_C4 - _OUTER, _MIDDLE_ROOF)),
        (Label(_C4 - _OUTER - 9, 160, "end"),),
    ),
    (Event.REFUSE_REVOCATION, State.REVOKING, State.ISSUED): Way(
        ((_C4 - _PAIR, _MIDDLE_ROOF), (_C4 - _PAIR, _TOP_FLOOR)),
        (Label(_C4 - _PAIR + 9, 152, "start", broken=True),),
    ),
    (Event.CONFIRM_REVOCATION, State.REVOKING, State.REVOKED): Way(
        ((_C4 - _HALF, _MIDDLE), (_C3 + _HALF, _MIDDLE)),
        (Label(_GAPS[2], _MIDDLE + _ABOVE - 15, broken=True),),
    ),
    # The application for a refund.
    (Event.REQUEST_REFUND, State.PENDING, State.REFUND_REQUESTED): Way(
        (
            (_C1 + _OUTER, _TOP_FLOOR),
            (_C1 + _OUTER, _REQUEST),
            (_C2 - _OUTER, _REQUEST),
            (_C2 - _OUTER, _BOTTOM_ROOF),
        ),
        (_REQUEST_LEFT,),
    ),
    (Event.REQUEST_REFUND, State.FAILED, State.REFUND_REQUESTED): Way(
        ((_C2 - _OUTER, _MIDDLE_FLOOR), (_C2 - _OUTER, _BOTTOM_ROOF)),
        (_REQUEST_LEFT,),
    ),
    (Event.REQUEST_REFUND, State.REVOKED, State.REFUND_REQUESTED): Way(
        (
            (_C3 - _OUTER, _MIDDLE_FLOOR),
            (_C3 - _OUTER, _REQUEST),
            (_C2 - _OUTER, _REQUEST),
            (_C2 - _OUTER, _BOTTOM_ROOF),
        ),
        (_REQUEST_RIGHT,),
    ),
    (Event.REQUEST_REFUND, State.REJECTED, State.REFUND_REQUESTED): Way(
        ((_C1 + _HALF, _BOTTOM + _PAIR), (_C2 - _HALF, _BOTTOM + _PAIR)),
        (Label(_GAPS[0], _BOTTOM + _PAIR + _BELOW),),
    ),
    (Event.WITHDRAW_REFUND, State.REFUND_REQUESTED, State.PENDING): Way(
        ((_C2, _BOTTOM_ROOF), (_C2, _WITHDRAW), (_C1, _WITHDRAW), (_C1, _TOP_FLOOR)),
        (_WITHDRAW_LEFT,),
    ),
    (Event.WITHDRAW_REFUND, State.REFUND_REQUESTED, State.FAILED): Way(
        ((_C2, _BOTTOM_ROOF), (_C2, _MIDDLE_FLOOR)),
        (_WITHDRAW_LEFT,),
    ),
    (Event.WITHDRAW_REFUND, State.REFUND_REQUESTED, State.REVOKED): Way(
        ((_C2, _BOTTOM_ROOF), (_C2, _WITHDRAW), (_C3, _WITHDRAW), (_C3, _MIDDLE_FLOOR)),
        (_WITHDRAW_RIGHT,),
    ),
    # The decision.
    (Event.APPROVE_REFUND, State.REFUND_REQUESTED, State.REFUND_REQUESTED): Way(
        (
            (_C2 + 30, _BOTTOM_FLOOR),
            (_C2 + 30, _BOTTOM_FLOOR + 30),
            (_C2 - 30, _BOTTOM_FLOOR + 30),
            (_C2 - 30, _BOTTOM_FLOOR),
        ),
        (Label(_C2, _BOTTOM_FLOOR + 30 + _BELOW, conditional=True),),
    ),
    (Event.APPROVE_REFUND, State.REFUND_REQUESTED, State.REFUND_APPROVED): Way(
        ((_C2 + _HALF, _BOTTOM - _PAIR), (_C3 - _HALF, _BOTTOM - _PAIR)),
        (Label(_GAPS[1], _BOTTOM - _PAIR + _ABOVE),),
    ),
    (Event.REJECT_REFUND, State.REFUND_REQUESTED, State.REJECTED): Way(
        ((_C2 - _HALF, _BOTTOM - _PAIR), (_C1 + _HALF, _BOTTOM - _PAIR)),
        (Label(_GAPS[0], _BOTTOM - _PAIR + _ABOVE),),
    ),
    (Event.COMPLETE_REFUND, State.REFUND_APPROVED, State.REFUNDED): Way(
        ((_C3 + _HALF, _BOTTOM), (_C4 - _HALF, _BOTTOM)),
        (Label(_GAPS[2], _BOTTOM + _ABOVE),),
    ),
    (Event.RETURN_REFUND, State.REFUND_APPROVED, State.REFUND_REQUESTED): Way(
        ((_C3 - _HALF, _BOTTOM + _PAIR), (_C2 + _HALF, _BOTTOM + _PAIR)),
        (Label(_GAPS[1], _BOTTOM + _PAIR + _BELOW),),
    ),
    # Back to where the refused application came from.
    (Event.KEEP_CERTIFICATE, State.REJECTED, State.PENDING): Way(
        ((_C1 - _OUTER, _BOTTOM_ROOF), (_C1 - _OUTER, _TOP_FLOOR)),
        (_KEEP_LEFT,),
    ),
    (Event.KEEP_CERTIFICATE, State.REJECTED, State.FAILED): Way(
        (
            (_C1 - _OUTER, _BOTTOM_ROOF),
            (_C1 - _OUTER, _KEEP),
            (_C2 + _OUTER, _KEEP),
            (_C2 + _OUTER, _MIDDLE_FLOOR),
        ),
        (_KEEP_LEFT,),
    ),
    (Event.KEEP_CERTIFICATE, State.REJECTED, State.REVOKED): Way(
        (
            (_C1 - _OUTER, _BOTTOM_ROOF),
            (_C1 - _OUTER, _KEEP),
            (_C3 + _OUTER, _KEEP),
            (_C3 + _OUTER, _MIDDLE_FLOOR),
        ),
        (_KEEP_LEFT, _KEEP_RIGHT),
    ),
}
"""How each transition runs."""

START = ((_C1, 14), (_C1, _TOP - _RISE))
"""From the dot to the first state."""
