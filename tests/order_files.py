"""Files of orders that were placed elsewhere, for the tests of the import."""

import csv
import io

from webapp.importing import FIELDS

GOOD = {
    "number": "X-1001",
    "email": "alice@example.com",
    "product": "dv",
    "domain": "shop.example.com",
    "amount": "268.00",
    "voucher": "68.00",
    "currency": "CNY",
    "payment_method": "alipay",
    "payment_reference": "2026042822001",
    "payment_account": "ending 88",
    "paid_at": "2026-05-01T12:00:00+08:00",
}


def row(**changes: str) -> dict[str, str]:
    return GOOD | changes


def file(*rows: dict[str, str], header: tuple[str, ...] = FIELDS, ends: str = "\r\n") -> bytes:
    """A CSV file as spreadsheets write them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=ends)
    writer.writerow(header)
    writer.writerows([one[name] for name in header] for one in rows)
    return out.getvalue().encode()
