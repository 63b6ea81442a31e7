"""The stand-in provider's memory: what was paid, what was really refunded, and which faults it is told to produce."""

import csv
import io
import random
import threading
import zipfile
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Fault(StrEnum):
    """What can go wrong with one request. The money of those called ``…_after`` has moved."""

    LATE = "late"
    """Refunds, and answers when nobody listens any more."""
    HELD = "held"
    """Lies in a queue, and refunds only when the test lets it, long after nobody listens."""
    DROP = "drop"
    """Refunds, and closes the connection without a word."""
    RESET = "reset"
    """Closes the connection without having done anything."""
    ERROR_500 = "error_500"
    ERROR_500_AFTER = "error_500_after"
    SYSTEM_ERROR = "system_error"
    SYSTEM_ERROR_AFTER = "system_error_after"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    """The trade can no longer be refunded."""
    PAYER_GONE = "payer_gone"
    """The account that paid no longer exists."""
    SHORT_OF_MONEY = "short_of_money"
    """The shop's own account does not hold enough."""
    STRANGE = "strange"
    """Refuses with a code that nobody has heard of."""
    BAD_SIGNATURE = "bad_signature"
    NO_SIGNATURE = "no_signature"
    GARBAGE = "garbage"
    TWICE = "twice"
    """Refunds, and sends its answer twice over the same connection."""
    DRIP = "drip"
    """Refunds, and answers one byte at a time."""
    SILENT_CHANGE = "silent_change"
    """Refunds, and says nothing of whether money moved (no ``fund_change``)."""
    TO_BANK = "to_bank"
    """Refunds a payment by card, which the bank has yet to take."""


WORKS = frozenset(
    {
        Fault.LATE,
        Fault.HELD,
        Fault.DROP,
        Fault.ERROR_500_AFTER,
        Fault.SYSTEM_ERROR_AFTER,
        Fault.BAD_SIGNATURE,
        Fault.NO_SIGNATURE,
        Fault.GARBAGE,
        Fault.TWICE,
        Fault.DRIP,
        Fault.SILENT_CHANGE,
        Fault.TO_BANK,
    }
)
"""After these, the money has moved."""

REFUSALS = {
    Fault.SYSTEM_ERROR: "ACQ.SYSTEM_ERROR",
    Fault.REFUSED: "ACQ.TRADE_HAS_FINISHED",
    Fault.PAYER_GONE: "ACQ.BUYER_NOT_EXIST",
    Fault.SHORT_OF_MONEY: "ACQ.SELLER_BALANCE_NOT_ENOUGH",
    Fault.STRANGE: "ACQ.NEVER_HEARD_OF",
}


@dataclass
class Trade:
    """A payment that a customer made. ``minor`` is in fen."""

    out_trade_no: str
    trade_no: str
    minor: int
    refunds: dict[str, "Refunded"] = field(default_factory=dict)


@dataclass
class Refunded:
    """Money that went back. ``back`` is what the customer's bank says of it: nothing, P, S or F."""

    refund_no: str
    minor: int
    at: datetime
    back: str = ""


@dataclass(frozen=True)
class Call:
    """A request as it came in, for tests that compare one attempt with the next."""

    method: str
    refund_no: str
    amount: str


class Refusal(Exception):
    """A business refusal with Alipay's code."""


