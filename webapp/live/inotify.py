"""Be told when one file changes, by Linux's inotify.

Written against the C library directly: it takes two calls and one struct, less than a dependency
would cost, and it must simply be absent elsewhere.
"""

import asyncio
import contextlib
import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_MODIFY, _MOVED_TO, _CREATE, _OVERFLOW = 0x2, 0x80, 0x100, 0x4000
_HEADER = struct.Struct("iIII")  # struct inotify_event: wd, mask, cookie, len; see inotify(7).
_READ_BYTES = 65536


@contextlib.contextmanager
def watching(path: Path, touched: Callable[[], None]) -> Iterator[bool]:
    """Call ``touched`` in the running event loop whenever the file at ``path`` is written or created.

    The directory is watched, not the file, so the file need not exist yet and may be removed and
    made again. Yields False, and calls nothing, where the system offers no inotify watch.
    """
    watch = _open(path.parent)
    if watch is None:
        yield False
        return
    name = os.fsencode(path.name)
    loop = asyncio.get_running_loop()

    def readable() -> None:
        with contextlib.suppress(BlockingIOError):
            if any(found in (name, b"") for found in _names(os.read(watch, _READ_BYTES))):
                touched()

    loop.add_reader(watch, readable)
    try:
        yield True
    finally:
        loop.remove_reader(watch)
        os.close(watch)


def _open(directory: Path) -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if descriptor < 0:
        return None
    mask = _MODIFY | _MOVED_TO | _CREATE
    if libc.inotify_add_watch(descriptor, os.fsencode(directory), mask) < 0:
        os.close(descriptor)
        return None
    return descriptor


def _names(events: bytes) -> Iterator[bytes]:
    """The file names in a buffer of events; empty for an overflowed queue, which may hide any."""
    offset = 0
    while offset < len(events):
        _, mask, _, length = _HEADER.unpack_from(events, offset)
        offset += _HEADER.size
        name = events[offset : offset + length].rstrip(b"\0")
        offset += length
        if name or mask & _OVERFLOW:
            yield name
