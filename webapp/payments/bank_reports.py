"""What a bank's status report says: ISO 20022 customer payment status report, pain.002.

"Only ACSC (settled) and RJCT (rejected) are final"; whatever else a bank says, of which there is much and ever more,
means that it has not said the last word. A report may speak of the file as a whole, of its one block, and of single
payments; the closer word counts. Reason codes: ISO 20022 External Code Sets, ExternalStatusReason1Code.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from lxml import etree

from certlifecycle import Money, MoneyError
from webapp.payments.bank_xml import MessageRefused, Schemas, read
from webapp.retelling import stored

SETTLED = "ACSC"
REJECTED = "RJCT"

DUPLICATES = frozenset({"AM05", "DU01", "DU02", "DU03", "DU04", "DU05", "RF01"})
"""The bank refuses what it has already. It says nothing of what it took the first time."""

THE_SHOPS_FAULT = frozenset(
    {"AC02", "AC05", "AG02", "AM02", "AM04", "AM14", "BE08", "CH03", "CH04", "DS02", "DS03", "DS04", "DS0A", "DS0B"}
    | {"DS0C", "DS0D", "DT01", "FF01", "RR01", "RR02", "TM01"}
)
"""Reasons on the shop's side (account, limit, signature, file), while the customer's account could take the money."""

REASONS = {
    "AC01": stored("The account number is wrong."),
    "AC03": stored("The account number is wrong."),
    "AC04": stored("The account is closed."),
    "AC06": stored("The account is blocked."),
    "AC07": stored("The account is closed."),
    "AC14": stored("The account is of a kind that cannot take the payment."),
    "AG01": stored("The account cannot take payments of this kind."),
    "AM04": stored("The shop's account does not hold enough money."),
    "BE01": stored("The name does not belong to the account."),
    "BE22": stored("The bank misses the account holder's name."),
    "CNOR": stored("The receiving bank cannot be reached."),
    "MD07": stored("The account holder has died."),
    "RC01": stored("The bank code is wrong."),
    "RC04": stored("The bank code is wrong."),
    "RR04": stored("The bank may not make the payment."),
}


@dataclass(frozen=True, slots=True)
class Said:
    """What a report says of one payment, or of all that it does not name (``key`` is empty then)."""

    key: str
    status: str
    codes: frozenset[str]
    words: str
    amount: Money | None
    at: datetime
    reference: str


@dataclass(frozen=True, slots=True)
class Report:
    """A valid report: about which file, how many payments the file had where it says so, and what of each."""

    msg_id: str
    original: str
    original_count: int | None
    said: tuple[Said, ...]


def read_report(content: bytes, schemas: Schemas, zone: tzinfo) -> Report:
    """Read a report; ``zone`` is the bank's, where it names none. Raises
    :class:`~webapp.payments.bank_xml.MessageRefused`.
    """
    root = read(content)
    schemas.check(root, "pain.002")
    start = root[0]
    made = _instant(_text(start, "GrpHdr/CreDtTm"), zone)
    group = start.find("{*}OrgnlGrpInfAndSts")
    if group is None:
        raise MessageRefused(stored("The report names no original file."))
    blocks = start.findall("{*}OrgnlPmtInfAndSts")
    whole = [_said(one, "PmtInfSts", made, zone) for one in blocks] + [_said(group, "GrpSts", made, zone)]
    single = [_said(one, "TxSts", made, zone) for block in blocks for one in block.findall("{*}TxInfAndSts")]
    # A payment that is rejected without a reason of its own was rejected for the reason of the whole.
    common = frozenset(code for one in whole if one.status == REJECTED for code in one.codes)
    single = [replace(one, codes=one.codes or common) if one.status == REJECTED else one for one in single]
    count = _text(group, "OrgnlNbOfTxs")
    return Report(
        msg_id=_text(start, "GrpHdr/MsgId"),
        original=_text(group, "OrgnlMsgId"),
        original_count=int(count) if count else None,
        said=tuple(one for one in (*single, *whole) if one.status),
    )


def _said(place: etree._Element, status: str, made: datetime, zone: tzinfo) -> Said:
    reasons = place.findall("{*}StsRsnInf")
    codes = [_text(one, "Rsn/Cd") or _text(one, "Rsn/Prtry") for one in reasons]
    more = [" ".join((info.text or "").split()) for one in reasons for info in one.findall("{*}AddtlInf")]
    words = [REASONS.get(code, "") for code in codes] + [one for one in (*codes, *more) if one]
    accepted = _text(place, "AccptncDtTm")
    return Said(
        key=_text(place, "OrgnlEndToEndId") if status == "TxSts" else "",
        status=_text(place, status),
        codes=frozenset(codes),
        words=" ".join(word for word in words if word)[:1000],
        amount=_amount(place),
        at=_instant(accepted, zone) if accepted else made,
        reference=_text(place, "AcctSvcrRef"),
    )


def _amount(place: etree._Element) -> Money | None:
    found = place.find("{*}OrgnlTxRef/{*}Amt/{*}InstdAmt")
    if found is None:
        return None
    try:
        return Money.parse(found.text or "", found.get("Ccy", ""))
    except MoneyError as wrong:
        raise MessageRefused(stored("An amount in the report cannot be read: {wrong}", wrong=wrong)) from None


def _text(place: etree._Element, path: str) -> str:
    found = place.findtext("/".join(f"{{*}}{step}" for step in path.split("/")))
    return (found or "").strip()


def _instant(text: str, zone: tzinfo) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.utcoffset() is not None else instant.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        # The first and the last day of the calendar lie outside of it in some zones.
        raise MessageRefused(stored("{text} in the report is no instant.", text=repr(text[:40]))) from None
