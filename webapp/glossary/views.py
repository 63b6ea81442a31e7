"""Short pages that explain."""

from flask import Blueprint, render_template

from webapp.glossary import words

blueprint = Blueprint("glossary", __name__, url_prefix="/help")


@blueprint.get("/states")
def states() -> str:
    """What the states and the words mean."""
    return render_template("glossary/states.html", states=words.states(), terms=words.TERMS)
