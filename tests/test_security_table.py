"""docs/security.md: every requirement stands in one list, and every row names tests that are there."""

import ast
import re
from collections import Counter
from datetime import timedelta
from functools import cache
from math import log2
from pathlib import Path

import pytest
from processes import ROOT
from sqlmodel import SQLModel

from certlifecycle import Role
from webapp import counting
from webapp.accounts import factors, passkeys, passwords, sessions
from webapp.certificates import csr, public_keys, saved
from webapp.config import Settings, load
from webapp.console import LARGEST_REQUEST
from webapp.error_pages import REFUSALS
from webapp.importing import LARGEST_FILE
from webapp.jobs import many
from webapp.jobs.import_orders import MOST_ROWS
from webapp.live.settings import HubSettings
from webapp.payments.bank_xml import LARGEST_MESSAGE
from webapp.secret_files import ACME_SECRET, SECRETS
from webapp.tables import FORMER

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
NUMBERS = [line.split()[0] for line in (ROOT / "tests" / "asvs-5.0.0.txt").read_text().splitlines() if line[0] != "#"]
MET, NOT_APPLYING, MISSING = "Requirements and tests", "What does not apply", "Not yet met"
NUMBER = re.compile(r"\d+\.\d+\.\d+")


@cache
def section(title: str) -> str:
    """What stands under a heading of the second degree."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert found is not None, f"docs/security.md has no section “{title}”"
    return found[1]


def rows(title: str) -> list[list[str]]:
    """The cells of every row of the tables in a section, without their heads."""
    found: list[list[str]] = []
    for line in section(title).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and set("".join(cells)) == {"-"}:
            # What stands above this line was the head.
            found.pop()
        elif cells:
            found.append(cells)
    return found


@cache
def functions_of(name: str) -> frozenset[str]:
    """The tests of a file, those of classes as ``Class::test``."""
    path = ROOT / "tests" / name
    if not path.is_file():
        return frozenset()
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        inner = node.body if isinstance(node, ast.ClassDef) else []
        found |= {one.name for one in [node] if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}::{one.name}" for one in inner if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(one for one in found if one.rpartition("::")[2].startswith("test_"))


def what_is_wrong(row: list[str]) -> list[str]:
    """Why a row of the table of requirements promises more than is kept."""
    named = re.findall(r"`(test_\w+\.py)::([\w:]+)`", row[-1])
    wrong = [f"{file}::{test} does not exist" for file, test in named if test not in functions_of(file)]
    if len(row) != 3 or not all(row):
        wrong.append("a row needs a requirement, how it is met, and tests")
    return wrong if named else [*wrong, "no test is named"]


@pytest.mark.parametrize("row", rows(MET), ids=lambda row: (NUMBER.search(row[0]) or [row[0]])[0])
def test_every_row_names_tests_that_are_there(row: list[str]) -> None:
    assert what_is_wrong(row) == []


@pytest.mark.parametrize(
    ("row", "wrong"),
    [
        (["**1.1.1** x", "y", ""], "no test is named"),
        (["**1.1.1** x", "y", "`test_sign_in.py::test_nothing_of_the_kind`"], "does not exist"),
        (["**1.1.1** x", "y", "`test_nowhere.py::test_x`"], "does not exist"),
        (["**1.1.1** x", "`test_paths.py::test_only_a_key_reaches_a_view`"], "a row needs"),
    ],
)
def test_a_row_that_promises_too_much_is_seen(row: list[str], wrong: str) -> None:
    assert wrong in " ".join(what_is_wrong(row))


def test_every_requirement_stands_in_exactly_one_list() -> None:
    listed = Counter(
        number for title in (MET, NOT_APPLYING, MISSING) for row in rows(title) for number in NUMBER.findall(row[0])
    )
    assert [number for number in NUMBERS if number not in listed] == []
    assert sorted(set(listed) - set(NUMBERS)) == []
    assert [number for number, count in listed.items() if count > 1] == []


def test_the_numbers_are_those_of_the_standard() -> None:
    """246 of them: the 253 of levels 1 and 2 without the seven about WebRTC."""
    levels = Counter(
        line.split()[1] for line in (ROOT / "tests" / "asvs-5.0.0.txt").read_text().splitlines() if line[0] != "#"
    )
    assert levels == {"1": 70, "2": 176}
    assert len(set(NUMBERS)) == len(NUMBERS) == 246


def test_what_is_not_met_says_how_it_stands_and_what_does_not_apply_says_why() -> None:
    for title in (NOT_APPLYING, MISSING):
        assert rows(title)
        for row in rows(title):
            assert len(row) == 2
            assert NUMBER.search(row[0])
            assert len(row[1]) > 10 or row[1] == "The same.", row


# What the page says of the desk


def said(settings: Settings) -> dict[str, list[str]]:
    """By section: words that must stand there, made of what the desk goes by."""
    sign_in, hub = settings.sign_in, HubSettings(database_url="", secret_key="")
    bits = int(factors.CODE_LENGTH * log2(len(factors.ALPHABET)))
    limits = (sign_in.limit_account, sign_in.limit_address, sign_in.limit_all)
    return {
        "Signing in": [
            "the password, a passkey, and after the password the second factor",
            f"{passwords.SHORTEST} to {passwords.LONGEST} characters",
            "the name of the shop, the person's own name, and every part of their email address",
            "{} for an account, {} from an address and {} for all together".format(*limits),
            f"within {sign_in.limit_minutes} minutes",
            f"{factors.CODES} of them, each of {factors.CODE_LENGTH} characters ({bits} bits)",
            f"within {passkeys.PATIENCE // timedelta(minutes=1)} minutes",
            f"after {settings.session_idle_minutes} minutes without a click",
            f"after {settings.session_hours} hours in any case",
            f"ends after {sessions.ARRIVING_MINUTES} minutes",
            "any number of devices",
        ],
        "Who may what": [f"| `{role.value}` |" for role in Role],
        "What people send": [
            f"at most {csr.MAX_CSR_BYTES // 1024} KiB and {csr.MAX_NAMES} names",
            f"RSA of {public_keys.MIN_RSA_BITS} to {public_keys.MAX_RSA_BITS} bits",
            f"{saved.MOST} saved searches and {passkeys.MOST} passkeys an account",
            f"{MOST_ROWS} orders in a file, {many.MOST} cases decided at once",
            f"at most {LARGEST_REQUEST // 1024} KiB",
            f"{hub.viewers} streams are open at once, and {hub.viewers_per_account} of one account",
            "names of a CSR with those of the order",
        ],
        "Files": [
            f"{LARGEST_FILE // 1024**2} MiB, {MOST_ROWS} rows",
            f"{LARGEST_MESSAGE // 1024**2} MiB",
            f"{csr.MAX_CSR_BYTES // 1024} KiB",
        ],
        "Keys and algorithms": [
            *(f"`{name}`" for name in (*SECRETS, f"ACME{ACME_SECRET}", "ALIPAY_PRIVATE_KEY_FILE")),
            *("AES-256-GCM under HKDF-SHA-256", "argon2id, 64 MiB, 3 rounds", "ECDSA P-384", "ECDSA P-256, SHA-256"),
        ],
        "Where the desk connects to": [
            f"`{name}`"
            for name in (
                "DATABASE_URL",
                "RATELIMIT_STORAGE_URI",
                "SMTP_URL",
                "ACME_DIRECTORY",
                "ALIPAY_GATEWAY",
                "RESOLVERS",
            )
        ],
        "What is worth protecting": [f"`{name}`" for name in set(SQLModel.metadata.tables) - FORMER],
        "What is written down": ["`history`", "`audit_event`", "`account_event`", "standard error", "`HISTORY_HEADS`"]
        + [str(status) for status in sorted(REFUSALS)],
        "What takes long": ["imports, exports, many decisions", f"counted up to {counting.MOST:,}"],
        "Updates": ["`requirements.lock`", "`sbom.json`", "within 3 days", "within 30 days", "every 90 days"],
    }


def test_what_the_page_says_is_so(tmp_path: Path) -> None:
    settings = load({"DATA_DIR": str(tmp_path)})
    wrong = [
        f"{title}: {words}"
        for title, several in said(settings).items()
        for words in several
        if words not in section(title)
    ]
    assert wrong == []
