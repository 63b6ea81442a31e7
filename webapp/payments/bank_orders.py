"""Payment orders to the bank: ISO 20022 customer credit transfer initiation, pain.001.

Versions 03 and 09 differ, in what the desk uses, in the date of execution and in the name of a BIC. Source: ISO 20022
message definition report "Payments Initiation"; the external code CNAPS names China's payment system.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from lxml import etree

from certlifecycle import Money
from webapp.payments.bank_accounts import BankAccount
from webapp.payments.bank_xml import NAMESPACE, Schemas, write

VERSIONS = ("pain.001.001.03", "pain.001.001.09")
LONGEST_PURPOSE = 140


@dataclass(frozen=True, slots=True)
class Transfer:
    """One payment in a file. ``key`` is its end-to-end id, at most 35 characters."""

    key: str
    payee: BankAccount
    amount: Money
    purpose: str


def order_file(
    message: str,
    schemas: Schemas,
    msg_id: str,
    debtor: BankAccount,
    transfers: Sequence[Transfer],
    at: datetime,
) -> bytes:
    """A valid file of transfers in one currency from the shop's account. ``at`` is in the time zone of the bank.

    Raises :class:`~webapp.payments.bank_xml.MessageRefused` when the schema does not allow what the transfers say.
    """
    root = etree.Element(f"{{{NAMESPACE}{message}}}Document", nsmap={None: NAMESPACE + message})
    start = _add(root, "CstmrCdtTrfInitn")
    total = sum(one.amount.minor for one in transfers)
    count, sum_ = str(len(transfers)), decimal(Money(total, transfers[0].amount.currency))
    header = _add(start, "GrpHdr")
    _add(header, "MsgId", msg_id)
    _add(header, "CreDtTm", at.isoformat(timespec="seconds"))
    _add(header, "NbOfTxs", count)
    _add(header, "CtrlSum", sum_)
    _add(_add(header, "InitgPty"), "Nm", debtor.holder)
    block = _add(start, "PmtInf")
    _add(block, "PmtInfId", msg_id)
    _add(block, "PmtMtd", "TRF")
    _add(block, "NbOfTxs", count)
    _add(block, "CtrlSum", sum_)
    if message.endswith(".03"):
        _add(block, "ReqdExctnDt", at.date().isoformat())
    else:
        _add(_add(block, "ReqdExctnDt"), "Dt", at.date().isoformat())
    _add(_add(block, "Dbtr"), "Nm", debtor.holder)
    _account(_add(block, "DbtrAcct"), debtor)
    _bank(_add(block, "DbtrAgt"), debtor, message)
    # A refund arrives in full: the shop bears the charges. In the euro area each side bears its own, by the scheme's
    # rule.
    _add(block, "ChrgBr", "SLEV" if transfers[0].amount.currency == "EUR" else "DEBT")
    for one in transfers:
        _transfer(_add(block, "CdtTrfTxInf"), one, message)
    schemas.check(root, "pain.001")
    return write(root)


def decimal(amount: Money) -> str:
    """An amount as XML has it: ``268.00``, without the currency."""
    return f"{Decimal(amount.minor).scaleb(-amount.digits):.{amount.digits}f}"


def _transfer(place: etree._Element, one: Transfer, message: str) -> None:
    _add(_add(place, "PmtId"), "EndToEndId", one.key)
    amount = _add(_add(place, "Amt"), "InstdAmt", decimal(one.amount))
    amount.set("Ccy", one.amount.currency)
    if one.payee.bank_code:
        _bank(_add(place, "CdtrAgt"), one.payee, message)
    _add(_add(place, "Cdtr"), "Nm", one.payee.holder)
    _account(_add(place, "CdtrAcct"), one.payee)
    _add(_add(place, "RmtInf"), "Ustrd", one.purpose[:LONGEST_PURPOSE])


def _account(place: etree._Element, account: BankAccount) -> None:
    identity = _add(place, "Id")
    if account.iban:
        _add(identity, "IBAN", account.iban)
    else:
        _add(_add(identity, "Othr"), "Id", account.number)


def _bank(place: etree._Element, account: BankAccount, message: str) -> None:
    bank = _add(place, "FinInstnId")
    if account.is_at_cnaps:
        member = _add(bank, "ClrSysMmbId")
        _add(_add(member, "ClrSysId"), "Cd", "CNAPS")
        _add(member, "MmbId", account.bank_code)
    elif account.bank_code:
        _add(bank, "BIC" if message.endswith(".03") else "BICFI", account.bank_code)
    else:
        # The shop's own bank is mandatory; with an IBAN the bank finds itself.
        _add(_add(bank, "Othr"), "Id", "NOTPROVIDED")


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}")
    child.text = text
    return child
