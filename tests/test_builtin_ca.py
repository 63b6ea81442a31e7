"""The built-in authority: one certificate for an order whatever happens, revocation, CRL numbers, keys on disk."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from multiprocessing.synchronize import Barrier as ProcessBarrier
from pathlib import Path

import pytest
import sqlalchemy as sa
from ca_support import NAMES, HandClock, csr_builder, make_csr
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from certlifecycle import RevocationReason
from webapp.authorities.builtin import CRL_REFRESH, CRL_VALIDITY, BuiltinAuthority
from webapp.authorities.builtin_keys import load_or_create
from webapp.authorities.key_files import KeyDirectoryError
from webapp.authorities.models import CaCertificate, CaCrl
from webapp.authorities.port import (
    AuthorityRefused,
    AuthorityUnavailable,
    CertificateAuthority,
    Issued,
    IssuedCertificate,
    StatusKind,
    check_issued,
)
from webapp.authorities.validity import max_validity
from webapp.db import make_engine

URL = "http://ca.example.com/ca"
KEY = ec.generate_private_key(ec.SECP256R1())
CSR = make_csr(KEY, names=NAMES)


@pytest.fixture
def ca_engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> HandClock:
    return HandClock(datetime(2026, 11, 23, 10, 20, 30, 456789, tzinfo=UTC))


@pytest.fixture
def start(ca_engine: sa.Engine, tmp_path: Path, clock: HandClock) -> Callable[..., BuiltinAuthority]:
    """Start an authority as another process would: the same directory and database, nothing else in common."""

    def new(at: Callable[[], datetime] = clock) -> BuiltinAuthority:
        return BuiltinAuthority(ca_engine, tmp_path / "ca", URL, at)

    return new


@pytest.fixture
def authority(start: Callable[..., BuiltinAuthority]) -> BuiltinAuthority:
    return start()


def issue(authority: BuiltinAuthority, order_key: str = "order 1", days: int = 90) -> IssuedCertificate:
    progress = authority.advance(authority.submit(order_key, CSR, NAMES, days))
    assert isinstance(progress, Issued)
    return progress.certificate


def leaf_of(issued: IssuedCertificate) -> x509.Certificate:
    return x509.load_pem_x509_certificates(issued.chain_pem.encode())[0]


def listed(crl_der: bytes) -> dict[str, str | None]:
    """Serial numbers on a CRL with the reason in its entry."""
    reasons = {}
    for entry in x509.load_der_x509_crl(crl_der):
        found = [extension.value.reason.name for extension in entry.extensions]
        reasons[format(entry.serial_number, "x")] = found[0] if found else None
    return reasons


def number_of(crl_der: bytes) -> int:
    return x509.load_der_x509_crl(crl_der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


# Issuing


def test_it_is_a_certificate_authority(authority):
    port: CertificateAuthority = authority
    assert isinstance(port.advance(port.submit("order 1", CSR, NAMES, 90)), Issued)


def test_an_order_becomes_a_certificate_of_its_key_and_names(authority, clock):
    issued = issue(authority)
    leaf = leaf_of(issued)
    assert leaf.public_key() == KEY.public_key()
    assert leaf.subject == x509.Name([])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert names.value.get_values_for_type(x509.DNSName) == list(NAMES)
    assert issued.serial == format(leaf.serial_number, "x")
    assert issued.not_before == clock().replace(microsecond=0)
    assert issued.not_after == issued.not_before + timedelta(days=90) - timedelta(seconds=1)
    assert issued.fingerprint_sha256 == leaf.fingerprint(SHA256()).hex()
    assert issued.issuer.startswith("Certificate Desk Issuing CA")
    assert check_issued(issued.chain_pem, CSR, NAMES, clock()) == issued
    authority.issuing_certificate.verify_directly_issued_by(authority.root_certificate)


def test_the_certificate_says_where_its_status_is(authority):
    leaf = leaf_of(issue(authority))
    access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert {description.access_location.value for description in access} == {f"{URL}/ocsp", f"{URL}/issuing.crt"}
    points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert [name.value for point in points for name in point.full_name] == [f"{URL}/issuing.crl"]


def test_nothing_of_the_csr_is_taken_over_but_its_key(authority):
    greedy = (
        csr_builder("www.example.com", NAMES)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(KEY, SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
    progress = authority.advance(authority.submit("greedy", greedy, NAMES, 90))
    leaf = leaf_of(progress.certificate)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]


@pytest.mark.parametrize(
    ("day", "longest"), [((2026, 11, 23), 200), ((2027, 3, 14), 200), ((2027, 3, 15), 100), ((2029, 3, 15), 47)]
)
def test_the_validity_keeps_to_the_limit_of_its_day(start, day, longest):
    clock = HandClock(datetime(*day, tzinfo=UTC))
    assert max_validity(clock()) == timedelta(days=longest)
    issued = issue(start(clock), days=365)
    # The last second counts, and one day below the limit is recommended.
    assert issued.not_after + timedelta(seconds=1) - issued.not_before == timedelta(days=longest - 1)


def test_the_limit_changes_at_midnight_utc():
    assert max_validity(datetime(2027, 3, 14, 23, 59, 59, 999999, tzinfo=UTC)) == timedelta(days=200)
    assert max_validity(datetime(2027, 3, 15, tzinfo=UTC)) == timedelta(days=100)
    assert max_validity(datetime(2019, 1, 1, tzinfo=UTC)) == timedelta(days=398)


def test_an_absurd_number_of_days_is_cut_like_any_other(authority):
    issued = issue(authority, days=10**12)
    assert issued.not_after - issued.not_before < timedelta(days=200)


def test_it_does_not_sign_beyond_its_own_end(authority, clock):
    ref = authority.submit("late", CSR, NAMES, 47)
    clock.forward(timedelta(days=10 * 365 - 20))
    with pytest.raises(AuthorityUnavailable, match="renewed"):
        authority.advance(ref)


# One certificate for one order


def test_the_same_order_key_is_the_same_order(authority, start):
    first = issue(authority)
    again = start()
    assert again.submit("order 1", CSR, NAMES, 90) == authority.submit("order 1", CSR, NAMES, 90)
    assert issue(again) == first
    assert issue(authority, "order 2").serial != first.serial


def test_an_order_key_cannot_be_used_for_something_else(authority):
    issue(authority)
    with pytest.raises(AuthorityRefused, match="another CSR"):
        authority.submit("order 1", make_csr(ec.generate_private_key(ec.SECP256R1()), names=NAMES), NAMES, 90)
    with pytest.raises(AuthorityRefused, match="another CSR"):
        authority.submit("order 1", make_csr(KEY), ("other.example.com",), 90)


def test_an_order_lives_on_when_its_process_dies_after_submit(authority, start):
    ref = authority.submit("order 1", CSR, NAMES, 90)
    assert start().submit("order 1", CSR, NAMES, 90) == ref
    assert isinstance(start().advance(ref), Issued)


class Killed(BaseException):
    """Stands for the end of a process."""


def die_while_storing(engine: sa.Engine, authority: BuiltinAuthority, ref: str) -> x509.Certificate:
    """The certificate that a process had signed when it died: the row that it was about to write is never written."""
    signed: list[str] = []

    def die(_connection, _cursor, statement, _parameters, context, _many):
        if statement.startswith("UPDATE ca_certificate"):
            signed.append(context.compiled_parameters[0]["pem"])
            raise Killed

    sa.event.listen(engine, "before_cursor_execute", die)
    try:
        with pytest.raises(Killed):
            authority.advance(ref)
    finally:
        sa.event.remove(engine, "before_cursor_execute", die)
    return x509.load_pem_x509_certificates(signed[0].encode())[0]


def test_a_certificate_that_was_signed_but_never_stored_is_never_handed_out(authority, start, ca_engine):
    ref = authority.submit("order 1", CSR, NAMES, 90)
    lost = die_while_storing(ca_engine, authority, ref)
    issued = start().advance(ref).certificate
    assert leaf_of(issued).serial_number != lost.serial_number
    assert authority.advance(ref).certificate == issued
    assert authority.status(format(lost.serial_number, "x")).kind == "unknown"


class MeetingClock(HandClock):
    """A clock at which, once it was told to, everybody who asks for the time waits until all have asked."""

    def __init__(self) -> None:
        super().__init__()
        self._meeting: threading.Barrier | None = None

    def let_meet(self, parties: int) -> None:
        self._meeting = threading.Barrier(parties)

    def __call__(self) -> datetime:
        if self._meeting is not None:
            self._meeting.wait(timeout=30)
        return self.now


def test_those_that_sign_at_once_hand_out_one_certificate(start):
    # The clock is read after an order was found unsigned and before it is signed: all of them sign.
    clock = MeetingClock()
    rivals = [start(clock) for _ in range(4)]
    ref = rivals[0].submit("order 1", CSR, NAMES, 90)
    clock.let_meet(len(rivals))
    with ThreadPoolExecutor(len(rivals)) as pool:
        answers = list(pool.map(lambda rival: rival.advance(ref).certificate, rivals))
    assert len(set(answers)) == 1
    assert rivals[0].advance(ref).certificate == answers[0]


def test_those_that_submit_at_once_submit_one_order(start, ca_engine):
    clock = MeetingClock()
    rivals = [start(clock) for _ in range(8)]
    clock.let_meet(len(rivals))
    with ThreadPoolExecutor(len(rivals)) as pool:
        refs = list(pool.map(lambda rival: rival.submit("order 1", CSR, NAMES, 90), rivals))
    assert len(set(refs)) == 1
    with ca_engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(CaCertificate)) == 1


# Refusals


@pytest.mark.parametrize(
    ("csr", "names", "days", "words"),
    [
        ("hello", NAMES, 90, "not a CSR"),
        (make_csr(ed25519.Ed25519PrivateKey.generate(), names=NAMES), NAMES, 90, "Ed25519"),
        (make_csr(KEY, names=["other.example.com"]), NAMES, 90, "other.example.com"),
        (make_csr(KEY), (), 90, "names no domain"),
        # An order that was taken in before the list had the registry.
        (make_csr(KEY, names=["*.co.uk"]), ["*.co.uk"], 90, "domain registry"),
        (make_csr(KEY), [f"n{number}.example.com" for number in range(101)], 90, "at most 100"),
        (CSR, NAMES, 0, "at least one day"),
    ],
)
def test_what_cannot_be_certified_is_refused_in_words(authority, csr, names, days, words):
    with pytest.raises(AuthorityRefused, match=words) as refusal:
        authority.submit("order 1", csr, names, days)
    assert refusal.value.detail.endswith(".")


def test_an_unknown_order_is_refused(authority):
    with pytest.raises(AuthorityRefused, match="does not know"):
        authority.advance("0" * 32)


def test_a_database_out_of_reach_is_temporary(tmp_path, clock):
    engine = make_engine(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    authority = BuiltinAuthority(engine, tmp_path / "ca", URL, clock)
    for call in (
        lambda: authority.submit("order 1", CSR, NAMES, 90),
        lambda: authority.advance("0" * 32),
        lambda: authority.revoke("ab", RevocationReason.SUPERSEDED),
        lambda: authority.status("ab"),
        authority.crl,
        authority.root_crl,
    ):
        with pytest.raises(AuthorityUnavailable):
            call()
    assert ask(authority, "ab").response_status is ocsp.OCSPResponseStatus.TRY_LATER
    engine.dispose()


@pytest.mark.parametrize("url", ["https://ca.example.com/ca", "ca.example.com", "http:///ca", "http://a.example/?x=1"])
def test_an_address_that_no_certificate_may_carry_stops_the_start(ca_engine, tmp_path, clock, url):
    with pytest.raises(ValueError, match="http://"):
        BuiltinAuthority(ca_engine, tmp_path / "ca", url, clock)


# Revocation


@pytest.mark.parametrize(
    ("reason", "in_crl"),
    [
        (RevocationReason.UNSPECIFIED, None),
        (RevocationReason.KEY_COMPROMISE, "key_compromise"),
        (RevocationReason.AFFILIATION_CHANGED, "affiliation_changed"),
        (RevocationReason.SUPERSEDED, "superseded"),
        (RevocationReason.CESSATION_OF_OPERATION, "cessation_of_operation"),
    ],
)
def test_a_revoked_certificate_is_on_the_crl_at_once_with_its_reason(authority, start, clock, reason, in_crl):
    kept, issued = issue(authority, "kept"), issue(authority)
    web = start()
    assert listed(web.crl()) == {}
    authority.revoke(issued.serial, reason)
    assert listed(web.crl()) == {issued.serial: in_crl}
    status = web.status(issued.serial)
    assert (status.kind, status.revoked_at, status.reason) == (StatusKind.REVOKED, clock(), reason)
    assert web.status(kept.serial).kind == "good"


def test_revoking_twice_succeeds_and_the_first_reason_stays(authority, clock):
    issued = issue(authority)
    authority.revoke(issued.serial.upper(), RevocationReason.KEY_COMPROMISE)
    first = authority.status(issued.serial)
    clock.forward(timedelta(hours=1))
    whole = issued.serial.zfill(40)
    as_shown_by_browsers = ":".join(whole[at : at + 2] for at in range(0, 40, 2))
    authority.revoke(as_shown_by_browsers, RevocationReason.SUPERSEDED)
    assert authority.status(issued.serial) == first


@pytest.mark.parametrize("serial", ["abc123", "", "-1", "xyz", "0x10", "1_0", "f" * 41, "\0"])
def test_a_serial_number_that_was_never_issued_is_refused(authority, serial):
    with pytest.raises(AuthorityRefused, match="serial number"):
        authority.revoke(serial, RevocationReason.SUPERSEDED)


def test_the_root_revokes_nothing(authority):
    assert listed(authority.root_crl()) == {}
    crl = x509.load_der_x509_crl(authority.root_crl())
    assert crl.is_signature_valid(authority.root_certificate.public_key())


def test_crl_numbers_increase_with_every_crl_whoever_signs_it(authority, start, clock):
    numbers = [number_of(authority.crl())]
    assert number_of(start().crl()) == numbers[0]
    for number in range(3):
        # The clock stands still: the numbers do not come from the time alone.
        authority.revoke(issue(authority, f"order {number}").serial, RevocationReason.SUPERSEDED)
        numbers.append(number_of((authority if number % 2 else start()).crl()))
    clock.forward(CRL_REFRESH)
    numbers.append(number_of(start().crl()))
    assert numbers == sorted(set(numbers))


def test_crl_numbers_increase_over_a_restored_database(authority, ca_engine, clock):
    last = number_of(authority.crl())
    with ca_engine.begin() as connection:
        connection.execute(sa.delete(CaCrl))
    clock.forward(timedelta(minutes=1))
    assert number_of(authority.crl()) > last


@contextmanager
def meeting_before(engine: sa.Engine, beginning: str, parties: int) -> Iterator[None]:
    """Let everybody who is about to run a statement with this beginning wait until all are."""
    meeting = threading.Barrier(parties)

    def meet(_connection, _cursor, statement, _parameters, _context, _many):
        if statement.startswith(beginning):
            meeting.wait(timeout=30)

    sa.event.listen(engine, "before_cursor_execute", meet)
    try:
        yield
    finally:
        sa.event.remove(engine, "before_cursor_execute", meet)


@pytest.mark.parametrize("is_first", [True, False])
def test_processes_that_sign_a_crl_at_once_publish_one(start, ca_engine, clock, is_first):
    rivals = [start() for _ in range(4)]
    if not is_first:
        rivals[0].crl()
        clock.forward(CRL_REFRESH)
    # The revoked certificates are read once the stored CRL was found missing or too old: all of them sign.
    with meeting_before(ca_engine, "SELECT ca_certificate.ref", len(rivals)), ThreadPoolExecutor(len(rivals)) as pool:
        published = list(pool.map(BuiltinAuthority.crl, rivals))
    assert len(set(published)) == 1


def test_a_crl_is_renewed_before_it_ends_and_when_the_clock_was_set_back(authority, clock):
    first = authority.crl()
    crl = x509.load_der_x509_crl(first)
    assert crl.last_update_utc == clock().replace(microsecond=0)
    assert crl.next_update_utc == crl.last_update_utc + CRL_VALIDITY
    clock.forward(CRL_REFRESH - timedelta(seconds=1))
    assert authority.crl() == first
    clock.forward(timedelta(seconds=1))
    second = authority.crl()
    assert second != first
    clock.forward(timedelta(days=-1))
    assert x509.load_der_x509_crl(authority.crl()).last_update_utc <= clock()
    assert number_of(first) < number_of(second) < number_of(authority.crl())


def test_an_entry_stays_on_the_crl_until_well_after_the_certificates_end(authority, clock):
    issued = issue(authority, days=10)
    authority.revoke(issued.serial, RevocationReason.SUPERSEDED)
    clock.now = issued.not_after + CRL_VALIDITY - timedelta(seconds=1)
    assert issued.serial in listed(authority.crl())
    clock.forward(CRL_REFRESH)
    assert listed(authority.crl()) == {}


# OCSP


def ask(authority: BuiltinAuthority, serial: str, issuer: x509.Certificate | None = None) -> ocsp.OCSPResponse:
    issuer = issuer or authority.issuing_certificate
    name_hash = sha256(issuer.subject.public_bytes()).digest()
    point = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key_hash = sha256(point).digest()
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(name_hash, key_hash, int(serial, 16), SHA256())
    return ocsp.load_der_ocsp_response(authority.ocsp(builder.build().public_bytes(Encoding.DER)))


def test_ocsp_says_good_then_revoked(authority, start, clock):
    issued = issue(authority)
    good = ask(start(), issued.serial)
    assert good.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert good.serial_number == int(issued.serial, 16)
    assert good.this_update_utc == clock().replace(microsecond=0)
    assert timedelta(hours=8) <= good.next_update_utc - good.this_update_utc <= timedelta(days=10)
    authority.revoke(issued.serial, RevocationReason.KEY_COMPROMISE)
    revoked = ask(start(), issued.serial)
    assert revoked.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert revoked.revocation_time_utc == clock().replace(microsecond=0)
    assert revoked.revocation_reason is x509.ReasonFlags.key_compromise


def test_ocsp_omits_the_reason_unspecified(authority):
    issued = issue(authority)
    authority.revoke(issued.serial, RevocationReason.UNSPECIFIED)
    assert ask(authority, issued.serial).revocation_reason is None


def test_ocsp_does_not_call_good_what_was_never_issued(authority, ca_engine):
    lost = die_while_storing(ca_engine, authority, authority.submit("order 1", CSR, NAMES, 90))
    assert ask(authority, format(lost.serial_number, "x")).certificate_status is ocsp.OCSPCertStatus.UNKNOWN


def test_ocsp_does_not_answer_for_another_authority(authority):
    status = ask(authority, issue(authority).serial, issuer=authority.root_certificate).response_status
    assert status is ocsp.OCSPResponseStatus.UNAUTHORIZED


def test_ocsp_repeats_the_nonce(authority):
    leaf = leaf_of(issue(authority))
    builder = ocsp.OCSPRequestBuilder().add_certificate(leaf, authority.issuing_certificate, SHA256())
    for nonce in (b"n", b"n" * 128):
        asked = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build().public_bytes(Encoding.DER)
        answer = ocsp.load_der_ocsp_response(authority.ocsp(asked))
        assert answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    asked = builder.add_extension(x509.OCSPNonce(b"n" * 129), critical=False).build().public_bytes(Encoding.DER)
    answer = ocsp.load_der_ocsp_response(authority.ocsp(asked))
    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_ocsp_keeps_to_one_certificate_per_request(authority):
    leaf = leaf_of(issue(authority))
    one = ocsp.OCSPRequestBuilder().add_certificate(leaf, authority.issuing_certificate, SHA256()).build()
    der = one.public_bytes(Encoding.DER)
    # OCSPRequest, TBSRequest and the list of requests are three SEQUENCEs around one request.
    request = der[6:]
    assert [der[0], der[2], der[4]] == [0x30] * 3
    assert der[5] == len(request)
    two = request * 2
    for _ in range(3):
        length = bytes([len(two)]) if len(two) < 128 else bytes([0x81, len(two)])
        two = b"\x30" + length + two
    answer = ocsp.load_der_ocsp_response(authority.ocsp(two))
    assert answer.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x30\x80", b"\x30\x03\x02\x01\x00", b"0" * 5000])
def test_ocsp_answers_junk_with_malformed_request(authority, junk):
    answer = ocsp.load_der_ocsp_response(authority.ocsp(junk))
    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST


# Keys on disk


def test_keys_can_be_read_by_their_owner_alone(authority, tmp_path):
    directory = tmp_path / "ca"
    modes = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert directory.stat().st_mode & 0o777 == 0o700
    assert modes == {"root.key": 0o600, "issuing.key": 0o600, "root.crt": 0o644, "issuing.crt": 0o644, "lock": 0o600}


def test_a_directory_that_others_could_read_is_closed(ca_engine, tmp_path, clock):
    (tmp_path / "ca").mkdir(mode=0o755)
    BuiltinAuthority(ca_engine, tmp_path / "ca", URL, clock)
    assert (tmp_path / "ca").stat().st_mode & 0o777 == 0o700


def test_a_restart_keeps_keys_and_certificates(authority, start, clock):
    clock.forward(timedelta(days=1))
    again = start()
    assert again.root_certificate == authority.root_certificate
    assert again.issuing_certificate == authority.issuing_certificate


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_first_start_that_was_killed_is_continued(tmp_path, clock, count):
    order = ["root.key", "root.crt", "issuing.key", "issuing.crt"]
    made, interrupted = order[:count], order[count]
    load_or_create(tmp_path / "whole", URL, clock())
    directory = tmp_path / "ca"
    directory.mkdir()
    for name in made:
        (directory / name).write_bytes((tmp_path / "whole" / name).read_bytes())
        (directory / name).chmod(0o600)
    (directory / f"{interrupted}.draft").write_text("half a fi")
    keys = load_or_create(directory, URL, clock())
    for name in made:
        assert (directory / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    keys.issuing.certificate.verify_directly_issued_by(keys.root.certificate)
    assert not list(directory.glob("*.draft"))


def test_a_lost_key_is_not_replaced_by_a_new_one(authority, start, tmp_path):
    (tmp_path / "ca" / "issuing.key").unlink()
    with pytest.raises(KeyDirectoryError, match="backup"):
        start()
    assert not (tmp_path / "ca" / "issuing.key").exists()


def test_a_key_of_another_authority_stops_the_start(authority, start, tmp_path, clock):
    load_or_create(tmp_path / "other", URL, clock())
    (tmp_path / "ca" / "issuing.key").write_bytes((tmp_path / "other" / "issuing.key").read_bytes())
    with pytest.raises(KeyDirectoryError, match="does not belong"):
        start()
    (tmp_path / "ca" / "issuing.crt").write_bytes((tmp_path / "other" / "issuing.crt").read_bytes())
    with pytest.raises(KeyDirectoryError, match="was not issued by"):
        start()


def test_a_key_that_others_can_read_stops_the_start(authority, start, tmp_path):
    (tmp_path / "ca" / "root.key").chmod(0o640)
    with pytest.raises(KeyDirectoryError, match="chmod 600"):
        start()


def _start_together(directory: Path, barrier: ProcessBarrier, answers: "multiprocessing.Queue[bytes]") -> None:
    barrier.wait(timeout=60)
    keys = load_or_create(directory, URL, datetime.now(UTC))
    public = keys.issuing.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    answers.put(public + keys.root.certificate.public_bytes(Encoding.DER))


def test_processes_that_start_at_once_share_one_authority(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.Queue()
    processes = [
        context.Process(target=_start_together, args=(tmp_path / "ca", barrier, answers), daemon=True) for _ in range(3)
    ]
    for process in processes:
        process.start()
    seen = {answers.get(timeout=60) for _ in processes}
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert len(seen) == 1


def test_another_issuing_key_publishes_nothing_of_the_former_one(authority, ca_engine, tmp_path, clock):
    former = issue(authority)
    authority.revoke(former.serial, RevocationReason.SUPERSEDED)
    renewed = BuiltinAuthority(ca_engine, tmp_path / "renewed", URL, clock)
    assert listed(renewed.crl()) == {}
    assert renewed.status(former.serial).kind == "unknown"
    with pytest.raises(AuthorityRefused, match="has not issued"):
        renewed.revoke(former.serial, RevocationReason.SUPERSEDED)
    # The certificate itself is still handed out as it was.
    assert issue(renewed) == former
