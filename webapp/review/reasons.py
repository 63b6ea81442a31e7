"""Reasons that reviewers give often: what they are offered, and what an administrator makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select, update

from certlifecycle import phrase
from webapp.accounts.models import Account
from webapp.db import rows_changed
from webapp.errors import NotFound
from webapp.review.models import ReasonKind, ReasonTemplate
from webapp.wording import Vocabulary, _

KIND_WORDS = Vocabulary(
    {
        ReasonKind.FAIL: phrase("A verification fails"),
        ReasonKind.REJECT: phrase("A refund is refused"),
    }
)


@dataclass(frozen=True, slots=True)
class Wording:
    """What a template says: its name for reviewers, and what the customer reads."""

    kind: ReasonKind
    label: str
    reason: str
    instructions: str


def offered(session: Session, *kinds: ReasonKind) -> Sequence[ReasonTemplate]:
    """The templates that reviewers can choose, in their order."""
    return session.exec(
        select(ReasonTemplate)
        .where(col(ReasonTemplate.kind).in_(kinds), col(ReasonTemplate.retired_at).is_(None))
        .order_by(col(ReasonTemplate.kind), col(ReasonTemplate.position), col(ReasonTemplate.label))
    ).all()


def everything(session: Session) -> Sequence[ReasonTemplate]:
    """All templates, the retired ones last, for whoever manages them."""
    retired = col(ReasonTemplate.retired_at).is_not(None)
    order = (col(ReasonTemplate.kind), retired, col(ReasonTemplate.position), col(ReasonTemplate.label))
    return session.exec(select(ReasonTemplate).order_by(*order)).all()


def template(session: Session, template_id: str) -> ReasonTemplate:
    """One template; raises :class:`~webapp.errors.NotFound`."""
    found = session.get(ReasonTemplate, template_id)
    if found is None:
        raise NotFound(_("There is no such template."))
    return found


def add(session: Session, words: Wording, by: Account, now: datetime) -> ReasonTemplate:
    """Add a template behind the others of its kind."""
    count = func.count()
    place = session.exec(select(count).select_from(ReasonTemplate).where(ReasonTemplate.kind == words.kind)).one()
    added = ReasonTemplate(
        kind=words.kind,
        label=words.label,
        reason=words.reason,
        instructions=words.instructions,
        position=place,
        updated_at=now,
        updated_by=by.name,
    )
    session.add(added)
    return added


def change(session: Session, template_id: str, version: int, words: Wording, by: Account, now: datetime) -> bool:
    """Change a template as it was at ``version``; returns ``False`` where somebody else was faster.

    What customers were told before stays as it was: every decision keeps its own words.
    """
    values: dict[str, object] = {
        "kind": words.kind,
        "label": words.label,
        "reason": words.reason,
        "instructions": words.instructions,
    }
    return _change(session, template_id, version, by, now, values)


def retire(session: Session, template_id: str, version: int, by: Account, now: datetime, *, back: bool = False) -> bool:
    """Offer a template no longer, or again (``back``); returns ``False`` where somebody else was faster."""
    return _change(session, template_id, version, by, now, {"retired_at": None if back else now})


def _change(
    session: Session, template_id: str, version: int, by: Account, now: datetime, values: dict[str, object]
) -> bool:
    result = session.exec(
        update(ReasonTemplate)
        .where(col(ReasonTemplate.id) == template_id, col(ReasonTemplate.version) == version)
        .values(**values, version=version + 1, updated_at=now, updated_by=by.name)
        .execution_options(synchronize_session=False)
    )
    return rows_changed(result) == 1
