"""The ACME authority when workers are killed, at every request and between every two steps, or meet."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from acme_support import PAUSE, Desk, csr_for, open_database
from ca_support import HandClock
from pebble import Pebble
from processes import ROOT

from certlifecycle import RevocationReason
from webapp.authorities.acme_orders import AcmeOrderBook
from webapp.authorities.port import (
    Issued,
    Pending,
    Processing,
)
from webapp.db import Database

pytest_plugins = ["acme_fixtures"]

WWW = "www.example.com"


def test_killed_between_every_two_steps(desk):
    ref = desk.authority().submit("order 1", csr_for(WWW), [WWW], 90)
    assert isinstance(desk.run(desk.authority, ref), Issued)


def test_killed_at_every_request(desk, pebble, sqlite_url):
    before = issued_by(pebble)
    settings = {
        "csr": csr_for(WWW),
        "folder": str(desk.folder),
        "database_url": sqlite_url,
        "port": pebble.port,
        "certificate": str(pebble.tls.certificate),
        "challenge_ports": [pebble.challenges.dns_port, pebble.challenges.http_port, pebble.challenges.control_port],
    }
    script = subprocess.run(
        [sys.executable, "tests/acme_killed.py"],
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert script.returncode == 0, script.stderr
    killed = json.loads(script.stdout)
    # Account, order, two looks at it and its authorization, the challenge, the CSR, the certificate: before and after.
    assert len(killed) > 2 * 8
    serials = set()
    for key in killed:
        heir = Desk(desk.engine, desk.folder / key, pebble, desk.clock)
        authority = heir.authority()
        ref = authority.submit(key, csr_for(WWW), [WWW], 90)
        # The claim of the dead ends by itself.
        heir.clock.forward(timedelta(minutes=10))
        progress = heir.run(lambda authority=authority: authority, ref)
        assert isinstance(progress, Issued), key
        serials.add(progress.certificate.serial)
    assert len(serials) == len(killed)
    # Two more were issued to the workers that nothing happened to. Nobody was ever issued two.
    assert issued_by(pebble) - before == len(killed) + 2
    authority.revoke(progress.certificate.serial, RevocationReason.SUPERSEDED)


def test_a_claim_keeps_others_away_until_it_ends(desk):
    ref = desk.authority().submit("order 1", csr_for(WWW), [WWW], 90)
    book = AcmeOrderBook(Database(desk.engine), "acme", desk.clock)
    assert book.claim(book.by_ref(ref))
    heir = desk.authority()
    assert heir.advance(ref) == Processing()
    assert desk.row(ref).order_url is None
    desk.clock.forward(timedelta(seconds=61))
    assert isinstance(desk.run(lambda: heir, ref), Issued)


def issued_by(pebble):
    log = (pebble.folder / "pebble.log").read_text()
    return log.count("Issued certificate serial")


# Two workers


@pytest.fixture
def crowd(pebble: Pebble, database_url: str, tmp_path: Path) -> Iterator[Desk]:
    """A desk on each database, for races."""
    engine = open_database(database_url)
    yield Desk(engine, tmp_path, pebble, HandClock())
    engine.dispose()


def test_workers_at_once_do_each_thing_once(crowd, front):
    workers = [crowd.authority(directory_url=front.directory_url) for _ in range(4)]
    ref = workers[0].submit("order 1", csr_for(WWW), [WWW], 90)
    together = threading.Barrier(len(workers))

    def advance(worker):
        together.wait(20)
        return worker.advance(ref)

    with ThreadPoolExecutor(len(workers)) as pool:
        for _ in range(50):
            answers = list(pool.map(advance, workers))
            if all(isinstance(answer, Issued) for answer in answers):
                break
            for answer in answers:
                if isinstance(answer, Pending):
                    crowd.publish(answer, "http-01")
            crowd.clock.forward(PAUSE)
    assert len({answer.certificate.serial for answer in answers}) == 1
    assert [front.count(kind) for kind in ("order-plz", "chalZ", "finalize-order", "certZ")] == [1, 1, 1, 1]


class Hold:
    """Keeps the answer to the first request of a kind back until it is let go."""

    def __init__(self, kind):
        self.kind, self.arrived, self.go_on = kind, threading.Event(), threading.Event()

    def __call__(self, exchange):
        if exchange.kind == self.kind and not self.arrived.is_set():
            self.arrived.set()
            assert self.go_on.wait(30)


def test_a_worker_that_was_slow_with_an_order_does_not_bring_it_when_another_took_over(crowd, front):
    slow, other = (crowd.authority(directory_url=front.directory_url) for _ in range(2))
    ref = slow.submit("order 1", csr_for(WWW), [WWW], 90)
    front.after = hold = Hold("order-plz")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(slow.advance, ref)
        assert hold.arrived.wait(30)
        assert other.advance(ref) == Processing()
        crowd.clock.forward(timedelta(minutes=2))
        asked = other.advance(ref)
        assert isinstance(asked, Pending)
        hold.go_on.set()
        assert late.result(30) == asked
    assert isinstance(crowd.run(lambda: slow, ref), Issued)
    assert front.count("finalize-order") == 1


def test_a_worker_that_was_slow_with_the_certificate_gets_the_one_that_is_there(crowd, front):
    slow, other = (crowd.authority(directory_url=front.directory_url) for _ in range(2))
    ref = slow.submit("order 1", csr_for(WWW), [WWW], 90)
    front.after = hold = Hold("finalize-order")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(crowd.run, lambda: slow, ref)
        assert hold.arrived.wait(30)
        crowd.clock.forward(timedelta(minutes=2))
        issued = crowd.run(lambda: other, ref)
        hold.go_on.set()
        assert late.result(30) == issued
    assert isinstance(issued, Issued)
