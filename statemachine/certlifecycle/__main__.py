"""``python -m certlifecycle``: the life cycle as a table, as Mermaid text and as a picture."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from certlifecycle.diagram import markdown_table, mermaid, svg, text_table

FORMS: Mapping[str, Callable[[], str]] = {
    "table": text_table,
    "markdown": markdown_table,
    "mermaid": mermaid,
    "svg": partial(svg, standalone=True),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the form asked for, or table, Mermaid and SVG. Raises :class:`SystemExit` for a form it does not know."""
    parser = argparse.ArgumentParser(prog="python -m certlifecycle", description="Print the life cycle.")
    parser.add_argument("form", nargs="?", choices=FORMS, help="without one: table, mermaid and svg")
    form = parser.parse_args(arguments).form
    wanted = [form] if form else ["table", "mermaid", "svg"]
    print("\n\n".join(FORMS[name]() for name in wanted))


if __name__ == "__main__":
    main()
