"""By which names the desk is reached. A request that names another host is refused before anything is done for it.

What a request names is chosen by whoever sends it: a page of another site whose name was made to lead here (DNS
rebinding), or somebody who wants an address of theirs in an answer that others are given.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, request
from werkzeug.wsgi import get_host

from webapp.certificates.names import shown
from webapp.config import Settings
from webapp.errors import WrongHost

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REFUSED = "desk.refused_host"
"""Where the request keeps the name that it bore, if it was another's."""

_HOST = re.compile(r"(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?", re.IGNORECASE)


def host_name(written: str) -> str | None:
    """The name in a ``Host`` header, in lower case and without its port; ``None`` where that is none."""
    if _HOST.fullmatch(written) is None:
        return None
    try:
        return urlsplit(f"//{written}").hostname
    except ValueError:
        return None


def is_trusted(written: str, names: tuple[str, ...]) -> bool:
    """Whether a ``Host`` header names one of ``names``; one that begins with a dot stands for all names under it."""
    name = host_name(written)
    if name is None:
        return False
    return any(name == one or (one.startswith(".") and name.endswith(one)) for one in names)


class Names:
    """The application behind a door that takes any other name than the desk's away.

    It stands before routing, because a name that is none makes even that fail; the refusal in words comes after it.
    """

    def __init__(self, application: "WSGIApplication", names: tuple[str, ...]) -> None:
        self._application = application
        self._names = names

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Hand a request on."""
        host = get_host(environ)
        if not is_trusted(host, self._names):
            environ |= {REFUSED: host, "HTTP_HOST": "host.invalid"}
        return self._application(environ, start_response)


def install(app: Flask, settings: Settings) -> None:
    """Refuse what is meant for another host. Whoever only asks whether the desk is well may call it what they like."""
    app.wsgi_app = Names(app.wsgi_app, settings.trusted_hosts)  # type: ignore[method-assign]

    @app.before_request
    def refuse_another_name() -> None:
        if REFUSED in request.environ and request.endpoint != "health":
            raise WrongHost(shown(request.environ[REFUSED]))
