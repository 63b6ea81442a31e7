"""Short pages that explain."""

from flask import Blueprint, render_template

from webapp.help import glossary

blueprint = Blueprint("help", __name__, url_prefix="/help")


@blueprint.get("/states")
def states() -> str:
    """What the states and the words mean."""
    return render_template("help/states.html", states=glossary.states(), terms=glossary.TERMS)
