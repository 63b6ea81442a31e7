"""The way of one certificate through its life: what is done, where it stands, what is to come, and the refund's branch.

Read off the certificate, its history and its latest application; nothing here decides anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from certlifecycle import Event, Mover, Outlook, State, Verdict
from webapp.certificates.models import Certificate, History
from webapp.refunds.models import Refund
from webapp.wording import _, words


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of the way. ``state`` is done, present, todo, failed, skipped, or maybe for a way that is open.

    ``is_here`` marks where the certificate rests; there ``mover`` says whose move it is. ``branch`` are the steps of a
    refund that leaves the way here.
    """

    state: str
    label: str
    when: datetime | None = None
    note: str | None = None
    is_here: bool = False
    mover: Mover | None = None
    branch: tuple["PathStep", ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """The whole way. ``is_calm`` says that nothing presses where it rests."""

    steps: tuple[PathStep, ...]
    is_calm: bool

    @property
    def columns(self) -> int:
        """How many steps stand side by side where there is room, those of a branch beside the one that it leaves."""
        return max(number + len(step.branch) for number, step in enumerate(self.steps, 1))


@dataclass(frozen=True, slots=True)
class _Way:
    """What the steps are read off. ``base`` is the state, or the one that the refund came from."""

    certificate: Certificate
    refund: Refund | None
    base: State
    mover: Mover
    at: dict[Event, datetime] = field(default_factory=dict)
    """When each event happened last."""

    @property
    def is_refund(self) -> bool:
        """Whether the certificate is under refund: then it rests in the branch."""
        return self.refund is not None

    def step(self, state: str, label: str, when: datetime | None = None, note: str | None = None) -> PathStep:
        """A step; the present one says whose move it is."""
        is_here = state == "present" and not self.is_refund
        return PathStep(state, label, when, note, is_here, self.mover if is_here else None)

    def here(self, step: PathStep) -> PathStep:
        """The step, marked as the one where the certificate rests."""
        return step if self.is_refund else replace(step, is_here=True, mover=self.mover)


def path_of(
    certificate: Certificate, refund: Refund | None, history: Sequence[History], answer: Verdict, mover: Mover
) -> Path:
    """The way of a certificate. ``history`` is in any order; ``mover`` is whose move it is as the page says it."""
    at = {Event(row.event): row.at for row in sorted(history, key=lambda row: row.at) if row.event in set(Event)}
    base = State(refund.origin) if refund else State(certificate.state)
    way = _Way(certificate, refund, base, mover, at)
    steps = [PathStep("done", _("Ordered"), certificate.created_at), *_to_the_issue(way), *_revocation(way)]
    branch = _refund(way, refund) if refund else _open_branch(answer)
    if branch:
        place = _fork(way, steps)
        steps[place] = replace(steps[place], branch=branch)
    return Path(tuple(steps), base is State.ISSUED and refund is None)


def _to_the_issue(way: _Way) -> list[PathStep]:
    at, certificate = way.at, way.certificate
    handed = PathStep("done", _("CSR handed in"), certificate.submitted_at)
    checked = PathStep("done", _("Domain verified"), at.get(Event.VERIFY))
    match way.base:
        case State.PENDING if way.is_refund:
            return [PathStep("skipped", label) for label in (_("CSR handed in"), _("Domain verified"), _("Issued"))]
        case State.PENDING:
            return [way.step("present", _("Hand in a CSR")), _todo(_("Domain verified")), _todo(_("Issued"))]
        case State.SUBMITTED:
            return [handed, way.step("present", _("Domain being verified")), _todo(_("Issued"))]
        case State.VERIFIED:
            return [handed, checked, way.step("present", _("Being issued"))]
        case State.FAILED:
            return _failed(way, handed, checked)
    until = _("Valid until {day}", day=words().brief_day(certificate.not_after)) if certificate.not_after else None
    if way.base is not State.ISSUED:
        until = None
    issued = PathStep("done", _("Issued"), certificate.issued_at, until)
    return [handed, checked, way.here(issued) if way.base is State.ISSUED else issued]


def _failed(way: _Way, handed: PathStep, checked: PathStep) -> list[PathStep]:
    failed, refused = way.at.get(Event.FAIL_VERIFICATION), way.at.get(Event.REFUSE_ISSUANCE)
    if refused is not None and (failed is None or refused > failed):
        return [handed, checked, way.here(PathStep("failed", _("Not issued"), refused))]
    return [handed, way.here(PathStep("failed", _("Verification failed"), failed)), PathStep("skipped", _("Issued"))]


def _revocation(way: _Way) -> list[PathStep]:
    """Nothing for a certificate that nobody wants revoked: then it belongs to no way of its own."""
    if way.base is State.REVOKING:
        return [way.step("present", _("Being revoked"), way.at.get(Event.REVOKE))]
    if way.base is State.REVOKED:
        return [way.here(PathStep("done", _("Revoked"), way.certificate.revoked_at))]
    return []


def _todo(label: str) -> PathStep:
    return PathStep("todo", label)


def _fork(way: _Way, steps: Sequence[PathStep]) -> int:
    """At which step a refund leaves the way: where the certificate stood, or would stand, when it is applied for."""
    if way.base is State.PENDING:
        return 0
    return max(place for place, step in enumerate(steps) if step.state in ("done", "failed"))


def _open_branch(answer: Verdict) -> tuple[PathStep, ...]:
    if answer.outlook is not Outlook.NOW:
        return ()
    until = _("Until {instant}", instant=answer.deadline) if answer.deadline else _("At any time")
    return (PathStep("maybe", _("Refund possible"), note=until),)


def _refund(way: _Way, refund: Refund) -> tuple[PathStep, ...]:
    state = State(way.certificate.state)
    applied = PathStep("done", _("Refund applied for"), refund.applied_at)
    match state:
        case State.REFUND_REQUESTED:
            by = _("Answer by {day}", day=words().brief_day(refund.latest))
            review = PathStep("present", _("In review"), note=by, is_here=True, mover=way.mover)
            return applied, review, _todo(_("Money back"))
        case State.REFUND_APPROVED:
            approved = PathStep("done", _("Approved"), refund.decided_at)
            return applied, approved, PathStep("present", _("Money on its way"), is_here=True, mover=way.mover)
        case State.REFUNDED:
            approved = PathStep("done", _("Approved"), refund.decided_at)
            return applied, approved, PathStep("done", _("Money back"), refund.paid_at, is_here=True, mover=way.mover)
        case _:
            refused = PathStep("failed", _("Refused"), refund.decided_at, is_here=True, mover=way.mover)
            return applied, refused, PathStep("skipped", _("Money back"))
