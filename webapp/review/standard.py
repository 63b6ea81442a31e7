"""The texts of refusals that came with the desk, as they stand in its database: known to every language's catalogue.

An administrator may change them there; what they wrote themselves is shown as they wrote it.
"""

from webapp.retelling import stored

STANDARD = (
    (
        stored("No control of the domain"),
        stored("We could not confirm that you control the domain."),
        "",
    ),
    (
        stored("Organisation not confirmed"),
        stored("We could not confirm the organisation that the order names."),
        "",
    ),
    (
        stored("Names do not fit"),
        stored("The names in the signing request do not fit the order."),
        "",
    ),
    (
        stored("Still in use"),
        stored("The certificate was still in use when we looked."),
        stored("Install another certificate on your servers, then apply again."),
    ),
    (
        stored("Not covered by the terms"),
        stored("This order is not covered by the refund terms that you agreed to."),
        stored("If you see it differently, write to us with the order number."),
    ),
    (
        stored("Reason not clear"),
        stored("From the reason that you gave we cannot tell why the money should go back."),
        stored("Apply again and tell us what happened."),
    ),
)
"""Their names, what the customer reads, and what they can do then."""
