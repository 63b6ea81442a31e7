"""How people sign in: read from the environment once, and named at the start when malformed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from limits.errors import ConfigurationError
from limits.storage import storage_from_string

from certlifecycle import REVIEWERS, Role
from webapp.accounts.provider_settings import ProviderSettingError, ProviderSettings, listed, load_provider
from webapp.loopback import is_this_machine


class SignInSettingError(ValueError):
    """A setting that cannot be used; the message begins with its name."""


class Entrance(StrEnum):
    """By what one can sign in."""

    PASSWORD = "password"  # noqa: S105  # A name, not a password.
    PASSKEY = "passkey"
    OIDC = "oidc"
    """The organisation's own sign-in."""


class SecondFactor(StrEnum):
    """Who must have a second factor. Whoever has set one up is asked for it in any case."""

    OFF = "off"
    STAFF = "staff"
    ALL = "all"

    def is_needed_by(self, role: Role) -> bool:
        """Whether somebody of this role may not sign in without one."""
        return self is SecondFactor.ALL or (self is SecondFactor.STAFF and role in REVIEWERS)


@dataclass(frozen=True, slots=True)
class SignInSettings:
    """Who needs a second factor, and how often a sign-in may fail within ``limit_minutes`` before it has to wait.

    ``proof_minutes`` is for how long it is believed that whoever sits at a browser is still who signed in there, where
    that matters most.

    ``limit_storage`` is where failures are counted, as an address of the limits library: in this process's memory, or
    in a Redis that all processes share. ``registration`` is whether people can make themselves an account.
    """

    second_factor: SecondFactor = SecondFactor.STAFF
    limit_minutes: int = 15
    limit_account: int = 10
    limit_address: int = 100
    limit_all: int = 1000
    limit_storage: str = "memory://"
    entrances: frozenset[Entrance] = frozenset({Entrance.PASSWORD, Entrance.PASSKEY})
    provider: ProviderSettings | None = None
    registration: bool = False
    proof_minutes: int = 10


def load_sign_in(environ: Mapping[str, str], *, demo: bool) -> SignInSettings:
    """Read the settings; raises :class:`SignInSettingError` naming the first one that is malformed."""

    def text(name: str, default: str) -> str:
        return environ.get(name, "").strip() or default

    def whole(name: str, default: int, most: int) -> int:
        raw = text(name, str(default))
        if not (raw.isascii() and raw.isdigit() and len(raw) < 10 and 1 <= int(raw) <= most):
            raise SignInSettingError(f"{name} must be a whole number between 1 and {most}, not {raw[:40]!r}")
        return int(raw)

    wanted = text("SECOND_FACTOR", "off" if demo else "staff")
    if wanted not in set(SecondFactor):
        raise SignInSettingError(f"SECOND_FACTOR must be one of {', '.join(SecondFactor)}, not {wanted!r}")
    try:
        provider = load_provider(environ)
    except ProviderSettingError as wrong:
        raise SignInSettingError(str(wrong)) from None
    entrances = _entrances(text("SIGN_IN_WITH", ""), has_provider=provider is not None)
    has_passwords = Entrance.PASSWORD in entrances
    registration = text("REGISTRATION", "on" if demo and has_passwords else "off")
    if registration not in ("on", "off"):
        raise SignInSettingError(f"REGISTRATION must be on or off, not {registration[:40]!r}")
    if registration == "on" and not has_passwords:
        raise SignInSettingError("REGISTRATION=on makes accounts with passwords, which SIGN_IN_WITH switches off")
    return SignInSettings(
        second_factor=SecondFactor(wanted),
        entrances=entrances,
        provider=provider,
        limit_minutes=whole("SIGN_IN_LIMIT_MINUTES", 15, 24 * 60),
        limit_account=whole("SIGN_IN_LIMIT_ACCOUNT", 10, 1000),
        limit_address=whole("SIGN_IN_LIMIT_ADDRESS", 100, 1_000_000),
        limit_all=whole("SIGN_IN_LIMIT_ALL", 1000, 100_000_000),
        registration=registration == "on",
        limit_storage=_storage(text("RATELIMIT_STORAGE_URI", "memory://")),
        proof_minutes=whole("PROOF_MINUTES", 10, 24 * 60),
    )


def _entrances(wanted: str, *, has_provider: bool) -> frozenset[Entrance]:
    """The ways that are open; without the setting all of them, the organisation's sign-in once it is set up."""
    names = listed(wanted)
    unknown = next((name for name in names if name not in set(Entrance)), None)
    if unknown is not None:
        raise SignInSettingError(f"SIGN_IN_WITH must name some of {', '.join(Entrance)}, not {unknown[:40]!r}")
    if Entrance.OIDC in names and not has_provider:
        raise SignInSettingError("SIGN_IN_WITH names oidc, which needs OIDC_ISSUER as well")
    usual = [Entrance.PASSWORD, Entrance.PASSKEY, *([Entrance.OIDC] if has_provider else [])]
    return frozenset(Entrance(name) for name in names) if names else frozenset(usual)


def _storage(uri: str) -> str:
    try:
        address = urlsplit(uri)
        storage_from_string(uri)
    # A storage of another kind of address needs a library of its own, and a wrong address is told in many ways.
    except (ConfigurationError, ValueError) as wrong:
        # Not repeated here: it may hold a password.
        raise SignInSettingError(f"RATELIMIT_STORAGE_URI cannot be used ({type(wrong).__name__})") from None
    if address.scheme not in ("memory", "redis", "rediss", "redis+unix"):
        raise SignInSettingError("RATELIMIT_STORAGE_URI must be memory:// or a Redis")
    if address.scheme == "redis" and address.hostname and not is_this_machine(address.hostname):
        raise SignInSettingError("RATELIMIT_STORAGE_URI must begin with rediss:// (TLS) for another machine")
    return uri
