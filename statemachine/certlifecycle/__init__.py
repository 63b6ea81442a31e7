"""The life of an SSL certificate from order to refund, as a state machine that anybody can embed.

Pure: it imports no web framework and no database, and reads no clock. Time, actor and policy come in as arguments.
"""

from certlifecycle.explain import (
    Declared,
    EventRefused,
    Permission,
    advance,
    declared_transitions,
    explain,
    judge,
    may_do,
    possible,
)
from certlifecycle.facts import Facts, Waiver
from certlifecycle.machine import Case, CertificateLifecycle, Kind, Refusal
from certlifecycle.money import Money, MoneyError
from certlifecycle.policy import (
    DEFAULT_POLICY,
    PRESETS,
    Basis,
    Outlook,
    PolicyError,
    RefundPolicy,
    Rule,
    Verdict,
    deadline,
    granted,
    refundable,
    verdict,
)
from certlifecycle.sentences import Sentence, phrase, say, show_plainly
from certlifecycle.states import (
    REFUND_ORIGINS,
    REFUND_STATES,
    REVIEWERS,
    RIGHTS,
    SYSTEM,
    Actor,
    Event,
    Mover,
    RevocationReason,
    Right,
    Role,
    State,
)

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_POLICY",
    "PRESETS",
    "REFUND_ORIGINS",
    "REFUND_STATES",
    "REVIEWERS",
    "RIGHTS",
    "SYSTEM",
    "Actor",
    "Basis",
    "Case",
    "CertificateLifecycle",
    "Declared",
    "Event",
    "EventRefused",
    "Facts",
    "Kind",
    "Money",
    "MoneyError",
    "Mover",
    "Outlook",
    "Permission",
    "PolicyError",
    "RefundPolicy",
    "Refusal",
    "RevocationReason",
    "Right",
    "Role",
    "Rule",
    "Sentence",
    "State",
    "Verdict",
    "Waiver",
    "advance",
    "deadline",
    "declared_transitions",
    "explain",
    "granted",
    "judge",
    "may_do",
    "phrase",
    "possible",
    "refundable",
    "say",
    "show_plainly",
    "verdict",
]
