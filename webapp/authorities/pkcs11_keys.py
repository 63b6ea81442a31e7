"""The issuing key in a hardware security module, or whatever else speaks PKCS #11: it signs there and never leaves it.

``cryptography`` signs certificates, CRLs and OCSP responses with any object of its own key classes, so the key here is
one of them that hands the digest to the token. What is signed is made by the same code as with a key in a file.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, Hash
from cryptography.hazmat.primitives.serialization import load_der_public_key

from webapp.authorities.key_files import KeyDirectoryError
from webapp.authorities.pkcs11_address import Pkcs11Address
from webapp.authorities.port import AuthorityUnavailable
from webapp.retelling import stored

if TYPE_CHECKING:
    import pkcs11

LARGEST_PIN_FILE = 1024
DIGESTS = {"secp256r1": SHA256, "secp384r1": SHA384}
"""The curves of the authority's keys, and the hash that goes with each (Baseline Requirements, section 7.1.3.2.2)."""

T = TypeVar("T")


class Pkcs11Key(ec.EllipticCurvePrivateKey):
    """A private key on a token. Safe to use from several threads; a session that broke is opened anew, once a call.

    Raises KeyDirectoryError, when it is made, where the key cannot be used; the message says what to do.
    """

    def __init__(self, address: Pkcs11Address) -> None:
        self._address = address
        self._library = _library()
        self._lock = threading.Lock()
        self._session: pkcs11.Session | None = None
        try:
            self._public = self._with_session(self._read_public_key)
            self._prove()
        except self._library.PKCS11Error as trouble:
            self.close()
            raise _unusable(f"the token {address.token!r} refuses: {_told(trouble)}") from trouble
        except KeyDirectoryError:
            self.close()
            raise

    @property
    def curve(self) -> ec.EllipticCurve:
        """The key's curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """The size of the key in bits."""
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half, which the token gives out."""
        return self._public

    def sign(
        self, data: "bytes | bytearray | memoryview[int]", signature_algorithm: ec.EllipticCurveSignatureAlgorithm
    ) -> bytes:
        """Have the token sign. Raises :class:`~webapp.authorities.port.AuthorityUnavailable` when it does not."""
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed):
            raise TypeError("The desk signs nothing that it has not hashed itself.")
        digest = Hash(algorithm)
        digest.update(data)
        hashed = digest.finalize()
        try:
            raw = self._with_session(lambda session: self._sign(session, hashed))
        except (self._library.PKCS11Error, KeyDirectoryError) as trouble:
            told = stored("The token with the authority’s key did not sign ({trouble}).", trouble=_told(trouble))
            raise AuthorityUnavailable(told) from trouble
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> NoReturn:
        """Not what this key is for."""
        raise TypeError("The key of an authority signs and does nothing else.")

    def private_numbers(self) -> NoReturn:
        """The key does not leave the token."""
        raise TypeError("The key does not leave its token.")

    def private_bytes(self, encoding: object, format: object, encryption_algorithm: object) -> NoReturn:
        """The key does not leave the token."""
        raise TypeError("The key does not leave its token.")

    def __copy__(self) -> "Pkcs11Key":
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> "Pkcs11Key":
        return self

    def close(self) -> None:
        """Let go of the token; whoever signs again opens it again."""
        with self._lock:
            self._close()

    # The token

    def _with_session(self, work: "Callable[[pkcs11.Session], T]") -> T:
        """Do something in the session; where it has ended, because the token was away, in a new one."""
        with self._lock:
            if self._session is not None:
                try:
                    return work(self._session)
                except self._library.PKCS11Error:
                    self._close()
            self._session = self._open()
            return work(self._session)

    def _open(self) -> "pkcs11.Session":
        address = self._address
        try:
            library = self._library.lib(str(address.module))
        except self._library.PKCS11Error:
            raise
        except Exception as error:
            # Whatever the system's loader says.
            raise _unusable(f"{address.module} is no PKCS #11 library: {error}") from error
        token, pin = library.get_token(token_label=address.token), _pin(address.pin_file)
        try:
            return cast("pkcs11.Session", token.open(user_pin=pin))
        except self._library.UserAlreadyLoggedIn:
            # One login counts for all sessions of a process.
            return cast("pkcs11.Session", token.open())

    def _close(self) -> None:
        session, self._session = self._session, None
        try:
            if session is not None:
                session.close()
        except self._library.PKCS11Error:
            # It was closed from the other side.
            return

    def _sign(self, session: "pkcs11.Session", hashed: bytes) -> bytes:
        found = session.get_key(object_class=self._library.ObjectClass.PRIVATE_KEY, label=self._address.label)
        return bytes(cast(Any, found).sign(hashed, mechanism=self._library.Mechanism.ECDSA))

    def _read_public_key(self, session: "pkcs11.Session") -> ec.EllipticCurvePublicKey:
        from pkcs11.util.ec import encode_ec_public_key

        found = session.get_key(object_class=self._library.ObjectClass.PUBLIC_KEY, label=self._address.label)
        kind = found.key_type
        public = (
            load_der_public_key(encode_ec_public_key(cast("pkcs11.PublicKey", found)))
            if kind == self._library.KeyType.EC
            else None
        )
        if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name not in DIGESTS:
            raise _unusable(f"{self._address.label!r} is no key on the curve P-256 or P-384")
        return public

    def _prove(self) -> None:
        """See that the private key is there and is the other half of the public one."""
        algorithm, probe = ec.ECDSA(DIGESTS[self.curve.name]()), b"certificate desk"
        try:
            self._public.verify(self.sign(probe, algorithm), probe, algorithm)
        except AuthorityUnavailable as trouble:
            raise _unusable(str(trouble)) from trouble
        except InvalidSignature:
            raise _unusable(f"the two keys called {self._address.label!r} do not belong together") from None


def _library() -> ModuleType:
    try:
        import pkcs11
    except ImportError:
        raise _unusable('the package for it is not installed; run: pip install "certificate-desk[hsm]"') from None
    return pkcs11


def _pin(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_PIN_FILE).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(f"the file {path} with the PIN cannot be read") from error


def _unusable(why: str) -> KeyDirectoryError:
    return KeyDirectoryError(f"CA_KEY: {why}")


def _told(trouble: Exception) -> str:
    # The library's errors are told apart by their class and mostly have no words.
    return str(trouble) or type(trouble).__name__
