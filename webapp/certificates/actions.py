"""The buttons of a certificate's page: what the life cycle permits this reader now, and what it refuses, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import url_for

from certlifecycle import REFUND_STATES, REVIEWERS, Case, Event, State, declared_transitions, judge, may_do
from webapp.accounts.models import Account
from webapp.desk import File
from webapp.wording import _, words

WAITING_FOR_REVIEW = (State.SUBMITTED, State.REFUND_REQUESTED)
WAITING_FOR_OTHERS = (State.SUBMITTED, State.VERIFIED, State.REVOKING)
"""States in which the customer has nothing to do but to wait."""


@dataclass(frozen=True, slots=True)
class Action:
    """A button: a link, a form that is sent at once (``is_post``), or refused with a reason."""

    key: str
    label: str
    url: str
    icon: str
    variant: str = "secondary"
    reason: str | None = None
    is_post: bool = False


def actions(file: File, case: Case, viewer: Account) -> list[Action]:
    """What this reader can do now, the foremost first, and what they cannot, with the reason."""
    if viewer.role in REVIEWERS:
        return _actions_of_reviewer(file, case)
    return _actions_of_customer(file, case)


def _actions_of_reviewer(file: File, case: Case) -> list[Action]:
    key, state = file.certificate.id, case.facts.state
    found = []
    if state in WAITING_FOR_REVIEW:
        url = url_for("review.item", certificate_id=key)
        found.append(Action("review", _("Review"), url, "user-round-search", "primary"))
    if file.refund is not None:
        url = url_for("refunds.details", refund_id=file.refund.id)
        found.append(Action("follow", _("See the refund"), url, "receipt-text"))
    return [*found, *_asked(case, key, [(Event.REVOKE, _("Revoke"), "certificates.revoke", "ban")])]


def _actions_of_customer(file: File, case: Case) -> list[Action]:
    certificate, state = file.certificate, case.facts.state
    key = certificate.id
    found = []
    if state is State.ISSUED:
        url = url_for("certificates.chain", certificate_id=key)
        found.append(Action("download", _("Download the certificate"), url, "download"))
    if file.refund is not None and state in REFUND_STATES:
        url = url_for("refunds.details", refund_id=file.refund.id)
        label = _("See why, and what now") if state is State.REJECTED else _("Follow the refund")
        found.append(Action("follow", label, url, "receipt-text"))
        if state is State.REFUND_REQUESTED:
            found.append(Action("withdraw_refund", _("Withdraw the application"), url, "undo-2"))
        if state is State.REJECTED:
            found.append(Action("keep_certificate", _("Keep the certificate"), url, "shield-check"))
    found += _asked(
        case,
        key,
        [
            (Event.SUBMIT, _("Submit for verification"), "certificates.submit", "arrow-right"),
            (Event.WITHDRAW_SUBMISSION, _("Withdraw the submission"), "certificates.withdraw_submission", "undo-2"),
            (Event.REVOKE, _("Revoke"), "certificates.revoke", "ban"),
        ],
    )
    if state not in REFUND_STATES or state is State.REJECTED:
        found.append(_refund_action(case, key))
    return _with_primary(found, state)


def _asked(case: Case, key: str, wanted: Sequence[tuple[Event, str, str, str]]) -> list[Action]:
    permissions = {one.event: one for one in may_do(case)}
    found = []
    for event, label, endpoint, icon in wanted:
        if event in permissions:
            refusals = permissions[event].refusals
            found.append(
                Action(
                    event.value,
                    label,
                    url_for(endpoint, certificate_id=key),
                    icon,
                    reason=words().sentences(*(one.sentence for one in refusals)) or None,
                    is_post=event is Event.WITHDRAW_SUBMISSION,
                )
            )
    return found


def _refund_action(case: Case, key: str) -> Action:
    # Asked in every state, so that the button is never missing without a word.
    refusals = judge(case, Event.REQUEST_REFUND).refusals
    again = case.facts.state is State.REJECTED
    return Action(
        Event.REQUEST_REFUND.value,
        _("Apply again") if again else _("Refund"),
        url_for("refunds.apply", certificate_id=key),
        "banknote-arrow-up",
        reason=words().sentences(*(one.sentence for one in refusals)) or None,
    )


def _with_primary(found: list[Action], state: State) -> list[Action]:
    """Mark the one thing to do next, if there is one, and put it first."""
    first = next((one for one in found if one.reason is None and one.key != Event.REVOKE), None)
    if state in WAITING_FOR_OTHERS or first is None:
        return found
    return [replace(first, variant="primary"), *(one for one in found if one is not first)]


def next_events(case: Case) -> set[Event]:
    """What can happen next: what this reader may do, and what others or the desk itself do."""
    by_reader = {one.event for one in may_do(case) if one.offered}
    by_others = {
        one.event
        for one in declared_transitions()
        if one.source is case.facts.state and case.actor.role not in one.roles
    }
    return by_reader | by_others
