"""Many decisions at once: choose in the queue, look at what would happen, decide, and read what became of each."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_hex

from flask import flash, render_template, request, url_for
from sqlmodel import Session

from certlifecycle import Money, State, phrase
from webapp.access import account, by, parts, reviewers_only
from webapp.accounts import proving
from webapp.accounts.proving import Proof
from webapp.certificates.names import display_name
from webapp.certificates.queries import certificate_file, customer_name
from webapp.desk import File
from webapp.errors import DeskError, NotFound
from webapp.forms import LARGEST_VERSION
from webapp.htmx import go_to
from webapp.review import claims, present, reasons
from webapp.review.blueprint import Answer, blueprint
from webapp.review.case import approval_words, is_large
from webapp.review.deciding import READ_FIRST
from webapp.review.forms import ManyForm, RefuseManyForm
from webapp.review.many import ELSEWHERE, EVENTS, Act, Chosen, Ending, Order, Result, claimed_words, run_many
from webapp.review.many_job import AT_ONCE, MOST, start_decisions
from webapp.review.models import ReasonKind
from webapp.review.queries import KINDS, Kind
from webapp.review.queue import Filter, found_by
from webapp.wording import Vocabulary, _, words

TITLES = Vocabulary(
    {
        Act.APPROVE: phrase("Approve the chosen refunds"),
        Act.VERIFY: phrase("Verify the chosen submissions"),
        Act.REFUSE: phrase("Refuse the chosen cases"),
    }
)


@dataclass(frozen=True, slots=True)
class Planned:
    """One chosen case before anything is done: whether it would be decided, and why not or what to know.

    ``is_claimed`` marks a case that is left alone only because another reviewer has claimed it.
    """

    chosen: str
    key: str
    domain: str
    url: str
    kind: Kind | None
    customer: str
    amount: Money
    goes: bool
    is_claimed: bool
    is_large: bool
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What an act would do with the chosen cases."""

    act: Act
    title: str
    cases: list[Planned]

    @property
    def going(self) -> list[Planned]:
        """The cases that would be decided."""
        return [one for one in self.cases if one.goes]

    @property
    def has_large(self) -> bool:
        """Whether money above the policy's amount may be approved by it."""
        return any(one.is_large for one in self.cases if one.goes or one.is_claimed)

    @property
    def claimed(self) -> list[Planned]:
        """The cases that are left to the reviewers who claimed them, unless told otherwise."""
        return [one for one in self.cases if one.is_claimed]

    @property
    def left(self) -> list[Planned]:
        """The cases that this act cannot decide."""
        return [one for one in self.cases if not one.goes and not one.is_claimed]

    @property
    def total(self) -> list[Money]:
        """The money of the refunds that would be decided, by currency."""
        sums: Counter[str] = Counter()
        for one in self.going:
            if one.kind is Kind.REFUND:
                sums[one.amount.currency] += one.amount.minor
        return [Money(minor, currency) for currency, minor in sums.items()]


@blueprint.get("/many")
@reviewers_only
def check_many() -> Answer:
    """What would happen to the chosen cases; nothing happens yet."""
    act = request.args.get("do", type=Act)
    chosen = _all_found() if "all" in request.args else _chosen(request.args.getlist("case"))
    if act is None or not chosen:
        flash(_("Choose at least one case, then say what is to be done."), "info")
        return go_to(url_for("review.queue"))
    plan = _plan(act, chosen[:MOST])
    most = MOST if len(chosen) > MOST else None
    return _show(plan, _form(plan, fresh=True), most=most), 200


@blueprint.post("/many/<any(approve, verify, refuse):act>")
@reviewers_only
def decide_many(act: str) -> Answer:
    """Decide the chosen cases and tell what became of each; more than a few are left to a worker, with a bar."""
    chosen = _chosen(request.form.getlist("case"))
    plan = _plan(Act(act), chosen)
    form = _form(plan)
    if isinstance(form, RefuseManyForm):
        if request.form.get("use"):
            form.use()
            return _show(plan, form), 200
        if form.fill_when_empty():
            return _show(plan, form, _(READ_FIRST)), 422
    if not form.validate():
        return _show(plan, form), 422
    if plan.has_large and (proof := proving.wanted()):
        return _show(plan, form, proof=proof), 422
    order = _order(plan.act, form)
    if len(chosen) > AT_ONCE:
        once = request.form.get("once", "")[:40] or None
        return go_to(url_for("jobs.details", job_id=start_decisions(parts().jobs, order, chosen, once)))
    results = run_many(parts().desk, order, chosen)
    return render_template("review/many_done.html", results=results, summary=_summary(results)), 200


def _show(
    plan: Plan, form: ManyForm, trouble: str | None = None, *, most: int | None = None, proof: Proof | None = None
) -> str:
    """The page before the decision; ``most`` says that more were chosen than are shown.

    ``proof`` is what has to be shown first.
    """
    once = request.form.get("once") or token_hex(8)
    return render_template("review/many.html", plan=plan, form=form, trouble=trouble, most=most, once=once, proof=proof)


