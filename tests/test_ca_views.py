"""The authority's public endpoints over real HTTP, and what openssl makes of them."""

import base64
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa
from ca_support import NAMES, HandClock, make_csr, serving
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from flask import Flask
from sqlmodel import SQLModel

from certlifecycle import RevocationReason
from webapp.authorities.builtin import BuiltinAuthority
from webapp.authorities.models import CaCertificate, CaCrl
from webapp.authorities.port import Issued, IssuedCertificate
from webapp.authorities.views import blueprint
from webapp.db import make_engine


@pytest.fixture
def ca_engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = make_engine(f"sqlite:///{tmp_path / 'ca.sqlite3'}")
    SQLModel.metadata.create_all(engine, tables=[CaCertificate.__table__, CaCrl.__table__])
    yield engine
    engine.dispose()


@dataclass
class Site:
    """An authority that is reached under ``url``; the files are what somebody fetched from there."""

    authority: BuiltinAuthority
    url: str
    clock: HandClock
    folder: Path

    def issue(self, order_key: str = "order 1") -> IssuedCertificate:
        key = ec.generate_private_key(ec.SECP256R1())
        progress = self.authority.advance(self.authority.submit(order_key, make_csr(key, names=NAMES), NAMES, 90))
        assert isinstance(progress, Issued)
        (self.folder / f"{order_key}.pem").write_text(progress.certificate.chain_pem)
        return progress.certificate

    def fetch(self, name: str) -> Path:
        answer = httpx.get(f"{self.url}/{name}")
        assert answer.status_code == 200
        path = self.folder / name
        path.write_bytes(answer.content)
        return path

    def openssl(self, *arguments: str) -> str:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr


@pytest.fixture
def site(ca_engine: sa.Engine, tmp_path: Path) -> Iterator[Site]:
    app = Flask(__name__)
    with serving(app) as url:
        clock = HandClock()
        authority = BuiltinAuthority(ca_engine, tmp_path / "ca", f"{url}/ca", clock)
        app.register_blueprint(blueprint(authority))
        folder = tmp_path / "fetched"
        folder.mkdir()
        yield Site(authority, f"{url}/ca", clock, folder)


def request_for(site: Site, issued: IssuedCertificate, nonce: bytes | None = None) -> bytes:
    leaf, issuing = x509.load_pem_x509_certificates(issued.chain_pem.encode())
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuing, SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


# What openssl says


def test_openssl_reads_the_certificate(site):
    issued = site.issue()
    text = site.openssl("x509", "-in", "order 1.pem", "-noout", "-text")
    assert "Issuer: C = XX, O = Certificate Desk, CN = Certificate Desk Issuing CA" in text
    assert re.search(r"Subject: *\n", text)
    assert re.search(r"X509v3 Subject Alternative Name: critical\s+DNS:www.example.com", text)
    assert f"OCSP - URI:{site.url}/ocsp" in text
    assert f"CA Issuers - URI:{site.url}/issuing.crt" in text
    assert f"URI:{site.url}/issuing.crl" in text
    serial = site.openssl("x509", "-in", "order 1.pem", "-noout", "-serial")
    assert int(serial.strip().removeprefix("serial="), 16) == int(issued.serial, 16)


def test_openssl_verify_agrees_about_a_good_and_a_revoked_certificate(site):
    kept, revoked = site.issue("kept"), site.issue("revoked")
    (site.folder / "issuing.pem").write_bytes(
        x509.load_der_x509_certificate(site.fetch("issuing.crt").read_bytes()).public_bytes(Encoding.PEM)
    )
    site.fetch("root.pem")

    def verify(order_key: str) -> str:
        for name in ("issuing.crl", "root.crl"):
            crl = x509.load_der_x509_crl(site.fetch(name).read_bytes())
            (site.folder / f"{name}.pem").write_bytes(crl.public_bytes(Encoding.PEM))
        trusted = ["-x509_strict", "-CAfile", "root.pem", "-untrusted", "issuing.pem"]
        lists = ["-crl_check_all", "-CRLfile", "issuing.crl.pem", "-CRLfile", "root.crl.pem"]
        return site.openssl("verify", *trusted, *lists, "-purpose", "sslserver", f"{order_key}.pem")

    assert verify("kept") == "kept.pem: OK\n"
    assert verify("revoked") == "revoked.pem: OK\n"
    site.authority.revoke(revoked.serial, RevocationReason.KEY_COMPROMISE)
    assert verify("kept") == "kept.pem: OK\n"
    assert "certificate revoked" in verify("revoked")
    assert site.authority.status(kept.serial).kind == "good"


def test_openssl_ocsp_agrees_about_a_good_and_a_revoked_certificate(site):
    site.issue("kept")
    revoked = site.issue("revoked")
    site.fetch("root.pem")
    issuing = x509.load_der_x509_certificate(site.fetch("issuing.crt").read_bytes())
    (site.folder / "issuing.pem").write_bytes(issuing.public_bytes(Encoding.PEM))
    url = site.openssl("x509", "-in", "kept.pem", "-noout", "-ocsp_uri").strip()

    def ask(order_key: str, *options: str) -> str:
        about = ["-issuer", "issuing.pem", "-cert", f"{order_key}.pem", "-url", url, "-CAfile", "root.pem"]
        return site.openssl("ocsp", *options, *about)

    for options in ((), ("-no_nonce",), ("-sha256",)):
        answer = ask("kept", *options)
        assert "Response verify OK" in answer
        assert "kept.pem: good" in answer
        assert "WARNING" not in answer
    site.authority.revoke(revoked.serial, RevocationReason.CESSATION_OF_OPERATION)
    answer = ask("revoked")
    assert "Response verify OK" in answer
    assert "revoked.pem: revoked" in answer
    assert "Reason: cessationOfOperation" in answer
    assert "kept.pem: good" in ask("kept")


