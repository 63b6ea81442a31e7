"""Reading a certificate signing request (CSR, RFC 2986) that a customer pasted or uploaded.

Whatever is wrong with it is said in words: what the matter is (``problem``) and what to do about it
(``advice``). A private key pasted by mistake is refused before anything else is looked at, and no
part of that text is repeated in the message.
"""

import base64
import binascii
import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from certlifecycle import Sentence, say
from webapp.certificates.names import NameRejected, read_domain, shown
from webapp.certificates.public_keys import MIN_RSA_BITS, allowed_keys, describe_key, key_fault, key_fingerprint

MAX_CSR_BYTES = 16 * 1024
MAX_NAMES = 100

PRIVATE_KEY = say("This contains a private key. It was refused and not stored.")
"""What is wrong with a text that must not be shown again."""

_PEM_BLOCK = re.compile(r"-----BEGIN ([^\r\n-]{1,64})-----([^-]*)-----END \1-----")
_CSR_LABELS = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}
_CERTIFICATE_LABELS = {"CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE", "PKCS7"}

# The header of any private key (PKCS #1, PKCS #8, SEC 1, OpenSSH, OpenPGP, PuTTY), also a mangled one:
# better to refuse one CSR too many than to let one private key through.
_PRIVATE_KEY_WORDS = re.compile(r"private[ \t\xa0_-]{1,3}key|putty-user-key", re.IGNORECASE)
# PKCS #8, PKCS #1, SEC 1 and PKCS #12 all start with a small version number, which neither a CSR
# nor a certificate does; an encrypted PKCS #8 key starts with an algorithm of PKCS #5 or #12.
_DER_VERSION = re.compile(rb"\x02\x01[\x00-\x03]")
_DER_ENCRYPTED_KEY = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x06.\x2a\x86\x48\x86\xf7\x0d\x01(?:\x05|\x0c\x01)", re.S
)
_DER_SEQUENCE = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...)", re.S)

_OTHER_NAMES: dict[type[x509.GeneralName], Sentence] = {
    x509.IPAddress: say("The CSR asks for an IP address. Certificates are issued for domain names only."),
    x509.RFC822Name: say("The CSR asks for a mail address. Certificates are issued for domain names only."),
    x509.UniformResourceIdentifier: say(
        "The CSR asks for a web address (URI). Certificates are issued for domain names only."
    ),
}
_OTHER_NAME = say(
    "The CSR asks for a name of a kind that is not supported. Certificates are issued for domain names only."
)

_NEW_CSR = say("Make a new CSR and send that one.")
_CORRECT_THE_ORDER = say("Ask for the order to be corrected.")
_WHAT_TO_PASTE = say(
    "Paste the whole text of the CSR, from -----BEGIN CERTIFICATE REQUEST----- to "
    "-----END CERTIFICATE REQUEST-----, or upload the file."
)


class CsrRejected(ValueError):
    """A CSR cannot be used. ``problem`` says why, ``advice`` what to do, a sentence or two each, in English.

    ``sentences`` are the same two, to be worded for whoever reads them.
    """

    def __init__(self, problem: Sentence, advice: Sentence) -> None:
        super().__init__(str(problem))
        self.problem = str(problem)
        self.advice = str(advice)
        self.sentences = (problem, advice)


@dataclass(frozen=True)
class ParsedCsr:
    """What a usable CSR says.

    ``names`` are the names in the CSR, ``certificate_names`` those that the certificate is to bear:
    the ordered ones and, with a wildcard, its own domain if the CSR asks for it. ``notes`` are
    sentences for the customer about where the two differ.
    """

    pem: str
    key_description: str
    names: tuple[str, ...]
    common_name: str | None
    key_fingerprint: str
    certificate_names: tuple[str, ...]
    notes: tuple[Sentence, ...]


def read_csr(text: str | bytes, ordered_names: Sequence[str], least_rsa_bits: int = MIN_RSA_BITS) -> ParsedCsr:
    """Read a CSR in PEM, DER or bare base64 and compare it with the names of the order.

    ``least_rsa_bits`` is what a shop asks of an RSA key; a request that it took before stays readable without it.

    Raises CsrRejected, and nothing else, when it cannot be used for this order.
    """
    ordered = _ordered(ordered_names)
    csr = _load(_der_of(text))
    key = _checked_key(csr, least_rsa_bits)
    common_name, names, notes = _names_of(csr)
    certificate_names, more_notes = _compared(names, ordered)
    return ParsedCsr(
        pem=csr.public_bytes(Encoding.PEM).decode("ascii"),
        key_description=describe_key(key),
        names=names,
        common_name=common_name,
        key_fingerprint=key_fingerprint(key),
        certificate_names=certificate_names,
        notes=(*notes, *more_notes),
    )


