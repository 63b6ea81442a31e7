"""The organisation's own sign-in (OpenID Connect): read from the environment once, and named when malformed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from certlifecycle import Role
from webapp.loopback import is_this_machine


class ProviderSettingError(ValueError):
    """A setting that cannot be used; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where the provider is, what it knows the desk as, and what its words about somebody mean here.

    ``groups`` say which role a member of a group has; where there are none, the provider has no say in roles.
    ``others`` is the role of whoever is in none of them, ``None`` where they are not let in. ``second_factor`` are the
    values of ``amr`` and ``acr`` by which the provider vouches for a second factor. ``allow_loopback`` lets it be
    reached without TLS on this machine.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    groups_claim: str = "groups"
    groups: Mapping[str, Role] = field(default_factory=dict)
    others: Role | None = Role.CUSTOMER
    second_factor: frozenset[str] = frozenset()
    allow_loopback: bool = False

    def role_of(self, groups: frozenset[str]) -> Role | None:
        """The role of a member of these groups, the one that may most; ``None`` for whoever is not let in."""
        found = {role for group, role in self.groups.items() if group in groups}
        return next((role for role in (Role.ADMIN, Role.REVIEWER, Role.CUSTOMER) if role in found), self.others)

    def may_be_asked(self, url: str) -> bool:
        """Whether an address of the provider can be trusted to be its own: over TLS, or on this machine in tests."""
        if not _is_address(url):
            return False
        parts = urlsplit(url)
        return parts.scheme == "https" or (self.allow_loopback and is_this_machine(parts.hostname or ""))


def load_provider(environ: Mapping[str, str]) -> ProviderSettings | None:
    """Read the settings, ``None`` where ``OIDC_ISSUER`` is not set; raises :class:`ProviderSettingError`."""

    def text(name: str, default: str = "") -> str:
        return environ.get(name, "").strip() or default

    issuer = text("OIDC_ISSUER")
    if not issuer:
        return None
    if not text("OIDC_CLIENT_ID"):
        raise ProviderSettingError("OIDC_CLIENT_ID must be set where OIDC_ISSUER is")
    loopback, others = text("OIDC_LOOPBACK", "0"), text("OIDC_OTHERS", "customer")
    if loopback not in ("0", "1"):
        raise ProviderSettingError(f"OIDC_LOOPBACK must be 0 or 1, not {loopback[:40]!r}")
    if others not in ("customer", "refuse"):
        raise ProviderSettingError(f"OIDC_OTHERS must be customer or refuse, not {others[:40]!r}")
    if not _is_address(issuer) or "?" in issuer or "#" in issuer or len(issuer) > 500:
        raise ProviderSettingError(f"OIDC_ISSUER must be an https address, not {issuer[:80]!r}")
    settings = ProviderSettings(
        issuer=issuer,
        client_id=text("OIDC_CLIENT_ID"),
        client_secret=text("OIDC_CLIENT_SECRET"),
        name=text("OIDC_NAME", urlsplit(issuer).hostname or issuer)[:60],
        groups_claim=text("OIDC_GROUPS_CLAIM", "groups"),
        groups=_groups(text("OIDC_GROUPS")),
        others=Role.CUSTOMER if others == "customer" else None,
        second_factor=frozenset(listed(text("OIDC_SECOND_FACTOR"))),
        allow_loopback=loopback == "1",
    )
    if settings.others is None and not settings.groups:
        raise ProviderSettingError("OIDC_OTHERS can be refuse only where OIDC_GROUPS says who is not")
    if not settings.may_be_asked(issuer):
        raise ProviderSettingError(f"OIDC_ISSUER must be an https address, not {issuer[:80]!r}")
    return settings


def _is_address(url: str) -> bool:
    """Whether it is an address of the web at all, without a name and password in it."""
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        plain = bool(re.fullmatch("[!-~]+", url)) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        return False
    return plain and bool(parts.hostname) and parts.scheme in ("https", "http")


def _groups(value: str) -> Mapping[str, Role]:
    found = {}
    for one in listed(value):
        group, equals, role = (part.strip() for part in one.rpartition("="))
        if not group or not equals or role not in (Role.CUSTOMER, Role.REVIEWER, Role.ADMIN):
            raise ProviderSettingError(f"OIDC_GROUPS must hold pairs such as desk-reviewers=reviewer, not {one[:80]!r}")
        found[group] = Role(role)
    return found


def listed(value: str) -> list[str]:
    """What a setting names, by commas."""
    return [one for one in (part.strip() for part in value.split(",")) if one]
