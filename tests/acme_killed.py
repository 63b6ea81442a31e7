"""Workers that are killed in the middle of an ACME order, one after the other, each at another request.

``python tests/acme_killed.py`` with a JSON object on standard input (see :func:`main`): for each request that changes
something at the server, one worker dies by SIGKILL before it has sent it and another when it has read the answer. The
order keys of those that died are printed as a JSON list.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from acme_support import Desk, open_database
from ca_support import HandClock
from pebble import ChallengeServer, Pebble, Tls

from webapp.authorities.port import Issued


class MortalSession(requests.Session):
    """A session whose process is killed at the n-th POST that is answered, before it is sent or after its answer."""

    posts = 0

    def __init__(self, number: int, when: str) -> None:
        super().__init__()
        self.number, self.when = number, when

    def request(self, method: str, *words: Any, **more: Any) -> requests.Response:
        """Send a request, or die of it."""
        last = method == "POST" and MortalSession.posts + 1 == self.number
        if last and self.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super().request(method, *words, **more)
        if method == "POST" and answer.status_code < 400:
            MortalSession.posts += 1
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
        return answer


def mortal_worker(desk: Callable[[str], Desk], csr: str, key: str, number: int, when: str) -> bool:
    """Run one worker in a process of its own; whether it was killed before it had the certificate."""
    child = os.fork()
    if child == 0:
        # The child leaves without the parent's business, whatever happens.
        try:
            mine = desk(key)
            authority = mine.authority(sessions=lambda: MortalSession(number, when))
            ref = authority.submit(key, csr, ["www.example.com"], 90)
            finished = isinstance(mine.run(lambda: authority, ref), Issued)
            os._exit(0 if finished else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.WEXITSTATUS(status) == 0, f"{key}: {os.WEXITSTATUS(status)}"
    return False


def main(settings: dict[str, Any]) -> list[str]:
    """Kill one worker after the other. ``settings`` says where the database, the server and its challenges are."""
    folder = Path(settings["folder"])
    challenges = ChallengeServer(folder, *settings["challenge_ports"], process=None)  # type: ignore[arg-type]
    tls = Tls(Path(settings["certificate"]), Path(settings["certificate"]))
    server = Pebble(folder, settings["port"], 0, tls, challenges, {}, process=None)  # type: ignore[arg-type]

    def desk(key: str) -> Desk:
        return Desk(open_database(settings["database_url"]), folder / key, server, HandClock())

    killed = []
    for when in ("before", "after"):
        number = 1
        while mortal_worker(desk, settings["csr"], f"{when}-{number}", number, when):
            killed.append(f"{when}-{number}")
            number += 1
    return killed


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
