"""The life cycle on its own: pure, importable beside the library of the same name, installable without the console."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from certlifecycle.diagram import markdown_table, mermaid

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "statemachine"
MODULES = sorted((SOURCE / "certlifecycle").glob("*.py"))
README = (SOURCE / "README.md").read_text(encoding="utf-8")
PROJECT_README = (SOURCE.parent / "README.md").read_text(encoding="utf-8")

CONSOLE = {"flask", "sqlalchemy", "sqlmodel", "webapp", "dbos", "wtforms", "cryptography"}


def run(*command: object, **keywords) -> str:
    """Run a command to its end and return what it printed; what it complained about is in the error."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **keywords)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


# The name trap


def test_the_folder_never_becomes_a_package_that_shadows_the_library():
    assert not (ROOT / "statemachine" / "__init__.py").exists()
    assert not (ROOT / "tests" / "statemachine").exists()


def test_the_library_is_found_from_the_project_s_root():
    # ``-c`` puts the present folder first on the path, where the folder of the same name is.
    assert "site-packages" in run(sys.executable, "-c", "import statemachine; print(statemachine.__file__)", cwd=ROOT)


# Purity


def test_importing_it_imports_no_part_of_the_console():
    program = (
        "import sys, certlifecycle, certlifecycle.calendar, certlifecycle.diagram, certlifecycle.testing;"
        "print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    )
    imported = set(run(sys.executable, "-c", program).split())

    assert {"certlifecycle", "statemachine", "holidays"} <= imported
    assert not imported & CONSOLE


CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "localtime", "gmtime"}


def clock_readings(source: str) -> list[str]:
    """What reads a clock: calls such as ``datetime.now()``, and importing the module ``time``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                found.append(ast.unparse(node))
            case ast.Import(names=names) if "time" in [alias.name for alias in names]:
                found.append(ast.unparse(node))
            case ast.ImportFrom(module="time"):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_reads_a_clock(module):
    assert clock_readings(module.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "import time",
        "from time import monotonic",
        "time.time()",
    ],
)
def test_a_clock_that_is_read_is_seen(source):
    assert clock_readings(source)


# The README


def test_the_readme_shows_the_declared_transitions():
    assert markdown_table() in README
    assert f"```mermaid\n{mermaid()}\n```" in README


def examples() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_first_example_prints_what_it_says():
    asking, _ = examples()
    expected = re.findall(r"# (.*)$", asking, re.MULTILINE)

    assert run(sys.executable, "-c", asking).splitlines() == expected


# Installed on its own


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """The Python of somebody else's shop: a fresh environment with the built wheel and pytest, nothing else."""
    folder = tmp_path_factory.mktemp("shop")
    python = folder / "venv" / "bin" / "python"
    if uv := shutil.which("uv"):
        run(uv, "build", "--wheel", "--out-dir", folder / "dist", SOURCE)
        run(uv, "venv", "--python", sys.executable, folder / "venv")
        install = (uv, "pip", "install", "--python", python)
    else:
        run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder / "dist", SOURCE)
        run(sys.executable, "-m", "venv", folder / "venv")
        install = (python, "-m", "pip", "install")
    (wheel,) = (folder / "dist").glob("certlifecycle-*.whl")
    run(*install, wheel, "pytest")
    return python


def in_the_shop(python: Path, *arguments: object, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COV"))}
    return run(python, *arguments, cwd=cwd, env=clean)


def test_installing_it_brings_no_part_of_the_console(shop, tmp_path):
    program = (
        "import json; from importlib.metadata import distributions;"
        "print(json.dumps([one.metadata['Name'].lower() for one in distributions()]))"
    )
    installed = set(json.loads(in_the_shop(shop, "-c", program, cwd=tmp_path)))

    pytest_itself = {"pytest", "pluggy", "iniconfig", "packaging", "pygments", "pip", "setuptools"}
    assert installed - pytest_itself == {
        "certlifecycle",
        "holidays",
        "python-dateutil",
        "python-statemachine",
        "six",
        "tzdata",
    }


def test_the_test_of_somebody_else_s_shop_runs_there(shop, tmp_path):
    _, testing = examples()
    (tmp_path / "test_shop.py").write_text(testing, encoding="utf-8")

    assert "1 passed" in in_the_shop(shop, "-m", "pytest", "-q", "-W", "error", "test_shop.py", cwd=tmp_path)


def test_it_is_typed_and_prints_itself_there(shop, tmp_path):
    where = in_the_shop(shop, "-c", "import certlifecycle; print(certlifecycle.__file__)", cwd=tmp_path).strip()

    assert Path(where).is_relative_to(shop.parents[1])
    assert (Path(where).parent / "py.typed").exists()
    assert in_the_shop(shop, "-m", "certlifecycle", "mermaid", cwd=tmp_path) == mermaid() + "\n"


def test_the_projects_own_readme_shows_the_example_that_runs() -> None:
    (shown,) = re.findall(r"^```python\n(.*?)^```$", PROJECT_README, re.MULTILINE | re.DOTALL)
    assert shown in examples()
