"""Alipay's own record of a day: the bill that ``alipay.data.dataservice.bill.downloadurl.query`` hands out.

The answer names an address that holds for thirty seconds; behind it lies a ZIP archive of CSV files in GBK, the day's
trades in one and their sums in another, with comment lines that begin with ``#`` and a tab after every long number. A
refund stands there with a negative amount and its ``out_request_no``. A day's bill is made in the next morning.
Sources: docs.open.alipay.com/api_15/alipay.data.dataservice.bill.downloadurl.query, opendocs.alipay.com/open/204/106262
and developer.aliyun.com/article/707638.
"""

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from urllib.parse import urlsplit

from certlifecycle import Money
from webapp.payments.alipay_answers import SUCCESS, told_by
from webapp.payments.alipay_client import AlipayClient, NoAnswer
from webapp.payments.alipay_protocol import Malformed, read_amount, read_time
from webapp.payments.port import StatementLine, StatementMissing
from webapp.retelling import stored

METHOD = "alipay.data.dataservice.bill.downloadurl.query"
LARGEST_ARCHIVE = 20 * 1024 * 1024
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError, ValueError)
"""What reading a damaged archive may end with; a text in another encoding is a ``ValueError``."""
ENCRYPTED = 0x1
"""The flag of an entry that needs a password (APPNOTE.TXT, section 4.4.4)."""
LARGEST_FILE = 200 * 1024 * 1024
DOWNLOAD_SECONDS = 60.0

TRADE, KIND, DONE = "支付宝交易号", "业务类型", "完成时间"
AMOUNT, REQUEST = "订单金额", "退款批次号/请求号"
COLUMNS = {TRADE, KIND, DONE, AMOUNT, REQUEST}
REFUNDED = "退款"


def refunds(client: AlipayClient, day: date) -> list[StatementLine]:
    """The refunds of a day. Raises :class:`~webapp.payments.port.StatementMissing`."""
    try:
        content = client.call(METHOD, {"bill_type": "trade", "bill_date": day.isoformat()})
        if content.get("code") != SUCCESS:
            raise StatementMissing(
                stored("Alipay has no bill for {day}, or not yet. ({told})", day=day, told=told_by(content))
            )
        archive = _download(client, str(content.get("bill_download_url", "")))
        return [_line(row) for row in _rows(archive) if row[KIND] == REFUNDED]
    except (NoAnswer, Malformed, csv.Error, *UNREADABLE) as trouble:
        raise StatementMissing(
            stored("Alipay's bill for {day} could not be read: {trouble}", day=day, trouble=trouble)
        ) from trouble


def _download(client: AlipayClient, address: str) -> bytes:
    """Fetch the archive, from Alipay alone: the address comes from outside, signed as it is."""
    try:
        parts, gateway = urlsplit(address), urlsplit(client.settings.gateway)
    except ValueError:
        raise Malformed("the bill's address is none") from None
    from_gateway = (parts.scheme, parts.netloc) == (gateway.scheme, gateway.netloc)
    # Alipay names these addresses with http as well; they are used as they come, for the report they feed moves no
    # money.
    from_alipay = parts.scheme in ("https", "http") and (parts.hostname or "").endswith(".alipay.com")
    if not (from_gateway or from_alipay):
        raise Malformed("the bill's address is not one of Alipay's")
    return client.download(address, LARGEST_ARCHIVE, DOWNLOAD_SECONDS)


def _rows(archive: bytes) -> Iterator[dict[str, str]]:
    """The rows of the file that lists single trades."""
    found = False
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        for entry in packed.infolist():
            if entry.file_size > LARGEST_FILE or not entry.filename.endswith(".csv"):
                continue
            if entry.flag_bits & ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Malformed("a file in the bill is packed in a way that Alipay never used")
            # A file's declared size is only its own claim, so no more than that is ever read.
            with packed.open(entry) as file:
                lines = file.read(LARGEST_FILE).decode("gb18030").splitlines()
            reader = csv.DictReader(line for line in lines if not line.startswith("#"))
            reader.fieldnames = [_plain(name) for name in reader.fieldnames or []]
            if not COLUMNS.issubset(reader.fieldnames):
                continue
            found = True
            for row in reader:
                if None in row.values():
                    raise Malformed("a row of the bill is too short")
                yield {name: row[name].strip() for name in COLUMNS}
    if not found:
        raise Malformed("no file in the bill lists single trades")


def _plain(name: str) -> str:
    """A column's name without its unit, which is written in several ways."""
    return name.strip().translate(str.maketrans("（）", "()")).removesuffix("(元)")


def _line(row: dict[str, str]) -> StatementLine:
    amount = read_amount(row[AMOUNT])
    return StatementLine(
        refund_no=row[REQUEST],
        # The bill counts for the shop's account: what it paid is below zero.
        amount=Money(-amount.minor, amount.currency),
        at=read_time(row[DONE]),
        reference=row[TRADE],
    )
