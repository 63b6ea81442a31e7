"""The page on which an administrator looks after the reasons that reviewers give often."""

from flask import flash, render_template, request, url_for

from certlifecycle import Role, phrase
from webapp.access import account, only, parts
from webapp.htmx import go_to
from webapp.retelling import Stored
from webapp.review import reasons
from webapp.review.blueprint import Answer, blueprint
from webapp.review.forms import TemplateForm
from webapp.review.models import ReasonKind, ReasonTemplate
from webapp.wording import _

admins_only = only(Role.ADMIN)

TOO_LATE = phrase("Somebody else changed it in the meantime. Look at it as it is now, then change it again.")


@blueprint.get("/reasons")
@admins_only
def list_reasons() -> str:
    """All texts by what they are for, the retired ones last."""
    with parts().database.reading() as session:
        everything = reasons.everything(session)
    groups = [(reasons.KIND_WORDS[kind], [one for one in everything if one.kind == kind]) for kind in ReasonKind]
    return render_template("review/reasons.html", groups=groups)


@blueprint.route("/reasons/new", methods=["GET", "POST"])
@admins_only
def add_reason() -> Answer:
    """Add a text."""
    form = TemplateForm(kind=request.args.get("kind", type=ReasonKind))
    if not form.is_submitted():
        return render_template("review/reason.html", form=form, known=None, trouble=None), 200
    if not form.validate():
        return render_template("review/reason.html", form=form, known=None, trouble=None), 422
    with parts().database.writing() as session:
        added = reasons.add(session, form.wording, account(), parts().desk.clock())
        label = added.label
    flash(_("“{label}” is offered to reviewers from now on.", label=label), "success")
    return go_to(url_for("review.list_reasons"))


@blueprint.route("/reasons/<key:template_id>", methods=["GET", "POST"])
@admins_only
def change_reason(template_id: str) -> Answer:
    """Change a text. Decisions that were made with it keep their own words."""
    known = _template(template_id)
    form = TemplateForm(obj=known)
    if not form.is_submitted():
        return render_template("review/reason.html", form=form, known=known, trouble=None), 200
    if not form.validate():
        return render_template("review/reason.html", form=form, known=known, trouble=None), 422
    version, now = form.version.data or 0, parts().desk.clock()
    with parts().database.writing() as session:
        changed = reasons.change(session, template_id, version, form.wording, account(), now)
    if not changed:
        return render_template("review/reason.html", form=form, known=known, trouble=_(TOO_LATE)), 409
    flash(
        _("“{label}” is changed. What customers were told before stays as it was.", label=Stored(form.wording.label)),
        "success",
    )
    return go_to(url_for("review.list_reasons"))


@blueprint.post("/reasons/<key:template_id>/retire", endpoint="retire_reason")
@admins_only
def retire_reason(template_id: str) -> Answer:
    """Offer a text no longer."""
    return _retire(template_id, back=False)


@blueprint.post("/reasons/<key:template_id>/restore", endpoint="restore_reason")
@admins_only
def restore_reason(template_id: str) -> Answer:
    """Offer a text again."""
    return _retire(template_id, back=True)


def _retire(template_id: str, *, back: bool) -> Answer:
    known = _template(template_id)
    version = request.form.get("version", 0, type=int)
    with parts().database.writing() as session:
        changed = reasons.retire(session, template_id, version, account(), parts().desk.clock(), back=back)
    if not changed:
        flash(_(TOO_LATE), "warning")
    elif back:
        flash(_("“{label}” is offered to reviewers again.", label=Stored(known.label)), "success")
    else:
        flash(
            _("“{label}” is offered no longer. You can bring it back at any time.", label=Stored(known.label)),
            "success",
        )
    return go_to(url_for("review.list_reasons"))


def _template(template_id: str) -> ReasonTemplate:
    with parts().database.reading() as session:
        return reasons.template(session, template_id)
