"""What the sources must not hold, so that whole kinds of weakness cannot be there. Read as syntax, not as text."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from processes import ROOT

PYTHON = sorted([*(ROOT / "webapp").rglob("*.py"), *(ROOT / "statemachine" / "certlifecycle").rglob("*.py")])
SCRIPTS = sorted((ROOT / "webapp" / "static").glob("*.js"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def trees() -> list[tuple[str, ast.Module]]:
    return [(name_of(path), ast.parse(path.read_text("utf-8"))) for path in PYTHON]


def dotted(node: ast.expr) -> str:
    """``os.system`` for what is called as such; the end of it for anything longer."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{one.name}" for one in node.names)


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def last(call: ast.Call) -> str:
    """The name of what is called, without whose it is."""
    return dotted(call.func).rpartition(".")[2]


def files_that_import(*modules: str) -> set[str]:
    return {
        name
        for name, tree in trees()
        for one in imports(tree)
        if one in modules or one.startswith(tuple(f"{m}." for m in modules))
    }


def test_nothing_runs_what_it_was_given_as_text() -> None:
    """No code from text, no template from text."""
    forbidden = {"eval", "exec", "compile", "__import__"}
    found = {
        f"{name}:{call.lineno}"
        for name, tree in trees()
        for call in calls(tree)
        if dotted(call.func) in forbidden or last(call) in ("render_template_string", "from_string")
    }
    assert found == set()


def test_no_command_goes_through_a_shell() -> None:
    """The only programs that are started are the desk's own, by whoever starts all of it with one command."""
    assert files_that_import("subprocess", "pty", "commands") == {"webapp/serve.py"}
    for name, tree in trees():
        for call in calls(tree):
            said = dotted(call.func)
            assert not said.startswith(("os.system", "os.popen", "os.exec", "os.spawn")), f"{name}:{call.lineno}"
            assert not [one for one in call.keywords if one.arg == "shell"], f"{name}:{call.lineno}"


def test_nothing_that_is_read_can_bring_code_along() -> None:
    assert files_that_import("pickle", "marshal", "shelve", "dill", "yaml", "jsonpickle") == set()


def test_statements_are_not_put_together_from_text() -> None:
    """Whatever runs as SQL of our own is written out in the source; values are bound."""
    found = {
        f"{name}:{call.lineno}"
        for name, tree in trees()
        for call in calls(tree)
        if last(call) in ("text", "exec_driver_sql", "literal_column")
        and call.args
        and not name.startswith("webapp/migrations/")
        and isinstance(call.args[0], ast.JoinedStr | ast.BinOp | ast.Call)
    }
    assert found == set()


def test_chance_that_can_be_guessed_decides_only_how_long_to_wait() -> None:
    assert files_that_import("random") == {"webapp/live/bus.py", "webapp/live/hub.py"}


def test_cryptography_is_that_of_known_libraries() -> None:
    theirs = {"Crypto", "Cryptodome", "rsa", "ecdsa", "nacl", "pyDes", "M2Crypto", "gnupg", "crypt", "passlib"}
    assert files_that_import(*theirs) == set()


def test_weak_algorithms_are_where_a_standard_asks_for_them() -> None:
    """SHA-1 in one-time codes (RFC 6238); PKCS #1 v1.5 as a signature only, for Alipay's RSA2."""
    for name, tree in trees():
        for node in ast.walk(tree):
            said = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            assert said.lower() not in ("md5", "ecb", "arc4", "tripledes", "blowfish", "des"), f"{name}:{said}"
            if said in ("SHA1", "sha1"):
                assert name == "webapp/accounts/factors.py" or name.startswith("webapp/authorities/"), name
            if said == "PKCS1v15":
                assert name == "webapp/payments/alipay_protocol.py", name
    calls_ = {last(call) for _, tree in trees() for call in calls(tree)}
    assert "AESGCM" in calls_
    assert not calls_ & {"Cipher", "CBC", "CTR", "Fernet"}


