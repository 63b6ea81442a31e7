"""Where a key on a PKCS #11 token is found: an address of RFC 7512 in a setting."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote


class Pkcs11AddressError(ValueError):
    """An address of a key cannot be used. The message holds no PIN."""


@dataclass(frozen=True, slots=True)
class Pkcs11Address:
    """Where a key is (RFC 7512): the library that speaks to the token, the token's and the key's labels, the PIN."""

    module: Path
    token: str
    label: str
    pin_file: Path


def read_address(uri: str) -> Pkcs11Address:
    """Read ``pkcs11:token=…;object=…?module-path=…&pin-source=…``. Raises :class:`Pkcs11AddressError`.

    ``pin-source`` is a file, as a path or with ``file:`` before it. A PIN in the address itself (``pin-value``) is
    refused: settings stand in too many places.
    """
    scheme, _, rest = uri.partition(":")
    if scheme != "pkcs11":
        raise Pkcs11AddressError("must begin with pkcs11:")
    path, _, query = rest.partition("?")
    where = {name: unquote(value) for name, _, value in (one.partition("=") for one in path.split(";") if one)}
    how = dict(parse_qsl(query))
    if "pin-value" in how:
        raise Pkcs11AddressError("must name a file with the PIN (pin-source) and not hold the PIN")
    known = {"token", "object", "type"}
    unknown = sorted((where.keys() - known) | (how.keys() - {"module-path", "pin-source"}))
    if unknown or where.get("type", "private") != "private":
        raise Pkcs11AddressError(f"has a part that is not understood: {', '.join(unknown) or 'type'}")
    for name, part in (("token", where), ("object", where), ("module-path", how), ("pin-source", how)):
        if not part.get(name):
            raise Pkcs11AddressError(f"must say {name}")
    pin_file = Path(how["pin-source"].removeprefix("file://").removeprefix("file:"))
    return Pkcs11Address(Path(how["module-path"]), where["token"], where["object"], pin_file)
