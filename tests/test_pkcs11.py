"""The issuing key on a token: it signs what the authority makes, and never leaves. With SoftHSM as the token."""

import copy
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from ca_support import make_csr
from conftest import required
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp

from certlifecycle import RevocationReason
from webapp.authorities.builtin import BuiltinAuthority
from webapp.authorities.key_files import KeyDirectoryError
from webapp.authorities.pkcs11_address import Pkcs11Address, Pkcs11AddressError, read_address
from webapp.authorities.pkcs11_keys import Pkcs11Key
from webapp.authorities.port import AuthorityUnavailable, Issued
from webapp.config import SettingError, load
from webapp.db import make_engine

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "2468"
URL = "http://desk.example.com/ca"


@dataclass
class Token:
    """A token of this test run alone, with keys in it: two for signing, and some that the desk must refuse."""

    folder: Path
    library: ModuleType

    def address(self, label: str = "issuing") -> Pkcs11Address:
        return Pkcs11Address(MODULE, "desk", label, self.folder / "pin")

    def make(self, label: str, curve: str, public_label: str | None = None) -> None:
        p11 = self.library
        from pkcs11.util.ec import encode_named_curve_parameters

        with p11.lib(str(MODULE)).get_token(token_label="desk").open(rw=True, user_pin=PIN) as session:
            parameters = {p11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
            domain = session.create_domain_parameters(p11.KeyType.EC, parameters, local=True)
            public, _ = domain.generate_keypair(store=True, label=label)
            if public_label is not None:
                public[p11.Attribute.LABEL] = public_label


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    if not MODULE.exists():
        required("SoftHSM", "apt-get install softhsm2")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    (folder / "pin").write_text(f"{PIN}\n")
    # The library reads it once a process, when it is loaded.
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    words = ["softhsm2-util", "--init-token", "--free", "--label", "desk", "--pin", PIN, "--so-pin", PIN]
    subprocess.run(words, check=True, capture_output=True)
    import pkcs11

    made = Token(folder, pkcs11)
    made.make("issuing", "secp256r1")
    made.make("larger", "secp384r1")
    made.make("odd", "secp256k1")
    made.make("apart", "secp256r1", public_label="elsewhere")
    made.make("elsewhere", "secp256r1", public_label="apart")
    yield made
    del os.environ["SOFTHSM2_CONF"]


OPENED: list[Pkcs11Key] = []


def opens(address: Pkcs11Address) -> Pkcs11Key:
    OPENED.append(Pkcs11Key(address))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    """A login counts for the whole process, and so for the next test."""
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def authority(token: Token, sqlite_url: str, tmp_path: Path) -> Iterator[BuiltinAuthority]:
    engine = make_engine(sqlite_url)
    yield opened(engine, token, tmp_path)
    engine.dispose()


def opened(engine: sa.Engine, token: Token, folder: Path) -> BuiltinAuthority:
    def clock() -> datetime:
        return datetime(2026, 5, 4, 9, tzinfo=UTC)

    return BuiltinAuthority(engine, folder / "ca", URL, clock, held=lambda: opens(token.address()))


def issue(authority: BuiltinAuthority, name: str = "www.example.com") -> x509.Certificate:
    csr = make_csr(ec.generate_private_key(ec.SECP256R1()), name)
    progress = authority.advance(authority.submit(name, csr, [name], 90))
    assert isinstance(progress, Issued)
    return x509.load_pem_x509_certificates(progress.certificate.chain_pem.encode())[0]


def test_certificates_crl_and_ocsp_are_signed_on_the_token(authority: BuiltinAuthority, tmp_path: Path) -> None:
    issuing = authority.issuing_certificate
    issuing.verify_directly_issued_by(authority.root_certificate)
    leaf = issue(authority)
    leaf.verify_directly_issued_by(issuing)
    authority.revoke(f"{leaf.serial_number:x}", RevocationReason.SUPERSEDED)
    crl = x509.load_der_x509_crl(authority.crl())
    key = issuing.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
    request = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuing, SHA1()).build()  # noqa: S303
    answer = ocsp.load_der_ocsp_response(authority.ocsp(request.public_bytes(Encoding.DER)))
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(SHA256()))
    # Nothing of the key lies in the folder.
    assert sorted(path.name for path in (tmp_path / "ca").iterdir()) == ["issuing.crt", "lock", "root.crt", "root.key"]


def test_the_same_key_is_found_again(
    authority: BuiltinAuthority, token: Token, sqlite_url: str, tmp_path: Path
) -> None:
    engine = make_engine(sqlite_url)
    again = opened(engine, token, tmp_path)
    assert again.issuing_certificate == authority.issuing_certificate
    issue(again).verify_directly_issued_by(authority.issuing_certificate)
    engine.dispose()


def test_a_key_of_the_other_curve_signs_as_well(token: Token) -> None:
    key = opens(token.address("larger"))
    assert (key.curve.name, key.key_size) == ("secp384r1", 384)
    signature = key.sign(b"text", ec.ECDSA(SHA256()))
    key.public_key().verify(signature, b"text", ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, b"other", ec.ECDSA(SHA256()))


