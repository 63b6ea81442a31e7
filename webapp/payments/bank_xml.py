"""ISO 20022 messages as XML: read with nothing of XML that a payment message does not need, checked by their schema.

Read by lxml with entities, network and DTDs off. A document type declaration is refused before the parser sees it, so
that there is nothing to expand; that look is reliable because only UTF-8 is taken.
"""

import re
import threading
from pathlib import Path

from lxml import etree

from webapp.retelling import stored

LARGEST_MESSAGE = 5 * 1024 * 1024
"""Bytes."""

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
_MESSAGE = re.compile(r"pain\.00[12]\.[0-9]{3}\.[0-9]{2}")
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_SCHEMAS = Path(__file__).parent / "schemas"


class MessageRefused(ValueError):
    """Something that is no valid message; the sentence is for whoever handed it in."""


class Schemas:
    """The official schema definitions, and those that a vendor adds in a folder for other versions of its bank's."""

    def __init__(self, extra: Path | None = None) -> None:
        self._folders = [folder for folder in (_SCHEMAS, extra) if folder is not None]
        self._loaded: dict[str, etree.XMLSchema] = {}
        # A schema keeps the errors of its last check, so that one check must end before the next begins.
        self._lock = threading.Lock()

    def check(self, root: etree._Element, kind: str) -> str:
        """The message's name, ``pain.002.001.03``, if it is a valid message of ``kind``, ``pain.002``.

        Raises :class:`MessageRefused`.
        """
        message = (etree.QName(root).namespace or "").removeprefix(NAMESPACE)
        if not _MESSAGE.fullmatch(message) or not message.startswith(f"{kind}."):
            raise MessageRefused(stored("This is no {kind} message of ISO 20022.", kind=kind))
        with self._lock:
            schema = self._schema(message)
            if not schema.validate(root):
                first = schema.error_log[0]
                raise MessageRefused(
                    stored(
                        "This is no valid {message} (line {line}): {problem}",
                        message=message,
                        line=first.line,
                        problem=first.message[:300],
                    )
                )
        return message

    def _schema(self, message: str) -> etree.XMLSchema:
        if message not in self._loaded:
            paths = [folder / f"{message}.xsd" for folder in self._folders]
            path = next((one for one in paths if one.is_file()), None)
            if path is None:
                raise MessageRefused(
                    stored("The schema of {message} is not installed, so that it cannot be checked.", message=message)
                )
            self._loaded[message] = etree.XMLSchema(etree.fromstring(path.read_bytes(), _parser()))
        return self._loaded[message]


def read(content: bytes) -> etree._Element:
    """The root of a document. Raises :class:`MessageRefused`."""
    if len(content) > LARGEST_MESSAGE:
        raise MessageRefused(stored("The file is larger than {most} MiB.", most=LARGEST_MESSAGE // 1024 // 1024))
    declared = _ENCODING.match(content.lstrip(b"\xef\xbb\xbf \t\r\n"))
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise MessageRefused(stored("The file is not UTF-8 text.")) from None
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii"):
        raise MessageRefused(stored("The file is not declared as UTF-8."))
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise MessageRefused(stored("The file declares a document type or entities, which no payment message does."))
    try:
        return etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as wrong:
        raise MessageRefused(stored("The file is no XML: {wrong}", wrong=str(wrong)[:300])) from None


def write(root: etree._Element) -> bytes:
    """The document's bytes."""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
