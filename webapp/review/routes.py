"""All of the reviewers' pages, in one import."""

from webapp.review import claiming, deciding, many_views, reasons_views, views
from webapp.review.blueprint import blueprint

__all__ = ["blueprint", "claiming", "deciding", "many_views", "reasons_views", "views"]
