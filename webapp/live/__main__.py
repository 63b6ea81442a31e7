"""``python -m webapp.live``: the live hub with the settings of the environment."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

from webapp import logs
from webapp.config import load
from webapp.live.process import serve
from webapp.live.settings import HubSettings

Run = Callable[[Coroutine[Any, Any, None]], None]


def main() -> None:
    """Run the hub until it is told to stop."""
    settings = load(os.environ)
    logs.set_up(settings.log_format, settings.log_server)
    _runner()(
        serve(
            HubSettings(
                database_url=settings.database_url,
                secret_key=settings.secret_key,
                host=settings.live_host,
                port=settings.live_port,
                origins=settings.console_origins,
            )
        )
    )


def _runner() -> Run:
    """uvloop where it is installed: it delivers to many viewers about twice as fast."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    return uvloop.run


if __name__ == "__main__":
    main()
