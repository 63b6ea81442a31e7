"""The blueprint that all of the reviewers' pages share."""

from flask import Blueprint
from werkzeug.wrappers import Response

blueprint = Blueprint("review", __name__, url_prefix="/review")

Answer = tuple[str, int] | Response
"""A page with its status, or a redirect."""
