"""A stand-in for the shop's bank: it empties the folder of orders, pays, and writes status reports as it is told.

It writes pain.002 by hand, apart from the desk's reading of it, and keeps books of what it really paid.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

from lxml import etree

from webapp.payments.bank_xml import Schemas


class Says(StrEnum):
    """What the bank does at one turn about one payment; without a plan it pays and says so."""

    NOTHING = "nothing"
    """Has not looked at it yet."""
    PENDING = "PDNG"
    ACCEPTED = "ACCP"
    CHECKED = "ACTC"
    SETTLED = "ACSC"
    CLOSED = "AC04"
    """Rejects: the customer's account is closed."""
    SHORT_OF_MONEY = "AM04"
    """Rejects: the shop's account holds too little."""
    PAYS_SILENTLY = "pays_silently"
    """Pays, and its report is lost."""
    BROKEN = "broken"
    """Pays, and its report arrives cut off."""
    TWICE = "twice"
    """Pays and reports it twice: the same file again, and the same words in another file."""
    FORGED_AMOUNT = "forged_amount"
    """Somebody else says that it is paid, with another amount."""
    FORGED_FILE = "forged_file"
    """Somebody else says that it is rejected, naming a file that was never sent."""


@dataclass(frozen=True)
class Order:
    """A payment as the bank read it."""

    msg_id: str
    key: str
    account: str
    amount: str
    currency: str


class Bank:
    """The bank at the other end of the folder."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self.folder = folder
        self.clock = clock
        self.orders: list[Order] = []
        self.paid: dict[str, list[str]] = defaultdict(list)
        self.files: list[bytes] = []
        self._messages: set[str] = set()
        self._plans: dict[str, deque[Says]] = defaultdict(deque)
        self._told: set[Order] = set()
        self._done: set[Order] = set()

    def plan(self, key: str, *says: Says) -> None:
        """What the bank says of a payment, one word at each turn."""
        self._plans[key].extend(says)

    def turn(self) -> None:
        """Fetch orders, and report on each payment."""
        for path in sorted((self.folder / "out").glob("*.xml")):
            self._fetch(path.read_bytes())
            path.unlink()
        for order in self.orders:
            plan = self._plans[order.key]
            if plan:
                self._say(order, plan.popleft())
            elif order not in self._told:
                self._say(order, Says.SETTLED)

    def _fetch(self, content: bytes) -> None:
        self.files.append(content)
        root = etree.fromstring(content)
        Schemas().check(root, "pain.001")
        msg_id = root.findtext(".//{*}GrpHdr/{*}MsgId") or ""
        if msg_id in self._messages:
            self.drop(report(msg_id, self.clock(), group="RJCT", group_reason="DU01"))
            return
        self._messages.add(msg_id)
        for one in root.iterfind(".//{*}CdtTrfTxInf"):
            amount = one.find("{*}Amt/{*}InstdAmt")
            assert amount is not None
            account = one.findtext("{*}CdtrAcct/{*}Id/{*}IBAN") or one.findtext("{*}CdtrAcct/{*}Id/{*}Othr/{*}Id")
            key = one.findtext("{*}PmtId/{*}EndToEndId") or ""
            # A bank that honours the end-to-end id would refuse the second; this one does not, so that it would show.
            self.orders.append(Order(msg_id, key, account or "", amount.text or "", amount.get("Ccy", "")))

    def _say(self, order: Order, says: Says) -> None:
        match says:
            case Says.NOTHING:
                return
            case Says.PENDING | Says.ACCEPTED | Says.CHECKED:
                self.drop(report(order.msg_id, self.clock(), line(order, says.value)))
            case Says.CLOSED | Says.SHORT_OF_MONEY:
                self.drop(report(order.msg_id, self.clock(), line(order, "RJCT", says.value)))
                self._told.add(order)
            case Says.FORGED_AMOUNT:
                self.drop(report(order.msg_id, self.clock(), line(order, "ACSC", amount="1.00")))
            case Says.FORGED_FILE:
                self.drop(report(uuid4().hex, self.clock(), line(order, "RJCT", "AC04")))
            case _:
                self._pay(order)
                content = report(order.msg_id, self.clock(), line(order, "ACSC"))
                if says is Says.BROKEN:
                    self.drop(content[: len(content) // 2])
                elif says is Says.TWICE:
                    self.drop(content)
                    self.drop(content)
                    self.drop(report(order.msg_id, self.clock(), line(order, "ACSC")))
                elif says is Says.SETTLED:
                    self.drop(content)
                    self._told.add(order)

    def _pay(self, order: Order) -> None:
        if order not in self._done:
            self._done.add(order)
            self.paid[order.key].append(order.amount)

    def drop(self, content: bytes) -> None:
        """Put a report into the folder."""
        place = self.folder / "in"
        place.mkdir(parents=True, exist_ok=True)
        number = len(list(self.folder.rglob("*.xml"))) + 1
        unfinished = place / f".{uuid4().hex}"
        unfinished.write_bytes(content)
        unfinished.rename(place / f"{number:06d}-{uuid4().hex[:8]}.xml")


def line(order: Order, status: str, reason: str = "", amount: str | None = None) -> str:
    """What a report says of one payment."""
    why = f"<StsRsnInf><Rsn><Cd>{reason}</Cd></Rsn><AddtlInf>as told</AddtlInf></StsRsnInf>" if reason else ""
    return (
        f"<TxInfAndSts><OrgnlEndToEndId>{order.key}</OrgnlEndToEndId><TxSts>{status}</TxSts>{why}"
        f'<OrgnlTxRef><Amt><InstdAmt Ccy="{order.currency}">{amount or order.amount}</InstdAmt></Amt></OrgnlTxRef>'
        "</TxInfAndSts>"
    )


def report(
    msg_id: str,
    at: datetime,
    *lines: str,
    group: str = "",
    group_reason: str = "",
    count: int | None = None,
    version: str = "pain.002.001.03",
) -> bytes:
    """A status report on one file."""
    group_status = f"<GrpSts>{group}</GrpSts>" if group else ""
    why = f"<StsRsnInf><Rsn><Cd>{group_reason}</Cd></Rsn></StsRsnInf>" if group_reason else ""
    number = f"<OrgnlNbOfTxs>{count}</OrgnlNbOfTxs>" if count is not None else ""
    block = f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{msg_id}</OrgnlPmtInfId>{''.join(lines)}</OrgnlPmtInfAndSts>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:{version}"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>{uuid4().hex}</MsgId><CreDtTm>{at.isoformat(timespec='seconds')}</CreDtTm></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{msg_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.03</OrgnlMsgNmId>"
        f"{number}{group_status}{why}</OrgnlGrpInfAndSts>"
        f"{block if lines else ''}</CstmrPmtStsRpt></Document>"
    ).encode()
