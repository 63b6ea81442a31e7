"""The certificate desk's console."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from webapp.config import Settings
    from webapp.parts import Parts

HERE = Path(__file__).parent


def create_app(settings: "Settings | None" = None, parts: "Parts | None" = None) -> "Flask":
    """Make the console from the environment's settings, or from the parts that a test hands in."""
    # Imported here, so that processes which serve no pages start without all that pages are made of.
    from webapp.console import make_console

    return make_console(settings, parts)
