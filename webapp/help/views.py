"""The documentation in the console, for everybody: signed in or not."""

from flask import Blueprint, render_template, send_from_directory, url_for
from markupsafe import Markup
from werkzeug.wrappers import Response

import webapp
from webapp.access import parts, public
from webapp.errors import NotFound
from webapp.help.markdown import Document, render
from webapp.help.truths import fill_in
from webapp.wording import _

blueprint = Blueprint("help", __name__, url_prefix="/help")

FIRST = "README"

# In the wheel the documents lie inside the package, in a checkout beside it.
INSIDE = webapp.HERE / "docs"
FOLDER = INSIDE if INSIDE.is_dir() else webapp.HERE.parent / "docs"


@blueprint.get("")
@public
def first_page() -> str:
    """What there is to read, and for whom."""
    found = document(FIRST)
    others = [(name, url_for("help.page", name=name)) for name in names() if name != FIRST]
    return _show(found, [(document(name).title, url) for name, url in others if f'href="{url}"' not in found.html])


@blueprint.get("/<name>")
@public
def page(name: str) -> str:
    """One document."""
    if name not in names() or name == FIRST:
        raise NotFound(_("There is no such page in the help."), _("Open the help and choose one there."))
    return _show(document(name), [])


@blueprint.get("/<path:name>.<any(png, svg):kind>")
@public
def picture(name: str, kind: str) -> Response:
    """A picture that a document shows."""
    return send_from_directory(FOLDER, f"{name}.{kind}")


def names() -> list[str]:
    """The documents that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


def document(name: str) -> Document:
    """One document, as it is true for this shop."""
    text = (FOLDER / f"{name}.md").read_text("utf-8")
    return render(fill_in(text, parts().settings, parts().desk.policy), FOLDER, url_for("help.first_page"))


def _show(found: Document, more: list[tuple[str, str]]) -> str:
    # Made from our own documents, in which HTML is switched off.
    html = Markup(found.html)  # noqa: S704
    places = [heading for heading in found.headings if heading.level == 2]
    return render_template("help/page.html", document=found, html=html, places=places, more=more)