class Books:
    """Trades, refunds and plans, for several threads at once."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.calls: list[Call] = []
        self.told_bill: bytes | None = None
        """Handed out instead of any day's bill."""
        self._trades: dict[str, Trade] = {}
        self._plans: dict[tuple[str, str], deque[Fault]] = defaultdict(deque)
        self._next: deque[list[Fault]] = deque()
        self._seen: set[str] = set()
        self._chance: Callable[[], Fault | None] | None = None
        self._lock = threading.RLock()

    # Set-up

    def add_trade(self, out_trade_no: str, minor: int) -> Trade:
        """Let a customer have paid."""
        with self._lock:
            trade = Trade(out_trade_no, f"20260504220014{len(self._trades):014d}", minor)
            self._trades[out_trade_no] = trade
        return trade

    def plan(self, refund_no: str, *faults: Fault, method: str = "refund") -> None:
        """What the next requests on a refund meet, in this order; then all is well."""
        with self._lock:
            self._plans[method, refund_no].extend(faults)

    def plan_next(self, *faults: Fault) -> None:
        """What the next refund meets that was not heard of yet, whatever its number."""
        with self._lock:
            self._next.append(list(faults))

    def at_random(self, seed: int, share: float, *faults: Fault) -> None:
        """Let a share of all requests meet one of these faults."""
        dice = random.Random(seed)  # noqa: S311 (repeatable tests, no secrets)
        self._chance = lambda: dice.choice(faults) if dice.random() < share else None

    def fault_for(self, method: str, refund_no: str) -> Fault | None:
        """The fault that this request meets."""
        with self._lock:
            if method == "refund" and refund_no not in self._seen:
                self._seen.add(refund_no)
                if self._next:
                    self.plan(refund_no, *self._next.popleft())
            planned = self._plans[method, refund_no]
            if planned:
                return planned.popleft()
            return self._chance() if self._chance else None

    def heard(self, call: Call) -> None:
        """Note a request."""
        with self._lock:
            self.calls.append(call)

    # Business

    def trade(self, out_trade_no: str, trade_no: str) -> Trade:
        """A trade by either number. Raises :class:`Refusal`."""
        with self._lock:
            for trade in self._trades.values():
                if trade.out_trade_no == out_trade_no or (not out_trade_no and trade.trade_no == trade_no):
                    return trade
        raise Refusal("ACQ.TRADE_NOT_EXIST")

    def refund(self, trade: Trade, refund_no: str, minor: int, back: str = "") -> bool:
        """Refund once; whether money moved now. Raises :class:`Refusal`."""
        with self._lock:
            before = trade.refunds.get(refund_no)
            if before is not None:
                if before.minor != minor:
                    raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
                return False
            if sum(one.minor for one in trade.refunds.values()) + minor > trade.minor:
                raise Refusal("ACQ.REFUND_AMT_NOT_EQUAL_TOTAL")
            trade.refunds[refund_no] = Refunded(refund_no, minor, self.clock(), back)
            return True

    # Looking

    def paid(self, refund_no: str) -> list[int]:
        """What really went back under a number, in fen: a list, so that twice would show."""
        with self._lock:
            trades = list(self._trades.values())
        return [one.minor for trade in trades for one in trade.refunds.values() if one.refund_no == refund_no]

    def refunds(self) -> list[Refunded]:
        """All that went back."""
        with self._lock:
            return [one for trade in self._trades.values() for one in trade.refunds.values()]

    def find(self, refund_no: str) -> tuple[Trade, Refunded]:
        """A refund with its trade."""
        with self._lock:
            return next(
                (trade, trade.refunds[refund_no]) for trade in self._trades.values() if refund_no in trade.refunds
            )

    def bill(self, day: date) -> bytes | None:
        """The day's bill as Alipay hands it out, or nothing when nothing happened."""
        if self.told_bill is not None:
            return self.told_bill
        with self._lock:
            lines = [
                _bill_row(trade, one)
                for trade in self._trades.values()
                for one in trade.refunds.values()
                if one.at.astimezone(SHANGHAI).date() == day
            ]
        if not lines:
            return None
        detail = io.StringIO()
        detail.write("#支付宝业务明细查询\r\n#账号：[20880000000000000156]\r\n#--------业务明细列表--------\r\n")
        writer = csv.writer(detail)
        writer.writerow(BILL_COLUMNS)
        writer.writerows(lines)
        detail.write("#--------业务明细列表结束--------\r\n#导出时间：[2026年05月05日 10:00:00]\r\n")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("sums.csv", "#支付宝业务汇总查询\r\n门店编号,交易订单总笔数\r\n合计,1\r\n".encode("gbk"))
            packed.writestr("trades.csv", detail.getvalue().encode("gbk"))
        return archive.getvalue()


BILL_COLUMNS = [
    *("支付宝交易号", "商户订单号", "业务类型", "商品名称", "创建时间", "完成时间", "门店编号", "门店名称", "操作员"),
    *("终端号", "对方账户", "订单金额（元）", "商家实收（元）", "支付宝红包（元）", "集分宝（元）", "支付宝优惠（元）"),
    *(
        "商家优惠（元）",
        "券核销金额（元）",
        "券名称",
        "商家红包消费金额（元）",
        "卡消费金额（元）",
        "退款批次号/请求号",
    ),
    *("服务费（元）", "分润（元）", "备注"),
]


def _bill_row(trade: Trade, one: Refunded) -> list[str]:
    cells = dict.fromkeys(BILL_COLUMNS, "")
    at = one.at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
    cells |= {
        "支付宝交易号": f"{trade.trade_no}\t",
        "商户订单号": f"{trade.out_trade_no}\t",
        "业务类型": "退款",
        "商品名称": "SSL certificate",
        "创建时间": at,
        "完成时间": at,
        "对方账户": "ali***@example.com",
        "订单金额（元）": f"-{yuan(one.minor)}",
        "商家实收（元）": f"-{yuan(one.minor)}",
        "退款批次号/请求号": f"{one.refund_no}\t",
    }
    return list(cells.values())


def yuan(minor: int) -> str:
    """Fen as yuan."""
    return f"{minor // 100}.{minor % 100:02d}"
