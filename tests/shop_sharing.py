"""What the shops of one process share instead of making it anew: half of a test's time went there."""

from datetime import datetime
from threading import Lock
from typing import Any

from jinja2.bccache import Bucket, BytecodeCache
from werkzeug.routing import Rule

from webapp.authorities.builtin_keys import load_or_create
from webapp.config import Settings
from webapp.db import Database


class Compiled(BytecodeCache):
    """The templates, compiled once in a process: every shop has an app of its own, and compiling was half the run."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Take the code of a template with this text, if it is there."""
        code = self._codes.get((bucket.key, bucket.checksum))
        if code is not None:
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code of a template under its name and its text."""
        self._codes[bucket.key, bucket.checksum] = bucket.bytecode_to_string()


COMPILED = Compiled()


def compile_each_rule_once() -> None:
    """Let every app of this process share what Werkzeug compiles for the building of an address.

    A rule with the same parts and defaults always gets the same code, and there are 130 of them: a tenth of a second
    for each app. Werkzeug builds them through :mod:`ast`, which in CPython before 3.12 is not safe in two threads at
    once (python/cpython#106905); hence one at a time.
    """
    compiled: dict[tuple[Any, ...], Any] = {}
    busy = Lock()
    compile_builder = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (tuple(rule._trace), repr(rule.defaults), append_unknown)
        with busy:
            if key not in compiled:
                compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    Rule._compile_builder = once  # type: ignore[method-assign]


compile_each_rule_once()

_KNOWN: dict[str, tuple[Any, Any]] = {}
"""By the kind of database: the dialect of the first engine of this process, and what that has compiled."""


def share_statements(database: Database) -> None:
    """Let the database use what another one of its kind has compiled: every shop asks the same, each by an engine.

    What an engine has compiled is found again by its dialect too, so the dialect is shared as well. It holds what it
    knows of the server, which is the same one for the whole run.
    """
    engine = database.engine
    dialect, compiled = _KNOWN.setdefault(engine.name, (engine.dialect, engine._compiled_cache))
    engine.pool._dialect = dialect
    for one in (engine, database._writer):
        one.dialect, one._compiled_cache = dialect, compiled


_KEYS: dict[tuple[str, datetime], dict[str, bytes]] = {}
"""By what stands in the certificates: the files of a built-in authority that an earlier shop of this process made."""


def with_keys_of_before(settings: Settings, now: datetime) -> None:
    """Give a new shop the keys of an earlier one: making them waits for the disk eight times."""
    folder = settings.data_dir / "ca"
    if folder.exists() or settings.ca_key is not None or settings.ca_key_passphrase:
        return
    known = (settings.ca_url, now)
    if known not in _KEYS:
        load_or_create(folder, settings.ca_url, now)
        _KEYS[known] = {path.name: path.read_bytes() for path in folder.iterdir()}
        return
    folder.mkdir(mode=0o700, parents=True)
    for name, content in _KEYS[known].items():
        (folder / name).write_bytes(content)
        (folder / name).chmod(0o600)
