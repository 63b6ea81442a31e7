"""Where the tests keep their files: in memory where that has room, for they make and drop thousands of databases."""

import os
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - what is made in it is made by tempfile, for its owner alone.
ROOM = 4 * 1024**3
"""Bytes that have to be free there. A whole run needs a tenth; the rest stays for whoever else uses the memory."""


def keep_in_memory() -> None:
    """Make temporary files of this process and its children in memory, unless it is said where (``TMPDIR``).

    Only Linux has such a folder. That of a container is often small, and programs may not run from everybody's.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir():
        return
    found = os.statvfs(MEMORY)
    if found.f_bavail * found.f_frsize < ROOM or found.f_flag & os.ST_NOEXEC or not os.access(MEMORY, os.W_OK):
        return
    os.environ["TMPDIR"] = str(MEMORY)
    # Whoever asked before is told anew.
    tempfile.tempdir = None
