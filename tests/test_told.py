"""Being told to stop: heard whenever it is said, and by whomever."""

import signal
import subprocess
import sys

import pytest
from processes import ROOT

PRELUDE = """
import signal, threading
from webapp.told import Told

told = Told()
"""


def said(script: str) -> str:
    """What a process of its own prints that is told: it changes what signals do. Fails if it waits for ever."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_another_thread_receives_wakes_the_main_thread(number: signal.Signals) -> None:
    """As does one that comes just before the main thread falls asleep, which no test can time."""
    script = f"""
def receive():
    signal.pthread_kill(threading.get_ident(), signal.{number.name})

threading.Timer(0.2, receive).start()
print(told.wait())
"""
    assert said(script) == "True\n"


def test_whoever_asks_again_hears_it_again() -> None:
    script = """
print(told.wait(0.01))
signal.raise_signal(signal.SIGTERM)
print(told.wait(10), told.wait(10), told.wait())
"""
    assert said(script) == "False\nTrue True True\n"


def test_a_thread_may_tell_it_as_often_as_it_likes() -> None:
    script = """
def insist():
    for _ in range(100_000):
        told.set()
    print("done")

teller = threading.Thread(target=insist)
teller.start()
told.wait()
teller.join(20)
"""
    assert said(script) == "done\n"