def _ordered(ordered_names: Sequence[str]) -> tuple[str, ...]:
    if not ordered_names:
        raise CsrRejected(say("The order names no domain."), _CORRECT_THE_ORDER)
    try:
        return tuple(dict.fromkeys(read_domain(name) for name in ordered_names))
    except NameRejected as fault:
        raise CsrRejected(
            say("The order itself has a name that no certificate can carry: {fault}", fault=fault.sentence),
            _CORRECT_THE_ORDER,
        ) from None


# --- from what was pasted to DER -------------------------------------------------------------


def _der_of(text: str | bytes) -> bytes:
    """The DER of the one CSR in ``text``."""
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    decoded = _decoded(raw)
    # A key is looked for first of all, so that no other answer hides that it has been shown.
    if _PRIVATE_KEY_WORDS.search((raw.decode("latin-1") if decoded is None else decoded).replace("\0", "")):
        raise _private_key_pasted()
    if _DER_SEQUENCE.match(raw):
        _refuse_private_key_der(raw)
    if len(raw) > MAX_CSR_BYTES:
        raise CsrRejected(
            say(
                "This is too large for a CSR: {size} bytes, and at most {most} are accepted.",
                size=f"{len(raw):,}",
                most=f"{MAX_CSR_BYTES:,}",
            ),
            say("Send the CSR alone. If it is this large by itself, make a new one with fewer names."),
        )
    if _DER_SEQUENCE.match(raw) and b"-----BEGIN" not in raw:
        return raw
    if decoded is None:
        raise CsrRejected(say("This is neither a CSR in text form nor one in binary (DER) form."), _WHAT_TO_PASTE)
    if not decoded.strip():
        raise CsrRejected(say("The CSR is missing: nothing was pasted."), _WHAT_TO_PASTE)
    if "\0" in decoded:
        raise CsrRejected(say("The text contains null bytes, so it is not a CSR."), _WHAT_TO_PASTE)
    return _der_of_text(decoded)


def _decoded(raw: bytes) -> str | None:
    """The text in ``raw``; None when it is no text. Windows tools write UTF-16 with a mark."""
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        return None


def _der_of_text(text: str) -> bytes:
    blocks: list[tuple[str, str]] = _PEM_BLOCK.findall(text)
    if not blocks:
        if "-----BEGIN" in text:
            raise CsrRejected(say("The CSR is cut off: its last line is missing or damaged."), _WHAT_TO_PASTE)
        return _base64_der(text)
    labels = [label for label, _ in blocks]
    contents = [_base64_der(body) for _, body in blocks]
    for label in labels:
        _refuse_label(label)
    if len(contents) > 1:
        raise CsrRejected(
            say("There are {count} CSRs in this text, and an order takes one.", count=len(contents)),
            say("Paste only the CSR of the key that the certificate is for."),
        )
    return contents[0]


def _refuse_label(label: str) -> None:
    """Refuse a PEM block that is not a CSR by its first line."""
    if label in _CSR_LABELS:
        return
    if label in _CERTIFICATE_LABELS:
        raise _certificate_pasted()
    if label.endswith("PUBLIC KEY"):
        raise CsrRejected(
            say("This is a public key, not a CSR."),
            say(
                "A CSR holds the public key and a signature made with its private key. {what_to_paste}",
                what_to_paste=_WHAT_TO_PASTE,
            ),
        )
    raise CsrRejected(say("There is something else in this text than a CSR."), _WHAT_TO_PASTE)