def test_the_key_does_nothing_but_sign(token: Token) -> None:
    key = opens(token.address())
    assert copy.copy(key) is copy.deepcopy(key) is key
    with pytest.raises(TypeError, match="does not leave"):
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(TypeError, match="does not leave"):
        key.private_numbers()
    with pytest.raises(TypeError, match="signs and does nothing else"):
        key.exchange(ec.ECDH(), key.public_key())


# The library's own objects of the old session complain when they are collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_session_that_ended_is_opened_anew(token: Token) -> None:
    key = opens(token.address())
    assert key._session is not None
    key._session.close()
    key.public_key().verify(key.sign(b"text", ec.ECDSA(SHA256())), b"text", ec.ECDSA(SHA256()))


def test_a_token_that_does_not_sign_leaves_the_outcome_open(authority: BuiltinAuthority, token: Token) -> None:
    """The PIN has been changed meanwhile, or its file is gone: orders wait, and OCSP says to try later."""
    leaf = issue(authority)
    key = authority._keys.issuing.key
    assert isinstance(key, Pkcs11Key)
    key.close()
    pin = token.folder / "pin"
    pin.rename(token.folder / "away")
    try:
        csr = make_csr(ec.generate_private_key(ec.SECP256R1()), "b.example.com")
        ref = authority.submit("b", csr, ["b.example.com"], 90)
        with pytest.raises(AuthorityUnavailable, match="did not sign"):
            authority.advance(ref)
        request = ocsp.OCSPRequestBuilder().add_certificate(leaf, authority.issuing_certificate, SHA1()).build()  # noqa: S303
        answer = ocsp.load_der_ocsp_response(authority.ocsp(request.public_bytes(Encoding.DER)))
        assert answer.response_status is ocsp.OCSPResponseStatus.TRY_LATER
    finally:
        (token.folder / "away").rename(pin)
    assert isinstance(authority.advance(ref), Issued)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"label": "nobody"}, "refuses"),
        ({"label": "odd"}, "P-256 or P-384"),
        ({"label": "apart"}, "do not belong together"),
        ({"token": "nobody"}, "refuses"),
        ({"module": Path("/nowhere/module.so")}, "no PKCS #11 library|refuses"),
        ({"pin_file": Path("/nowhere/pin")}, "with the PIN cannot be read"),
    ],
)
def test_what_cannot_be_used_stops_the_start_in_words(token: Token, changes: dict[str, object], says: str) -> None:
    with pytest.raises(KeyDirectoryError, match=f"^CA_KEY: .*({says})"):
        Pkcs11Key(replace(token.address(), **changes))  # type: ignore[arg-type]


def test_a_wrong_pin_is_told_and_not_repeated(token: Token, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("97531")
    with pytest.raises(KeyDirectoryError, match=r"^CA_KEY: the token 'desk' refuses") as caught:
        Pkcs11Key(replace(token.address(), pin_file=tmp_path / "pin"))
    assert "97531" not in str(caught.value)


def test_a_key_in_a_file_is_not_left_behind(token: Token, sqlite_url: str, tmp_path: Path) -> None:
    engine = make_engine(sqlite_url)
    BuiltinAuthority(engine, tmp_path / "ca", URL, lambda: datetime(2026, 5, 4, tzinfo=UTC))
    with pytest.raises(KeyDirectoryError, match="CA_KEY names a key elsewhere"):
        opened(engine, token, tmp_path)
    engine.dispose()


GOOD = "pkcs11:token=my%20desk;object=issuing;type=private?module-path=/usr/lib/x.so&pin-source=file:/run/pin"


def test_an_address_is_read_as_the_standard_has_it(tmp_path: Path) -> None:
    expected = Pkcs11Address(Path("/usr/lib/x.so"), "my desk", "issuing", Path("/run/pin"))
    assert read_address(GOOD) == expected
    assert load({"DATA_DIR": str(tmp_path), "CA_KEY": GOOD}).ca_key == expected
    assert load({"DATA_DIR": str(tmp_path)}).ca_key is None


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("file:/x", "must begin with pkcs11:"),
        (GOOD.replace("token=my%20desk;", ""), "must say token"),
        (GOOD.replace("object=issuing;", ""), "must say object"),
        (GOOD.replace("module-path=/usr/lib/x.so&", ""), "must say module-path"),
        (GOOD.replace("pin-source=file:/run/pin", ""), "must say pin-source"),
        (GOOD + "&pin-value=1234", "not hold the PIN"),
        (GOOD.replace("type=private", "type=public"), "not understood: type"),
        (GOOD + "&slot=1", "not understood: slot"),
    ],
)
def test_an_address_that_is_none_is_said(tmp_path: Path, address: str, says: str) -> None:
    with pytest.raises(Pkcs11AddressError, match=says):
        read_address(address)
    with pytest.raises(SettingError, match=r"^CA_KEY ") as caught:
        load({"DATA_DIR": str(tmp_path), "CA_KEY": address})
    assert "1234" not in str(caught.value)
