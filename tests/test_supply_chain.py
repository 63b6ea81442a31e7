"""What a deployment installs: named by version and hash, as the project asks for it, under licences that are listed."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from processes import ROOT

LOCK = (ROOT / "requirements.lock").read_text("utf-8")
ENTRIES = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(.*(?:\n    --hash.*)*)", LOCK, re.MULTILINE)
LOCKED = {canonicalize_name(name): Version(version) for name, version, _hashes in ENTRIES}


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [Requirement(one) for one in project["dependencies"]]


@pytest.mark.parametrize("requirement", wanted(), ids=lambda one: one.name)
def test_the_lock_has_what_the_project_asks_for(requirement: Requirement) -> None:
    version = LOCKED.get(canonicalize_name(requirement.name))
    assert version is not None, f"{requirement.name} is not locked; run: make lock"
    assert requirement.specifier.contains(version), f"{requirement} is locked at {version}; run: make lock"


def test_everything_that_is_locked_is_named_by_its_hashes() -> None:
    assert len(ENTRIES) == len([line for line in LOCK.splitlines() if line and not line.startswith((" ", "#"))])
    for name, _version, rest in ENTRIES:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name


def test_the_lock_names_no_place_to_fetch_from() -> None:
    assert "://" not in LOCK
    assert not re.search(r"^\s*--(index|extra|find|trusted)", LOCK, re.MULTILINE)


def test_the_licence_of_everything_that_is_locked_is_listed() -> None:
    listed = (ROOT / "LICENCES.md").read_text("utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in listed.splitlines()[2:]]
    licences = {canonicalize_name(row[0]): row[2] for row in rows}
    # Those that a marker keeps off this kind of machine cannot be asked.
    conditional = {canonicalize_name(name) for name, _version, rest in ENTRIES if ";" in rest.splitlines()[0]}
    assert set(LOCKED) - conditional <= set(licences)
    assert not [name for name, licence in licences.items() if licence in ("", "UNKNOWN")]


def test_security_says_where_to_write_and_what_is_supported() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    for what in ("security@example.com", "## What is supported", "--require-hashes"):
        assert what in text
