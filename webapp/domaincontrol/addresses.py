"""Which addresses the desk may visit on somebody else's word.

A customer decides what a domain name points to. Were the desk to follow it anywhere, the customer could make it call
the machines behind its own firewall (server-side request forgery), so only public addresses are visited.
"""

import ipaddress

from webapp.retelling import stored

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 4291, section 2.4, and the IANA registry: all global unicast addresses that were ever handed out.
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")

_REFUSED = tuple(
    (ipaddress.ip_network(network), words)
    for network, words in (
        # An IPv4 address inside an IPv6 one would be judged by its disguise, so it is not let in at all.
        ("::ffff:0:0/96", stored("an IPv4 address written as an IPv6 address")),  # RFC 4291, section 2.5.5.2
        ("64:ff9b::/96", stored("an address of a NAT64 translator")),  # RFC 6052
        ("64:ff9b:1::/48", stored("an address of a NAT64 translator")),  # RFC 8215
        ("2002::/16", stored("a 6to4 address")),  # RFC 3056
        ("2001::/32", stored("a Teredo address")),  # RFC 4380
        ("192.88.99.0/24", stored("an address of a 6to4 relay")),  # RFC 7526
        # Python's tables differ between versions about these.
        ("192.0.0.0/24", stored("a reserved address")),  # RFC 6890
        ("3fff::/20", stored("an address for documentation")),  # RFC 9637
        # Public by its number, and yet only the machines of one cloud reach it: their own control plane answers there.
        ("168.63.129.16/32", stored("an address inside a cloud")),
    )
)


def why_refused(address: str | IpAddress, *, allow_loopback: bool = False) -> str | None:
    """Why the desk does not visit this address, as words that follow "which is"; ``None`` when it may.

    ``allow_loopback`` admits this machine, for tests. Raises :class:`ValueError` for what is no IP address.
    """
    address = ipaddress.ip_address(address)
    if address.is_loopback:
        return None if allow_loopback else stored("an address of the machine itself")
    for network, words in _REFUSED:
        if address in network:
            return words
    if address.is_link_local:
        return stored("a link-local address")
    if address.is_multicast:
        return stored("a multicast address")
    if address.is_unspecified or address.is_reserved:
        return stored("a reserved address")
    if not address.is_global:
        return stored("a private address")
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return stored("not a public address")
    return None
