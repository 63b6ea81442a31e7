"""``python tests/fuzz.py [seconds] [target …]``: look for inputs that a reader of strangers' bytes cannot take.

Each target runs in a process of its own for so many seconds (60), over what lies in ``corpus`` and what atheris
(coverage-guided, https://github.com/google/atheris) makes of it. What fails is kept as ``corpus/<target>/crash-…``, for
test_fuzzed.py to try for ever. Returns how many targets failed.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
ONE_INPUT_SECONDS = 10
LARGEST_INPUT = 24 * 1024


def fuzz(name: str, seconds: int) -> None:
    """Run one target in this process; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["webapp", "certlifecycle", "idna", "email", "csv", "zipfile", "json"]):
        from fuzz_targets import TARGETS

    found = CORPUS / name
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as grown:
        limits = [f"-max_total_time={seconds}", f"-timeout={ONE_INPUT_SECONDS}", f"-max_len={LARGEST_INPUT}"]
        atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={found}/", grown, str(found)], TARGETS[name])
        atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """Run the targets one after another, each in a process of its own."""
    if arguments[:1] == ["--one"]:
        fuzz(arguments[1], int(arguments[2]))
    sys.path.insert(0, str(HERE))
    from fuzz_targets import TARGETS

    seconds, names = arguments[0] if arguments else "60", arguments[1:] or list(TARGETS)
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        done = subprocess.run([sys.executable, __file__, "--one", name, seconds], check=False)
        failed += [name] if done.returncode else []
    print(f"failed: {', '.join(failed) or 'none'}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
