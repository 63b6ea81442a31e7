"""Secrets from files: what an environment shows to too many stands in a file instead, named by ``…_FILE``.

As container platforms hand secrets out: ``SECRET_KEY_FILE=/run/secrets/desk`` instead of ``SECRET_KEY=…``.
"""

from collections.abc import Mapping
from pathlib import Path

SECRETS = (
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "CA_KEY_PASSPHRASE",
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "SMTP_URL",
    "OIDC_CLIENT_SECRET",
)
"""Settings that are secret or hold a password; besides these, the key of every ACME server's customer number."""
ACME_SECRET = "_EAB_HMAC_KEY"  # noqa: S105  # The end of a setting's name.
LARGEST = 64 * 1024


class SecretFileError(Exception):
    """A file with a secret that cannot be used; the message begins with the setting's name."""


def with_files(environ: Mapping[str, str]) -> Mapping[str, str]:
    """The settings, with what stands in files read from there; white space around it is none of it.

    Raises :class:`SecretFileError` for a file that cannot be read, is empty, or is given besides the setting itself.
    """
    named = [name for name in environ if name.startswith("ACME_") and name.endswith(f"{ACME_SECRET}_FILE")]
    found: dict[str, str] = {}
    for name in (*(f"{secret}_FILE" for secret in SECRETS), *named):
        path = environ.get(name, "").strip()
        if not path:
            continue
        setting = name.removesuffix("_FILE")
        if environ.get(setting, "").strip():
            raise SecretFileError(f"{name} and {setting} are both set; set one of them")
        found[setting] = _content(name, path)
    return {**environ, **found} if found else environ


def _content(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST + 1)
        text = content.decode("utf-8").strip()
    except OSError as error:
        raise SecretFileError(f"{name}: {path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise SecretFileError(f"{name}: {path} does not hold text") from None
    if not text or len(content) > LARGEST:
        raise SecretFileError(f"{name}: {path} must hold the secret and nothing else")
    return text