# What HTTP says


@pytest.mark.parametrize(
    ("name", "mimetype"),
    [
        ("root.crt", "application/pkix-cert"),
        ("issuing.crt", "application/pkix-cert"),
        ("root.pem", "application/x-pem-file"),
        ("root.crl", "application/pkix-crl"),
        ("issuing.crl", "application/pkix-crl"),
    ],
)
def test_files_come_with_their_type_and_can_be_kept(site, name, mimetype):
    first = httpx.get(f"{site.url}/{name}")
    assert first.headers["Content-Type"] == mimetype
    assert re.fullmatch(r"public, max-age=\d+, no-transform", first.headers["Cache-Control"])
    again = httpx.get(f"{site.url}/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert httpx.head(f"{site.url}/{name}").headers["Content-Length"] == str(len(first.content))
    assert httpx.post(f"{site.url}/{name}").status_code == 405


def test_the_certificates_are_those_of_the_authority(site):
    root, issuing = site.authority.root_certificate, site.authority.issuing_certificate
    assert x509.load_der_x509_certificate(site.fetch("root.crt").read_bytes()) == root
    assert x509.load_der_x509_certificate(site.fetch("issuing.crt").read_bytes()) == issuing
    assert x509.load_pem_x509_certificate(site.fetch("root.pem").read_bytes()) == root
    assert httpx.get(f"{site.url}/root.pem").headers["Content-Disposition"] == 'attachment; filename="root.pem"'


def test_a_revocation_changes_the_crl_that_is_served(site):
    issued = site.issue()
    before = httpx.get(f"{site.url}/issuing.crl")
    site.authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    after = httpx.get(f"{site.url}/issuing.crl", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert [entry.serial_number for entry in x509.load_der_x509_crl(after.content)] == [int(issued.serial, 16)]


def test_without_its_database_the_crl_is_unavailable_for_a_while(site, ca_engine):
    with ca_engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE ca_crl"))
    answer = httpx.get(f"{site.url}/issuing.crl")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Cache-Control"] == "no-store"


def encodings(der: bytes) -> dict[str, str]:
    """The ways in which clients write a request into a path."""
    text = base64.b64encode(der).decode()
    return {"as it is": text, "all encoded": quote(text, safe=""), "unpadded": text.rstrip("=")}


@pytest.mark.parametrize("way", ["as it is", "all encoded", "unpadded"])
def test_ocsp_by_get(site, way):
    issued = site.issue()
    answer = httpx.get(f"{site.url}/ocsp/{encodings(request_for(site, issued))[way]}")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/ocsp-response"
    assert answer.headers["Cache-Control"] == "public, max-age=300, no-transform, must-revalidate"
    assert ocsp.load_der_ocsp_response(answer.content).certificate_status is ocsp.OCSPCertStatus.GOOD


def test_ocsp_by_get_keeps_two_slashes_in_a_row_apart(site):
    issued = site.issue()
    # Bytes of all ones become slashes wherever they stand in the base64.
    der = request_for(site, issued, nonce=b"\xff" * 32)
    text = base64.b64encode(der).decode()
    assert "//" in text
    answer = httpx.get(f"{site.url}/ocsp/{text}")
    assert answer.status_code == 200
    response = ocsp.load_der_ocsp_response(answer.content)
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"\xff" * 32
    # An answer with a nonce is for one asker only.
    assert answer.headers["Cache-Control"] == "no-store"


def test_ocsp_by_post_is_not_kept(site):
    issued = site.issue()
    answer = httpx.post(
        f"{site.url}/ocsp", content=request_for(site, issued), headers={"Content-Type": "application/ocsp-request"}
    )
    assert answer.headers["Content-Type"] == "application/ocsp-response"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ocsp.load_der_ocsp_response(answer.content).serial_number == int(issued.serial, 16)


def test_an_unknown_certificate_is_not_kept_in_caches(site):
    issued = site.issue()
    serial = int(issued.serial, 16)
    # As DER has it: without leading zeros, so that its length varies.
    encoded = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
    der = request_for(site, issued)
    assert encoded in der
    der = der.replace(encoded, b"\x01" * len(encoded))
    answer = httpx.get(f"{site.url}/ocsp/{base64.b64encode(der).decode()}")
    assert ocsp.load_der_ocsp_response(answer.content).certificate_status is ocsp.OCSPCertStatus.UNKNOWN
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["%00", "not-base64!", "a", "AAAA", "é", "A" * 9000, "%2e%2e/root.pem", "MA=="])
def test_a_path_that_is_no_request_is_malformed(site, path):
    answer = httpx.get(f"{site.url}/ocsp/{path}")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    status = ocsp.load_der_ocsp_response(answer.content).response_status
    assert status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_a_large_request_is_refused_unread(site):
    assert httpx.post(f"{site.url}/ocsp", content=b"\x30" * 5000).status_code == 413
    assert httpx.post(f"{site.url}/ocsp", content=b"").status_code == 200


def test_an_answer_is_worth_no_more_than_a_day(site):
    issued = site.issue()
    answer = httpx.post(f"{site.url}/ocsp", content=request_for(site, issued))
    response = ocsp.load_der_ocsp_response(answer.content)
    assert response.next_update_utc - site.clock() <= timedelta(days=1)
