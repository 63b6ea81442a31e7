"""``python -m certlifecycle``: the life cycle as a table, as Mermaid text and as a picture."""

import argparse
from collections.abc import Sequence

from certlifecycle.diagram import markdown_table, mermaid, svg, text_table


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was asked for, or all three. Raises :class:`SystemExit` for arguments it does not know."""
    parser = argparse.ArgumentParser(prog="python -m certlifecycle", description="Print the life cycle.")
    forms = parser.add_subparsers(dest="form", metavar="form", help="without one: all three")
    table = forms.add_parser("table", help="the transition table")
    table.add_argument("--markdown", action="store_true", help="in Markdown")
    forms.add_parser("mermaid", help="the state diagram as Mermaid text")
    forms.add_parser("svg", help="the state diagram as a picture")
    asked = parser.parse_args(arguments)

    if asked.form in ("table", None):
        print(markdown_table() if asked.form and asked.markdown else text_table())
    if asked.form is None:
        print()
    if asked.form in ("mermaid", None):
        print(mermaid())
    if asked.form is None:
        print()
    if asked.form in ("svg", None):
        print(svg(standalone=True))


if __name__ == "__main__":
    main()
