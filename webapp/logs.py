"""The lines of the processes' logs: one a record, on standard error, for a person to read or for a program.

With a log server they leave the machine as well (:mod:`webapp.log_server`).

Instants are UTC with their zone. What belongs to one happening shares the reference or the key in its message.
"""

import logging
import os
import time
from collections.abc import Mapping
from enum import StrEnum

from pythonjsonlogger.json import JsonFormatter

from webapp.log_server import LogServer, LogServerHandler

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"


class LogFormat(StrEnum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"
    """One JSON object a line (time, level, logger, message, and exc_info where something failed)."""


def set_up(wanted: LogFormat, server: LogServer | None) -> None:
    """Let this process write from INFO on, if nobody has set its log up before."""
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if server:
        handlers.append(LogServerHandler(server))
    for handler in handlers:
        handler.setFormatter(formatter_for(wanted))
    logging.basicConfig(level=logging.INFO, handlers=handlers)


def formatter_for(wanted: LogFormat) -> logging.Formatter:
    """What turns a record into a line."""
    made: logging.Formatter = (
        JsonFormatter(FIELDS, rename_fields={"asctime": "time", "levelname": "level", "name": "logger"})
        if wanted is LogFormat.JSON
        else logging.Formatter(FIELDS)
    )
    made.converter = time.gmtime
    made.default_time_format = "%Y-%m-%dT%H:%M:%S"
    made.default_msec_format = "%s.%03dZ"
    return made


def formatter(environ: Mapping[str, str] = os.environ, **_more: object) -> logging.Formatter:
    """The same for whoever sets its log up by a file, as the web server does (``log_config.json``)."""
    return formatter_for(LogFormat(environ.get("LOG_FORMAT", "").strip() or LogFormat.TEXT))
