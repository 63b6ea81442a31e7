"""What strangers' bytes may do: what the fuzzer once found, and some changes of what is well-formed.

``make fuzz`` looks for more, for as long as it is told to.
"""

import random
import time
from pathlib import Path

import pytest
from fuzz_targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
SLOWEST = 10.0
"""Seconds that one input may take on a machine that does other things as well."""
CHANGES = 40


def known(name: str) -> list[Path]:
    return sorted((CORPUS / name).iterdir())


def changed(data: bytes, chance: random.Random) -> bytes:
    """The same with a piece cut out, doubled, or overwritten with what readers stumble over."""
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice((1, 2, 8, 64)))
    piece = chance.choice(
        (b"", data[start:end] * 2, b"\0", b"\xff", b"9" * 30, "\u202e".encode(), b"\r\n", b"-1", b"/")
    )
    return data[:start] + piece + data[end:]


@pytest.mark.parametrize("name", TARGETS)
def test_strangers_bytes_are_read_or_refused(name: str) -> None:
    target = TARGETS[name]
    chance = random.Random(name)  # noqa: S311  The same changes in every run.
    seeds = known(name)
    assert seeds
    for path in seeds:
        data = path.read_bytes()
        begun = time.monotonic()
        target(data)
        assert time.monotonic() - begun < SLOWEST, path
    for _ in range(CHANGES):
        target(changed(chance.choice(seeds).read_bytes(), chance))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\xff\xfe", b"9" * 20_000, b"(" * 20_000, b'{"a":' * 5_000, b"<a>" * 5_000]
)
def test_what_is_nothing_at_all_is_refused(name: str, data: bytes) -> None:
    TARGETS[name](data)
