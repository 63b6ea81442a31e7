"""The demo's own DNS: whoever tries the desk out can prove the control of a domain without owning one.

It answers on the loopback address only, and only for the demo: a TXT record is there once the demo's button has put it
there, every other question is answered with "no such record". So the worker looks, finds nothing, finds the value and
goes on exactly as it does in a real shop, also on a machine without a network.
"""

import json
import os
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.exception
import dns.message
import dns.rrset
from dns.rdatatype import RdataType
from flask import Blueprint, flash, url_for
from werkzeug.wrappers import Response

from webapp.access import account, parts
from webapp.certificates.queries import certificate_file
from webapp.domaincontrol.models import DomainControl
from webapp.domaincontrol.tokens import Challenge
from webapp.errors import NotFound
from webapp.htmx import go_to
from webapp.wording import _

LIFETIME_SECONDS = 60


class DemoZone:
    """The records that were put there, in a file that the pages write and the name server reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def publish(self, name: str, value: str) -> None:
        """Put a TXT record there; one of the same name before it is gone."""
        records = self._records() | {name.lower(): value}
        handle, draft = tempfile.mkstemp(dir=self._path.parent, prefix=f"{self._path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(records, file)
        # The name server never reads half a file.
        Path(draft).replace(self._path)

    def lookup(self, name: str) -> str | None:
        """The value of a name's TXT record, if there is one."""
        return self._records().get(name.lower().rstrip("."))

    def _records(self) -> dict[str, str]:
        try:
            records: dict[str, str] = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return records


def answer(zone: DemoZone, wire: bytes) -> bytes | None:
    """The answer to one question as it came over UDP; ``None`` for what is no question."""
    try:
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query, recursion_available=True)
        (question,) = query.question
    except (dns.exception.DNSException, ValueError):
        return None
    value = zone.lookup(question.name.to_text()) if question.rdtype == RdataType.TXT else None
    if value is not None:
        response.answer.append(dns.rrset.from_text(question.name, LIFETIME_SECONDS, "IN", "TXT", json.dumps(value)))
    return response.to_wire()


class _Asked(socketserver.BaseRequestHandler):
    server: "_NameServer"

    def handle(self) -> None:
        wire, socket = self.request
        said = answer(self.server.zone, wire)
        if said is not None:
            socket.sendto(said, self.client_address)


class _NameServer(socketserver.ThreadingUDPServer):
    daemon_threads = True

    def __init__(self, zone: DemoZone) -> None:
        self.zone = zone
        super().__init__(("127.0.0.1", 0), _Asked)


@contextmanager
def serving(zone: DemoZone) -> Iterator[str]:
    """The name server for as long as the block runs, on a free port; gives its address as ``RESOLVERS`` takes it."""
    with _NameServer(zone) as server:
        thread = threading.Thread(target=server.serve_forever, name="demo DNS", daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def blueprint(zone: DemoZone) -> Blueprint:
    """The demo's button, and the word to the templates that there is one."""
    demo = Blueprint("demo", __name__, url_prefix="/demo")

    @demo.app_context_processor
    def tell_templates() -> dict[str, bool]:
        return {"demo_publishes": True}

    @demo.post("/<key:certificate_id>/publish")
    def publish(certificate_id: str) -> Response:
        """Put the record that is asked for into the demo's DNS, and have it looked at."""
        challenge = _awaited(certificate_id)
        zone.publish(challenge.record_name, challenge.record_value)
        parts().desk.look_now(certificate_id)
        flash(
            _(
                "The record stands in the demo’s DNS at {record_name}. The worker looks for it now.",
                record_name=challenge.record_name,
            ),
            "info",
        )
        return go_to(url_for("certificates.details", certificate_id=certificate_id))

    return demo


def _awaited(certificate_id: str) -> Challenge:
    with parts().database.reading() as session:
        file = certificate_file(session, certificate_id, account())
        control = session.get(DomainControl, file.certificate.submission_id or "")
    if control is None:
        raise NotFound(_("This certificate waits for no record."), _("Look at the certificate to see what comes next."))
    return control.challenge(file.certificate.names)