def _base64_der(body: str) -> bytes:
    """DER from base64 with any white space in it."""
    try:
        der = base64.b64decode("".join(body.split()).encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise CsrRejected(say("This is not a CSR, or it was damaged on the way."), _WHAT_TO_PASTE) from None
    if _PRIVATE_KEY_WORDS.search(der.decode("latin-1")):
        raise _private_key_pasted()
    _refuse_private_key_der(der)
    return der


def _refuse_private_key_der(der: bytes) -> None:
    sequence = _DER_SEQUENCE.match(der)
    if sequence and (_DER_VERSION.match(der, sequence.end()) or _DER_ENCRYPTED_KEY.match(der, sequence.end())):
        raise _private_key_pasted()


def _private_key_pasted() -> CsrRejected:
    return CsrRejected(
        PRIVATE_KEY,
        say(
            "A private key must never leave your server. Since this one has been sent, make a new key "
            "and a new CSR from it, and paste only the CSR."
        ),
    )


def _certificate_pasted() -> CsrRejected:
    return CsrRejected(
        say("This is a certificate, or contains one; a CSR is needed."),
        say("A CSR is made from your key before there is a certificate. {what_to_paste}", what_to_paste=_WHAT_TO_PASTE),
    )


# --- the request itself ----------------------------------------------------------------------


def _load(der: bytes) -> x509.CertificateSigningRequest:
    try:
        return x509.load_der_x509_csr(der)
    except Exception as error:
        # The library raises much that is no ValueError (InvalidVersion, for one), and what it
        # raises changes between releases; to the customer it is all the same.
        if _is_certificate(der):
            raise _certificate_pasted() from error
        raise CsrRejected(say("This is not a CSR, or it is damaged."), _WHAT_TO_PASTE) from error


def _is_certificate(der: bytes) -> bool:
    try:
        x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        return False
    return True


def _checked_key(
    csr: x509.CertificateSigningRequest, least_rsa_bits: int
) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """The CSR's public key, when it is allowed and its owner signed the CSR."""
    advice = say("Make a new key ({allowed}) and a new CSR from it.", allowed=allowed_keys(least_rsa_bits))
    try:
        key = csr.public_key()
    except Exception as error:
        raise CsrRejected(say("The key in the CSR is of a kind that is not known here."), advice) from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        kind = type(key).__name__.removesuffix("PublicKey")
        problem = say("The key in the CSR is of the type {kind}, which public certificates may not carry.", kind=kind)
        raise CsrRejected(problem, advice)
    fault = key_fault(key, least_rsa_bits)
    if fault is not None:
        raise CsrRejected(fault, advice)
    try:
        signed = csr.is_signature_valid
    except Exception as error:
        raise CsrRejected(
            say("The CSR is signed with an algorithm that is not known here."),
            say("Make a new CSR, signed with SHA-256."),
        ) from error
    if not signed:
        raise CsrRejected(
            say("The signature of the CSR does not fit its key, so it does not prove that you hold the private key."),
            say("The CSR was changed or damaged after it was made. Make a new CSR and send that one."),
        )
    return key


def _names_of(
    csr: x509.CertificateSigningRequest,
) -> tuple[str | None, tuple[str, ...], tuple[Sentence, ...]]:
    """The common name, all domain names (A-labels, no doubles) and notes."""
    try:
        alternative = _alternative_names(csr)
        common = [attribute.value for attribute in csr.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    except CsrRejected:
        raise
    except Exception as error:
        raise CsrRejected(say("The names in the CSR cannot be read."), _NEW_CSR) from error
    names = [_read(name) for name in alternative]
    notes = []
    common_name = None
    for value in common:
        written = value if isinstance(value, str) else value.decode("utf-8", "replace")
        try:
            common_name = read_domain(written)
        except NameRejected as fault:
            if not names:
                raise CsrRejected(
                    say("The common name of the CSR is not a domain name. {fault}", fault=fault.sentence),
                    say("Make a new CSR whose common name is the domain of the order."),
                ) from None
            notes.append(
                say(
                    "The common name “{written}” is not a domain name; the certificate will not bear it.",
                    written=shown(written),
                )
            )
        else:
            names.append(common_name)
    distinct = tuple(dict.fromkeys(names))
    if len(distinct) > MAX_NAMES:
        raise CsrRejected(
            say("The CSR has {count} names; at most {most} are possible.", count=len(distinct), most=MAX_NAMES),
            say("Make a new CSR with at most {most} names.", most=MAX_NAMES),
        )
    return common_name, distinct, tuple(notes)


def _alternative_names(csr: x509.CertificateSigningRequest) -> list[str]:
    try:
        extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    for name in extension.value:
        if not isinstance(name, x509.DNSName):
            problem = _OTHER_NAMES.get(type(name), _OTHER_NAME)
            raise CsrRejected(problem, say("Make a new CSR with domain names only."))
    return [name.value for name in extension.value]


def _read(name: str) -> str:
    try:
        return read_domain(name)
    except NameRejected as fault:
        problem = say("The CSR has a name that no certificate can carry. {fault}", fault=fault.sentence)
        raise CsrRejected(problem, _NEW_CSR) from None


# --- against the order -----------------------------------------------------------------------


def _compared(names: tuple[str, ...], ordered: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[Sentence, ...]]:
    """The names for the certificate and notes; CsrRejected when the CSR is for something else."""
    listing = _listing(ordered)
    if not names:
        note = say(
            "The CSR has no names in it; the certificate will bear those of the order: {ordered}.", ordered=listing
        )
        return ordered, (note,)
    bases = {name.removeprefix("*.") for name in ordered if name.startswith("*.")}
    extra = [name for name in names if name not in ordered and name not in bases]
    if extra:
        raise CsrRejected(
            say("The CSR asks for {extra}, but the order is for {ordered}.", extra=_listing(extra), ordered=listing),
            say("Make a new CSR with exactly the names of the order, or place an order for these names."),
        )
    missing = [name for name in ordered if name not in names]
    if missing:
        raise CsrRejected(
            say("The order is for {ordered}, but the CSR lacks {missing}.", ordered=listing, missing=_listing(missing)),
            say("Make a new CSR with exactly the names of the order."),
        )
    added = tuple(name for name in names if name not in ordered)
    notes = tuple(
        say("The CSR asks for {name} too, which belongs to *.{name}; the certificate can bear both.", name=name)
        for name in added
    )
    return ordered + added, notes


def _listing(names: Sequence[str]) -> object:
    first = list(names[:3])
    return say("{first} and {count} more", first=first, count=len(names) - 3) if len(names) > 3 else first
