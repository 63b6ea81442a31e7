"""A stand-in for Alipay: a local HTTP server that speaks the gateway's protocol, keeps books, and fails as it is told.

It checks every request as strictly as the documents describe it and signs every answer. Tests run it as a thread;
``python tests/provider.py --folder <folder>`` runs it alone, writes the keys there that the desk needs, and takes
orders over HTTP at ``/control``. What has only met this stand-in has not met Alipay.
"""

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
from provider_books import REFUSALS, SHANGHAI, WORKS, Books, Call, Fault, Refusal, Trade, yuan
from provider_keys import Keys, is_signed, joined, make_keys, signature

APP_ID = "2026050400000001"
REFUND = "alipay.trade.refund"
QUERY = "alipay.trade.fastpay.refund.query"
BILL = "alipay.data.dataservice.bill.downloadurl.query"
SHORT = {REFUND: "refund", QUERY: "query", BILL: "bill"}


class Denied(Exception):
    """A request that the gateway does not let through."""

    def __init__(self, code: str, sub_code: str) -> None:
        super().__init__(sub_code)
        self.code, self.sub_code = code, sub_code


class Server(ThreadingHTTPServer):
    """A server that says nothing of callers who hang up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers hang up when a fault has them wait; anything else is a mistake of the stand-in's."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Provider:
    """The stand-in, to be used with ``with``. ``books`` is what tests look at and plan with."""

    def __init__(
        self,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        keys: Keys | None = None,
        port: int = 0,
        late_seconds: float = 5.0,
        notify_url: str = "",
    ) -> None:
        self.books = Books(clock)
        self.keys = keys or make_keys()
        self.clock = clock
        self.late_seconds = late_seconds
        self.notify_url = notify_url
        self._bills: dict[str, bytes] = {}
        self._ending = threading.Event()
        self._let_go = threading.Event()
        self._server = Server(("127.0.0.1", port), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="provider")

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def gateway(self) -> str:
        """The address of the gateway."""
        return f"{self.url}/gateway.do"

    def __enter__(self) -> "Provider":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def let_go(self) -> None:
        """Let requests that are held in the queue do their work now."""
        self._let_go.set()

    # The gateway

    def answer(self, fields: Mapping[str, str]) -> tuple[bytes, Fault | None]:
        """The answer to a request, and how it is to be mishandled."""
        method = fields.get("method", "")
        name = f"{method.replace('.', '_')}_response"
        try:
            content = self._let_through(fields)
        except Denied as denied:
            return self._signed(name, {"code": denied.code, "msg": "Invalid", "sub_code": denied.sub_code}), None
        refund_no = str(content.get("out_request_no", ""))
        self.books.heard(Call(SHORT[method], refund_no, str(content.get("refund_amount", ""))))
        fault = self.books.fault_for(SHORT[method], refund_no)
        if fault is Fault.HELD:
            self._let_go.wait(60)
        if fault is Fault.UNAVAILABLE:
            said = {"code": "20000", "msg": "Service Currently Unavailable", "sub_code": "isp.unknow-error"}
            return self._signed(name, said), fault
        try:
            if fault in REFUSALS:
                raise Refusal(REFUSALS[fault])
            done = {} if fault and fault not in WORKS else self._do(method, content, fault)
            if fault is Fault.SYSTEM_ERROR_AFTER:
                raise Refusal("ACQ.SYSTEM_ERROR")
        except Refusal as refusal:
            said = {"code": "40004", "msg": "Business Failed", "sub_code": str(refusal), "sub_msg": "业务处理失败"}
            return self._signed(name, said), fault
        return self._signed(name, {"code": "10000", "msg": "Success", **done}, fault), fault

    def _let_through(self, fields: Mapping[str, str]) -> dict[str, Any]:
        """The business content of a request that is in order."""
        for needed in ("app_id", "method", "charset", "sign_type", "sign", "timestamp", "version", "biz_content"):
            if not fields.get(needed):
                raise Denied("40001", f"isv.missing-{needed.replace('_', '-')}")
        if fields["app_id"] != APP_ID:
            raise Denied("40002", "isv.invalid-app-id")
        if fields["method"] not in SHORT:
            raise Denied("40002", "isv.invalid-method")
        if (fields["charset"], fields["sign_type"], fields["version"]) != ("utf-8", "RSA2", "1.0"):
            raise Denied("40002", "isv.invalid-parameter")
        if not is_signed(self.keys.shop.public_key(), fields["sign"], joined(fields, "sign")):
            raise Denied("40002", "isv.invalid-signature")
        at = datetime.strptime(fields["timestamp"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI)
        if abs(at - self.clock()) > timedelta(minutes=10):
            raise Denied("40002", "isv.invalid-timestamp")
        content: dict[str, Any] = json.loads(fields["biz_content"])
        return content

    def _do(self, method: str, content: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
        if method == BILL:
            return self._bill(content)
        refund_no = content["out_request_no"]
        if not isinstance(refund_no, str) or not 1 <= len(refund_no) <= 64:
            raise Refusal("ACQ.INVALID_PARAMETER")
        trade = self.books.trade(content.get("out_trade_no", ""), content.get("trade_no", ""))
        if method == QUERY:
            return self._query(trade, refund_no, content.get("query_options", []))
        amount = content["refund_amount"]
        if not isinstance(amount, str) or not re.fullmatch(r"[0-9]{1,9}\.[0-9]{2}", amount):
            raise Refusal("ACQ.INVALID_PARAMETER")
        if len(content.get("refund_reason", "")) > 256:
            raise Refusal("ACQ.INVALID_PARAMETER")
        back = "P" if fault is Fault.TO_BANK else ""
        moved = self.books.refund(trade, refund_no, int(amount.replace(".", "")), back)
        done = {
            "out_trade_no": trade.out_trade_no,
            "trade_no": trade.trade_no,
            "buyer_logon_id": "ali***@example.com",
            "refund_fee": yuan(sum(one.minor for one in trade.refunds.values())),
            "fund_change": "Y" if moved else "N",
        }
        if fault is Fault.SILENT_CHANGE:
            del done["fund_change"]
        return done

    def _query(self, trade: Trade, refund_no: str, options: list[str]) -> dict[str, Any]:
        found = trade.refunds.get(refund_no)
        if found is None:
            return {}
        told: dict[str, Any] = {
            "out_trade_no": trade.out_trade_no,
            "trade_no": trade.trade_no,
            "out_request_no": refund_no,
            "total_amount": yuan(trade.minor),
            "refund_amount": yuan(found.minor),
            "refund_status": "REFUND_SUCCESS",
        }
        if found.back and "deposit_back_info" in options:
            told["deposit_back_info"] = {"has_deposit_back": "true", "dback_status": found.back}
        return told

    def _bill(self, content: dict[str, Any]) -> dict[str, Any]:
        if content.get("bill_type") != "trade":
            raise Refusal("INVAILID_ARGUMENTS")
        bill = self.books.bill(date.fromisoformat(content["bill_date"]))
        if bill is None:
            raise Refusal("BILL_NOT_EXIST")
        token = uuid4().hex
        self._bills[token] = bill
        return {"bill_download_url": f"{self.url}/bill?token={token}"}

    def _signed(self, name: str, content: dict[str, Any], fault: Fault | None = None) -> bytes:
        # Alipay escapes slashes, so that whoever writes the object anew gets other bytes than were signed.
        text = json.dumps(content, ensure_ascii=False).replace("/", r"\/")
        key = self.keys.shop if fault is Fault.BAD_SIGNATURE else self.keys.alipay
        if fault is Fault.GARBAGE:
            return b"<html><body>502 Bad Gateway</body></html>"
        if fault is Fault.NO_SIGNATURE:
            return f'{{"{name}":{text}}}'.encode()
        return f'{{"{name}":{text},"sign":"{signature(key, text)}"}}'.encode()

    # Calling back

    def notification(self, refund_no: str, **changes: str) -> dict[str, str]:
        """A signed notification on a refund; changes are made before it is signed."""
        trade, refunded = self.books.find(refund_no)
        fields = {
            "notify_id": uuid4().hex,
            "notify_type": "trade_status_sync",
            "notify_time": self._now(),
            "app_id": APP_ID,
            "charset": "utf-8",
            "version": "1.0",
            "sign_type": "RSA2",
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "out_biz_no": refund_no,
            "trade_status": "TRADE_CLOSED",
            "total_amount": yuan(trade.minor),
            "refund_fee": yuan(refunded.minor),
            "subject": "SSL 证书 & more",
            "gmt_refund": f"{self._now()}.123",
            "body": "",
        }
        return self.sign_notification(fields | changes)

    def bank_notification(self, refund_no: str, status: str) -> dict[str, str]:
        """A signed notification that the customer's bank has spoken: S or F."""
        trade, refunded = self.books.find(refund_no)
        refunded.back = status
        content = {
            "trade_no": trade.trade_no,
            "out_trade_no": trade.out_trade_no,
            "out_request_no": refund_no,
            "dback_status": status,
            "dback_amount": yuan(refunded.minor),
        }
        fields = {
            "notify_id": uuid4().hex,
            "utc_timestamp": str(int(self.clock().timestamp() * 1000)),
            "msg_method": "alipay.trade.refund.depositback.completed",
            "app_id": APP_ID,
            "charset": "UTF-8",
            "version": "1.1",
            "sign_type": "RSA2",
            "biz_content": json.dumps(content),
        }
        return self.sign_notification(fields)

    def sign_notification(self, fields: dict[str, str]) -> dict[str, str]:
        """Sign as Alipay does: without ``sign_type``, without empty fields."""
        return fields | {"sign": signature(self.keys.alipay, joined(fields, "sign", "sign_type"))}

    def _now(self) -> str:
        return self.clock().astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")

    # HTTP

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Tests read the books, not a log."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                if urlsplit(self.path).path == "/control":
                    self._send(200, provider.control(json.loads(body)))
                    return
                if not self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
                    self._send(415, b"")
                    return
                form = parse_qs(body.decode(), keep_blank_values=True, strict_parsing=True)
                before = len(provider.books.refunds())
                answer, fault = provider.answer({name: values[0] for name, values in form.items()})
                try:
                    self._mishandle(answer, fault)
                except (BrokenPipeError, ConnectionResetError):
                    # Nobody listens any more: that is what the fault is for.
                    self.close_connection = True
                if provider.notify_url and len(provider.books.refunds()) > before:
                    provider.call_back(json.loads(form["biz_content"][0])["out_request_no"])

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                bill = provider.take_bill(parse_qs(parts.query).get("token", [""])[0])
                if parts.path == "/control":
                    self._send(200, provider.control({}))
                elif parts.path == "/bill" and bill is not None:
                    self._send(200, bill)
                else:
                    self._send(404, b"")

            def _mishandle(self, answer: bytes, fault: Fault | None) -> None:
                if fault in (Fault.DROP, Fault.RESET):
                    self.close_connection = True
                elif fault in (Fault.ERROR_500, Fault.ERROR_500_AFTER):
                    self._send(500, b"<html>Internal Server Error</html>")
                elif fault is Fault.DRIP:
                    self._drip(answer)
                else:
                    if fault is Fault.LATE:
                        provider.wait_late()
                    self._send(200, answer)
                    if fault is Fault.TWICE:
                        self._send(200, answer)

            def _drip(self, answer: bytes) -> None:
                self._head(200, len(answer))
                end = time.monotonic() + provider.late_seconds
                for sign in answer:
                    self.wfile.write(bytes([sign]))
                    self.wfile.flush()
                    if provider.ended(0.02) or time.monotonic() > end:
                        break
                self.close_connection = True

            def _send(self, status: int, body: bytes) -> None:
                self._head(status, len(body))
                self.wfile.write(body)
                self.wfile.flush()

            def _head(self, status: int, length: int) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/html;charset=utf-8")
                self.send_header("Content-Length", str(length))
                self.end_headers()

        return Handler

    def wait_late(self) -> None:
        """Wait until nobody listens any more."""
        self._ending.wait(self.late_seconds)

    def ended(self, seconds: float) -> bool:
        """Wait a little; whether the stand-in is being stopped."""
        return self._ending.wait(seconds)

    def take_bill(self, token: str) -> bytes | None:
        """A bill's address holds once."""
        return self._bills.pop(token, None)

    def call_back(self, refund_no: str) -> None:
        """Notify the desk. One that is away is notified again by nobody here."""
        try:
            httpx.post(self.notify_url, data=self.notification(refund_no), timeout=10)
        except httpx.HTTPError:
            return

    def control(self, order: dict[str, Any]) -> bytes:
        """Orders over HTTP, for browser tests: trades that were paid, faults for the next refund; answers the books."""
        for out_trade_no, minor in order.get("trades", {}).items():
            self.books.add_trade(out_trade_no, minor)
        if "next" in order:
            self.books.plan_next(*(Fault(name) for name in order["next"]))
        refunds = [
            {"refund_no": one.refund_no, "minor": one.minor, "at": one.at.isoformat()} for one in self.books.refunds()
        ]
        calls = [[call.method, call.refund_no, call.amount] for call in self.books.calls]
        return json.dumps({"refunds": refunds, "calls": calls}).encode()


def main() -> None:
    """Run the stand-in until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="where the desk's keys are written")
    parser.add_argument("--notify-url", default="")
    words = parser.parse_args()
    words.folder.mkdir(parents=True, exist_ok=True)
    with Provider(port=words.port, notify_url=words.notify_url) as provider:
        (words.folder / "alipay_private_key.pem").write_text(provider.keys.shop_pem)
        (words.folder / "alipay_public_key.txt").write_text(provider.keys.alipay_base64)
        print(json.dumps({"gateway": provider.gateway, "app_id": APP_ID}), flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
