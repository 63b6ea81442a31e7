"""The forms about a certificate: handing in a CSR, and revoking."""

from collections.abc import Sequence

from wtforms import Field, RadioField, StringField, TextAreaField
from wtforms.validators import AnyOf, DataRequired, InputRequired, Length, ValidationError

from certlifecycle import RevocationReason
from webapp.authorities.acme_authority import names_problem
from webapp.certificates.csr import PRIVATE_KEY, CsrRejected, ParsedCsr, read_csr
from webapp.certificates.names import NameRejected, read_domain
from webapp.certificates.present import reason_label
from webapp.certificates.saved import LONGEST_NAME
from webapp.forms import DeskForm, UploadField, VersionForm, tidy
from webapp.wording import lazy, words


class SubmissionForm(VersionForm):
    """A CSR, pasted or as a file; the file counts where there are both. ``parsed`` is what was found in it.

    With ``names_from_csr`` the certificate authority takes the names from the CSR, which has to have exactly those of
    the order.
    """

    csr = TextAreaField(
        lazy("CSR"),
        render_kw={"rows": 12, "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )
    upload = UploadField(lazy("Or choose the file"), (".csr", ".pem", ".req", ".p10", ".der", ".txt"))

    def __init__(self, ordered_names: Sequence[str], *, names_from_csr: bool, least_rsa_bits: int) -> None:
        super().__init__()
        self.ordered_names = ordered_names
        self.names_from_csr = names_from_csr
        self.least_rsa_bits = least_rsa_bits
        self.parsed: ParsedCsr | None = None

    def validate_csr(self, field: Field) -> None:
        """Read what was handed in; what is wrong with it is said in words."""
        uploaded = self.upload.data.read() if self.upload.data else b""
        try:
            self.parsed = read_csr(uploaded or field.data or "", self.ordered_names, self.least_rsa_bits)
        except CsrRejected as rejected:
            if holds_private_key(rejected):
                # It was sent by mistake; the page that says so must not spread it further.
                field.data = ""
            raise ValidationError(words().sentences(*rejected.sentences)) from None
        field.data = self.parsed.pem
        problem = names_problem(self.parsed, self.ordered_names) if self.names_from_csr else None
        if problem is not None:
            raise ValidationError(problem)


def holds_private_key(rejected: CsrRejected) -> bool:
    """Whether a private key was handed in instead of a CSR, or with one."""
    return rejected.sentences[0] is PRIVATE_KEY


class RevocationReasonForm(DeskForm):
    """Why something is revoked."""

    reason = RadioField(
        lazy("Reason"),
        choices=lambda: {reason.value: reason_label(reason) for reason in RevocationReason},
        # The field's own check would speak of a choice that is not valid to somebody who has not made one.
        validate_choice=False,
        validators=[
            InputRequired(lazy("Choose a reason.")),
            AnyOf(list(RevocationReason), lazy("Choose one of the reasons.")),
        ],
    )


class RevocationForm(RevocationReasonForm, VersionForm):
    """Why it is revoked, and the domain once more, so that nobody revokes the wrong one."""

    domain = StringField(
        lazy("Domain"),
        validators=[InputRequired(lazy("Type the domain of the certificate."))],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )

    def __init__(self, certificate_domain: str) -> None:
        super().__init__()
        self.certificate_domain = certificate_domain

    def validate_domain(self, field: Field) -> None:
        """The same domain, in whichever script and case it is typed."""
        try:
            typed = read_domain(field.data)
        except NameRejected:
            typed = ""
        if typed != self.certificate_domain:
            raise ValidationError(lazy("This is not the domain of this certificate."))


class SavedSearchForm(DeskForm):
    """The name under which a search is kept; the search itself comes along as the parameters of its address."""

    name = StringField(
        lazy("Name"),
        filters=[tidy],
        validators=[
            DataRequired(lazy("Give the search a name, such as “To revoke”. Nothing was saved.")),
            Length(
                max=LONGEST_NAME,
                message=lazy("A name has at most {most} characters. Nothing was saved.", most=LONGEST_NAME),
            ),
        ],
        render_kw={"autocomplete": "off", "maxlength": LONGEST_NAME},
    )