def test_compiled_code_of_our_own_there_is_none() -> None:
    assert not [path for kind in ("c", "pyx", "cpp", "rs", "so") for path in (ROOT / "webapp").rglob(f"*.{kind}")]
    # The kernel's notices of a changed file: numbers and a path go in, and bytes are read as from any file.
    assert files_that_import("ctypes", "cffi") == {"webapp/live/inotify.py"}


def test_the_log_goes_where_whoever_runs_the_desk_leads_it() -> None:
    """To the standard error of each process and the server that is set, and nowhere else."""
    handlers = {"FileHandler", "RotatingFileHandler", "SysLogHandler", "SocketHandler", "HTTPHandler", "SMTPHandler"}
    assert files_that_import("logging.handlers", "syslog") == set()
    assert not [name for name, tree in trees() for call in calls(tree) if last(call) in handlers]


def test_scripts_turn_no_text_into_markup_or_code() -> None:
    for path in SCRIPTS:
        text = path.read_text("utf-8")
        for what in (
            "eval(",
            "new Function",
            "document.write",
            "insertAdjacentHTML",
            "outerHTML =",
            "srcdoc",
            "postMessage",
            "__proto__",
        ):
            assert what not in text, f"{path.name}: {what}"
        # A part of a page that this console has sent itself.
        assert text.count("innerHTML") == (1 if path.name == "live.js" else 0), path.name


FILLED_BY_KEY = re.compile(r"[\w)\]]\[(?![\"'`\d])[^\]]+\]\s*(?:\?\?|\|\||&&|[-+*/|&^%])?=(?![=>])")
"""An element of an object is set whose name stands in a variable: ``seen[name] = 1``."""


@pytest.mark.parametrize("line", ["seen[name] = 1", "a.b[one.id]  ??= {}", "found()[key] += 1", "more[a][b] = c"])
def test_an_object_filled_by_key_is_recognised(line: str) -> None:
    assert FILLED_BY_KEY.search(line)


@pytest.mark.parametrize("line", ["const [a, b] = c", "if (seen[name] === 1)", "x['a'] = 1", "a[0] = 1", "f([a]) => b"])
def test_what_only_looks_like_it_is_not(line: str) -> None:
    assert not FILLED_BY_KEY.search(line)


def test_scripts_fill_no_object_by_keys_from_outside() -> None:
    """Where names come from a page, a ``Map`` or a form takes them: neither has a prototype to be reached through."""
    for path in SCRIPTS:
        text = path.read_text("utf-8")
        found = [line for line in text.splitlines() if FILLED_BY_KEY.search(line)]
        assert found == [], path.name
        assert not re.search(r"Object\.(?:assign|fromEntries|setPrototypeOf|defineProperty)|Reflect\.set", text), (
            path.name
        )


def test_browsers_keep_nothing_about_anybody() -> None:
    """In the store of the browser lies whether shortcuts are on; in a cookie of a script, whether the page is dark."""
    kept = {
        path.name: set(re.findall(r"(?:local|session)Storage\.\w+|indexedDB|caches\.", path.read_text("utf-8")))
        for path in SCRIPTS
    }
    assert {name: uses for name, uses in kept.items() if uses} == {
        "keys.js": {"localStorage.getItem", "localStorage.setItem"}
    }
    assert [path.name for path in SCRIPTS if "document.cookie" in path.read_text("utf-8")] == ["theme.js"]


def test_a_page_loads_nothing_from_elsewhere() -> None:
    for path in TEMPLATES:
        text = path.read_text("utf-8")
        assert not re.search(r"""(?:src|action|srcset|data)\s*=\s*["']?(?:https?:)?//""", text), path
        assert not re.search(r"<link[^>]+href\s*=\s*[\"']?(?:https?:)?//", text), path
        assert not re.search(r"<(?:object|embed|applet|iframe|frame)\b", text), path
    # What is not escaped: pictures that the desk draws itself, and line breaks in a text that is escaped.
    texts = "".join(path.read_text("utf-8") for path in TEMPLATES)
    unescaped = set(re.findall(r"([\w.'<>]+)\s*\|\s*safe", texts))
    assert unescaped == {"wanted.picture", "diagram", "'<br>'"}
