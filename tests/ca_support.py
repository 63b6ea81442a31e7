"""What the tests of the built-in authority share: CSRs as customers make them, a clock moved by hand, a real server."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread
from wsgiref.types import WSGIApplication

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from werkzeug.serving import make_server

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

NAMES = ("www.example.com",)


class HandClock:
    """A clock that stands still until it is moved. It starts at the present, since openssl looks at the real one."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


def csr_builder(
    common_name: str | None = None, names: Sequence[str | x509.GeneralName] = ()
) -> x509.CertificateSigningRequestBuilder:
    subject = [] if common_name is None else [x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        general = [x509.DNSName(name) if isinstance(name, str) else name for name in names]
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    return builder


def make_csr(
    key: PrivateKey,
    common_name: str | None = None,
    names: Sequence[str | x509.GeneralName] = (),
    digest: HashAlgorithm | None = None,
) -> str:
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else digest or SHA256()
    csr = csr_builder(common_name, names).sign(key, algorithm)
    return csr.public_bytes(Encoding.PEM).decode("ascii")


@contextmanager
def serving(app: WSGIApplication, port: int = 0) -> Iterator[str]:
    """Serve an app over real HTTP, on a free port unless one is named; the value is its address, without a slash."""
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
