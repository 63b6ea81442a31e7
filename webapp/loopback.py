"""Which addresses lead to the machine itself, where nobody listens in between and no encryption is asked for."""

from ipaddress import ip_address


def is_this_machine(host: str) -> bool:
    """Whether a host's name can only mean this machine. Other names are not looked up: they may change."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
