"""Proposing an exception from the refund policy, agreeing to it, declining it: all of it through the desk's door.

What is proposed or granted stands on the certificate, so that the refund policy is told of it with the other facts; the
history keeps who did what, when and why. It changes no state, and it pays nothing: the customer still has to apply, and
the application is decided like any other. That the customer applies, and nobody in their place, keeps two promises:
what comes back, and to which account, is read by the customer before they ask for it; and nobody of the shop begins
what another of the shop then approves.
"""

from datetime import datetime
from typing import Any

from certlifecycle import Case, Refusal, Rule, verdict
from certlifecycle.waivers import LASTS, may_agree, may_decline, may_propose
from webapp.certificates.models import DECLINE_EXCEPTION, GRANT_EXCEPTION, PROPOSE_EXCEPTION, Certificate
from webapp.columns import new_id
from webapp.desk import Amendment, By, Desk, File
from webapp.errors import DeskError
from webapp.retelling import stored
from webapp.wording import _, words


class ExceptionRefused(DeskError):
    """An exception that may not be made, agreed to or declined now, and why."""

    status = 409


class NothingProposed(ExceptionRefused):
    """The proposal is gone: agreed to or declined by somebody else, or nobody answered it in time."""

    def __init__(self) -> None:
        super().__init__(
            _("This proposal waits for nobody any more."),
            _("Look at the certificate’s history to see what became of it."),
        )


def open_proposal(certificate: Certificate, now: datetime) -> dict[str, Any] | None:
    """The proposal that waits for somebody to agree, if there is one that is not too old."""
    if certificate.waiver is None or certificate.waiver_proposed_at is None:
        return None
    return certificate.waiver if now <= certificate.waiver_proposed_at + LASTS else None


def propose(desk: Desk, certificate_id: str, by: By, reason: str) -> Certificate:
    """Propose an exception; ``reason`` is read by the customer once it is granted.

    Raises :class:`ExceptionRefused` and :class:`~webapp.errors.NotFound`.
    """

    def make(file: File, case: Case) -> Amendment:
        _stop_at(may_propose(case))
        if open_proposal(file.certificate, case.now) is not None:
            raise ExceptionRefused(_("An exception is proposed already."), _("Look at it, then agree or decline."))
        pays_all = verdict(case.facts, case.now, case.policy).rule is Rule.NOTHING_TO_PAY_BACK
        waiver = {
            "id": new_id(),
            "proposer": case.actor.id,
            "proposed_by": case.actor.name,
            # In one line, for it becomes part of a sentence.
            "reason": " ".join(reason.split()),
            "pays_all": pays_all,
            "agreed_by": None,
            "until": None,
        }
        # One that was granted before has ended, or none could be proposed.
        columns = {"waiver": waiver, "waiver_proposed_at": case.now, "waiver_until": None}
        return Amendment(PROPOSE_EXCEPTION, columns, reason, {"exception": waiver["id"], "pays_all": pays_all})

    return desk.amend(certificate_id, by, make)


def agree(desk: Desk, certificate_id: str, by: By, proposal: str) -> Certificate:
    """Agree to what somebody else proposed: from now on, for a while, the customer can apply.

    ``proposal`` is the id of the one that was looked at. Raises :class:`ExceptionRefused`,
    :class:`NothingProposed` and :class:`~webapp.errors.NotFound`.
    """

    def make(file: File, case: Case) -> Amendment:
        waiver = _proposed(file.certificate, proposal, case.now)
        _stop_at(may_agree(case, waiver["proposer"]))
        until = case.now + LASTS
        granted = waiver | {"agreed_by": case.actor.name, "until": until.isoformat()}
        facts = {"exception": proposal, "proposer": waiver["proposer"], "until": until.isoformat()}
        told = stored(
            "Proposed by {proposer}, agreed to by {agreer}: {reason}",
            proposer=waiver["proposed_by"],
            agreer=case.actor.name,
            reason=waiver["reason"],
        )
        columns = {"waiver": granted, "waiver_proposed_at": None, "waiver_until": until}
        return Amendment(GRANT_EXCEPTION, columns, told, facts)

    return desk.amend(certificate_id, by, make)


def decline(desk: Desk, certificate_id: str, by: By, proposal: str, reason: str) -> Certificate:
    """Decline a proposal, or take one's own back. Raises as :func:`agree` does."""

    def make(file: File, case: Case) -> Amendment:
        waiver = _proposed(file.certificate, proposal, case.now)
        _stop_at(may_decline(case, waiver["proposer"]))
        columns = {"waiver": None, "waiver_proposed_at": None}
        return Amendment(DECLINE_EXCEPTION, columns, reason, {"exception": proposal, "proposer": waiver["proposer"]})

    return desk.amend(certificate_id, by, make)


def _proposed(certificate: Certificate, proposal: str, now: datetime) -> dict[str, Any]:
    waiver = open_proposal(certificate, now)
    if waiver is None or waiver["id"] != proposal:
        raise NothingProposed
    return waiver


def _stop_at(refusals: tuple[Refusal, ...]) -> None:
    if refusals:
        raise ExceptionRefused(words().sentences(*(one.sentence for one in refusals)))
