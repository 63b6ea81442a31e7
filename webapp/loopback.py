"""Which addresses lead to the machine itself, where nobody listens in between and no encryption is asked for."""

from ipaddress import ip_address


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is the machine's own. Other names are not looked up: they may change."""
    if host.casefold().rstrip(".") == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