def _all_found() -> list[Chosen]:
    """All cases of the tab and search in an address, the most pressing first; one more than can be decided."""
    desk, wanted = parts().desk, Filter.read(request.args)
    with parts().database.reading() as session:
        found = found_by(session, wanted, desk.policy, account(), desk.clock(), MOST + 1)
    return [Chosen(one.file.certificate.id, one.file.certificate.version) for one in found]


def _chosen(values: Iterable[str]) -> list[Chosen]:
    """The cases that an address or a form names; what is none is left out. Raises :class:`DeskError` for too many."""
    found: dict[str, Chosen] = {}
    for value in values:
        match = re.fullmatch("([0-9a-f]{32}):([0-9]{1,10})", value)
        if match and 1 <= int(match[2]) <= LARGEST_VERSION:
            found[match[1]] = Chosen(match[1], int(match[2]))
    if len(found) > MOST:
        raise DeskError(
            _("At most {most} cases can be decided at once.", most=MOST),
            _("Choose fewer, and the rest afterwards."),
        )
    return list(found.values())


def _plan(act: Act, chosen: Sequence[Chosen]) -> Plan:
    cases = []
    with parts().database.reading() as session:
        for one in chosen:
            try:
                file = certificate_file(session, one.certificate_id, account())
            except NotFound:
                # It has never been there; the queue does not offer such a thing.
                continue
            cases.append(_planned(session, act, one, file))
    return Plan(act, TITLES[act], cases)


def _planned(session: Session, act: Act, one: Chosen, file: File) -> Planned:
    certificate, refund = file.certificate, file.refund
    kind = KINDS.get(State(certificate.state))
    why = _left_alone(session, act, one, file, kind)
    claim = claims.held(session, certificate.id, parts().desk.clock())
    is_claimed = why is None and claim is not None and claim.holder_id != account().id
    note = why or (claimed_words(claim) if claim is not None and is_claimed else "")
    if not note and act is Act.APPROVE and not file.approvals:
        note = _first_of_two(file)
    return Planned(
        chosen=str(one),
        key=certificate.id,
        domain=display_name(certificate.domain),
        url=url_for("review.item", certificate_id=certificate.id),
        kind=kind,
        customer=customer_name(session, file, account()),
        amount=refund.amount if refund else file.purchase.paid,
        goes=why is None and not is_claimed,
        is_claimed=is_claimed,
        is_large=act is Act.APPROVE and is_large(file),
        note=note,
    )


def _first_of_two(file: File) -> str:
    if is_large(file):
        return _("Needs two reviewers: this is the first approval, somebody else gives the second.")
    return approval_words(file, account()) or ""


def _left_alone(session: Session, act: Act, one: Chosen, file: File, kind: Kind | None) -> str | None:
    """Why this act cannot decide a case; ``None`` where it can."""
    if file.certificate.version != one.version:
        return present.news_since(session, one.certificate_id, one.version) or _("It has changed since it was chosen.")
    if kind is None:
        return _("It waits for no reviewer any more.")
    event = EVENTS.get((act, kind))
    if event is None:
        return ELSEWHERE[kind]
    permission = parts().desk.permissions(file, account().actor)[event]
    return words().sentences(*(one.sentence for one in permission.refusals)) or None


def _form(plan: Plan, *, fresh: bool = False) -> ManyForm:
    """The form that an act needs: a refusal gives a reason, and for refunds says what to do now."""
    given = {"formdata": None} if fresh else {}
    if plan.act is not Act.REFUSE:
        return ManyForm(**given)
    form = RefuseManyForm(**given)
    kinds = {one.kind for one in plan.cases if one.goes or one.is_claimed}
    wanted = [ReasonKind.REJECT] if Kind.REFUND in kinds else []
    wanted += [ReasonKind.FAIL] if Kind.VERIFICATION in kinds else []
    if Kind.REFUND not in kinds:
        del form.instructions
    with parts().database.reading() as session:
        form.offer(reasons.offered(session, *wanted))
    return form


def _order(act: Act, form: ManyForm) -> Order:
    reason = instructions = ""
    if isinstance(form, RefuseManyForm):
        reason = form.as_stored(form.words.data)
        instructions = form.as_stored(form.advice)
    return Order(act, by(), reason, instructions, form.note.data or "", bool(form.despite.data))


def _summary(results: Sequence[Result]) -> list[tuple[str, str]]:
    """How many cases ended how: (tone, words), the good news first."""
    counts = Counter(one.ending for one in results)
    names = {
        Ending.DONE: ("good", _("{count} decided", count=counts[Ending.DONE])),
        Ending.FIRST: ("money", _("{count} approved by a first reviewer", count=counts[Ending.FIRST])),
        Ending.CLAIMED: ("neutral", _("{count} left to whoever claimed it", count=counts[Ending.CLAIMED])),
        Ending.OTHER_KIND: ("neutral", _("{count} of another kind", count=counts[Ending.OTHER_KIND])),
        Ending.RULE: ("bad", _("{count} refused by a rule", count=counts[Ending.RULE])),
        Ending.LATE: ("warn", _("{count} decided by somebody else first", count=counts[Ending.LATE])),
        Ending.GONE: ("neutral", _("{count} not there", count=counts[Ending.GONE])),
    }
    return [told for ending, told in names.items() if counts[ending]]
