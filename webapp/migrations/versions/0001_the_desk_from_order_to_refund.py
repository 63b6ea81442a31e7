"""the desk from order to refund

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns
from webapp.migrations.triggers import allow, forbid

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.String(length=200), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "customer",
                "reviewer",
                "admin",
                "system",
                name="account_role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("email", name=op.f("uq_account_email")),
    )
    op.create_table(
        "ca_certificate",
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("order_key", sa.String(length=200), nullable=False),
        sa.Column("csr_pem", sa.Text(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("submitted_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("issuer", sa.String(length=40), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("pem", sa.Text(), nullable=True),
        sa.Column("issued_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("not_after", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column(
            "revocation_reason",
            sa.Enum(
                "unspecified",
                "key_compromise",
                "affiliation_changed",
                "superseded",
                "cessation_of_operation",
                name="ca_revocation_reason",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revocation_reason IS NULL) AND (revoked_at IS NULL OR serial IS NOT NULL)",
            name=op.f("ck_ca_certificate_revoked"),
        ),
        sa.CheckConstraint(
            "(serial IS NULL) = (pem IS NULL) AND (serial IS NULL) = (issuer IS NULL) AND (serial IS NULL) = (issued_at IS NULL) AND (serial IS NULL) = (not_after IS NULL)",
            name=op.f("ck_ca_certificate_issued"),
        ),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_ca_certificate")),
        sa.UniqueConstraint("order_key", name=op.f("uq_ca_certificate_order_key")),
        sa.UniqueConstraint("serial", name=op.f("uq_ca_certificate_serial")),
    )
    with op.batch_alter_table("ca_certificate", schema=None) as batch_op:
        batch_op.create_index(
            "ix_ca_certificate_revoked",
            ["issuer"],
            unique=False,
            postgresql_where=sa.text("revoked_at IS NOT NULL"),
            sqlite_where=sa.text("revoked_at IS NOT NULL"),
        )

    op.create_table(
        "ca_crl",
        sa.Column("issuer", sa.String(length=40), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("covered", sa.Integer(), nullable=False),
        sa.Column("this_update", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("issuer", name=op.f("pk_ca_crl")),
    )
    op.create_table(
        "ledger_account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("balance_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("balance_minor >= 0 OR owner LIKE 'desk:%'", name=op.f("ck_ledger_account_not_overdrawn")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_account")),
        sa.UniqueConstraint("owner", "currency", name=op.f("uq_ledger_account_owner_currency")),
    )
    op.create_table(
        "ledger_transfer",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=False),
        sa.Column("debit_id", sa.String(length=32), nullable=False),
        sa.Column("credit_id", sa.String(length=32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("memo", sa.String(length=300), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_ledger_transfer_amount")),
        sa.CheckConstraint("debit_id <> credit_id", name=op.f("ck_ledger_transfer_two_accounts")),
        sa.ForeignKeyConstraint(["credit_id"], ["ledger_account.id"], name=op.f("fk_ledger_transfer_credit_id")),
        sa.ForeignKeyConstraint(["debit_id"], ["ledger_account.id"], name=op.f("fk_ledger_transfer_debit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_transfer")),
        sa.UniqueConstraint("kind", "reference", name=op.f("uq_ledger_transfer_kind_reference")),
    )
    with op.batch_alter_table("ledger_transfer", schema=None) as batch_op:
        batch_op.create_index("ix_ledger_transfer_credit", ["credit_id"], unique=False)
        batch_op.create_index("ix_ledger_transfer_debit", ["debit_id"], unique=False)

    op.create_table(
        "purchase",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("product", sa.String(length=64), nullable=False),
        sa.Column("product_name", sa.String(length=120), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("voucher_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "payment_method",
            sa.Enum(
                "balance", "alipay", "bank", name="payment_method", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("payment_reference", sa.String(length=128), nullable=False),
        sa.Column("payment_account", sa.String(length=64), nullable=False),
        sa.Column("paid_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_purchase_amount")),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_purchase_currency")),
        sa.CheckConstraint("refunded_minor >= 0 AND refunded_minor <= amount_minor", name=op.f("ck_purchase_refunded")),
        sa.CheckConstraint("voucher_minor >= 0 AND voucher_minor <= amount_minor", name=op.f("ck_purchase_voucher")),
        sa.ForeignKeyConstraint(["customer_id"], ["account.id"], name=op.f("fk_purchase_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchase")),
        sa.UniqueConstraint("number", name=op.f("uq_purchase_number")),
    )
    with op.batch_alter_table("purchase", schema=None) as batch_op:
        batch_op.create_index("ix_purchase_customer_id", ["customer_id"], unique=False)

    op.create_table(
        "web_session",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("user_agent", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_web_session_account_id")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_web_session")),
    )
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.create_index("ix_web_session_account_id", ["account_id"], unique=False)

    op.create_table(
        "certificate",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("purchase_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("domain", sa.String(length=255), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "pending",
                "submitted",
                "verified",
                "failed",
                "issued",
                "revoking",
                "revoked",
                "refund_requested",
                "refund_approved",
                "refunded",
                "rejected",
                name="certificate_state",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("state_since", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("csr_pem", sa.Text(), nullable=True),
        sa.Column("key_description", sa.String(length=120), nullable=True),
        sa.Column("submission_id", sa.String(length=32), nullable=True),
        sa.Column("submitted_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("issued_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("not_before", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("not_after", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("serial", sa.String(length=40), nullable=True),
        sa.Column("issuer", sa.String(length=300), nullable=True),
        sa.Column("fingerprint", sa.String(length=95), nullable=True),
        sa.Column("chain_pem", sa.Text(), nullable=True),
        sa.Column(
            "revocation_reason",
            sa.Enum(
                "unspecified",
                "key_compromise",
                "affiliation_changed",
                "superseded",
                "cessation_of_operation",
                name="revocation_reason",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("revoked_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("due_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("work_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["account.id"], name=op.f("fk_certificate_customer_id")),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"], name=op.f("fk_certificate_purchase_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
        sa.UniqueConstraint("purchase_id", name=op.f("uq_certificate_purchase_id")),
    )
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.create_index("ix_certificate_created", ["created_at", "id"], unique=False)
        batch_op.create_index("ix_certificate_customer_created", ["customer_id", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_certificate_due",
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.create_index("ix_certificate_state", ["state", "state_since"], unique=False)

    op.create_table(
        "history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("refund_id", sa.String(length=32), nullable=True),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column(
            "from_state",
            sa.Enum(
                "pending",
                "submitted",
                "verified",
                "failed",
                "issued",
                "revoking",
                "revoked",
                "refund_requested",
                "refund_approved",
                "refunded",
                "rejected",
                name="history_from",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column(
            "to_state",
            sa.Enum(
                "pending",
                "submitted",
                "verified",
                "failed",
                "issued",
                "revoking",
                "revoked",
                "refund_requested",
                "refund_approved",
                "refunded",
                "rejected",
                name="history_to",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("actor_id", sa.String(length=32), nullable=False),
        sa.Column(
            "actor_role",
            sa.Enum(
                "customer",
                "reviewer",
                "admin",
                "system",
                name="history_role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("actor_name", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column(
            "channel",
            sa.Enum(
                "web",
                "worker",
                "command_line",
                "import",
                "demo",
                name="history_channel",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_history_certificate_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_history")),
    )
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.create_index("ix_history_certificate", ["certificate_id", "id"], unique=False)

    op.create_table(
        "refund",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("customer_id", sa.String(length=32), nullable=False),
        sa.Column("applicant_id", sa.String(length=32), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "open",
                "approved",
                "refunded",
                "rejected",
                "withdrawn",
                name="refund_outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "origin",
            sa.Enum(
                "pending",
                "submitted",
                "verified",
                "failed",
                "issued",
                "revoking",
                "revoked",
                "refund_requested",
                "refund_approved",
                "refunded",
                "rejected",
                name="refund_origin",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "reason_code",
            sa.Enum(
                "not_needed",
                "wrong_product",
                "wrong_domain",
                "verification_trouble",
                "bought_twice",
                "other",
                name="refund_reason",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "method",
            sa.Enum(
                "balance", "alipay", "bank", name="refund_method", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column("destination", sa.String(length=200), nullable=False),
        sa.Column("rule", sa.String(length=40), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("deadline", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("policy_version", sa.String(length=120), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("applied_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("soonest", sa.Date(), nullable=False),
        sa.Column("latest", sa.Date(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("decided_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("decision_reason", sa.Text(), nullable=True),
        sa.Column("instructions", sa.Text(), nullable=True),
        sa.Column("paid_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("paid_to", sa.String(length=200), nullable=True),
        sa.Column("payout_reference", sa.String(length=128), nullable=True),
        sa.Column("closed_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "origin IN ('pending', 'failed', 'revoked')", name=op.f("ck_refund_origin_is_a_refund_origin")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_amount")),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_refund_currency")),
        sa.ForeignKeyConstraint(["applicant_id"], ["account.id"], name=op.f("fk_refund_applicant_id")),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_refund_certificate_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["account.id"], name=op.f("fk_refund_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("number", name=op.f("uq_refund_number")),
    )
    with op.batch_alter_table("refund", schema=None) as batch_op:
        batch_op.create_index("ix_refund_certificate", ["certificate_id", "applied_at"], unique=False)
        batch_op.create_index("ix_refund_customer", ["customer_id", "applied_at", "id"], unique=False)
        batch_op.create_index(
            "uq_refund_open",
            ["certificate_id"],
            unique=True,
            postgresql_where=sa.text("closed_at IS NULL"),
            sqlite_where=sa.text("closed_at IS NULL"),
        )

    op.create_table(
        "payout",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("refund_id", sa.String(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column(
            "method",
            sa.Enum(
                "balance", "alipay", "bank", name="payout_method", native_enum=False, create_constraint=True, length=40
            ),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "intended",
                "sent",
                "unknown",
                "confirmed",
                "refused",
                name="payout_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reference", sa.String(length=128), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("intended_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payout_amount")),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_payout_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payout")),
        sa.UniqueConstraint("refund_id", "round", "method", name=op.f("uq_payout_refund_id_round_method")),
    )
    op.create_table(
        "refund_approval",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("refund_id", sa.String(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("reviewer_id", sa.String(length=32), nullable=False),
        sa.Column("reviewer_name", sa.String(length=200), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_refund_approval_refund_id")),
        sa.ForeignKeyConstraint(["reviewer_id"], ["account.id"], name=op.f("fk_refund_approval_reviewer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_approval")),
        sa.UniqueConstraint(
            "refund_id", "round", "reviewer_id", name=op.f("uq_refund_approval_refund_id_round_reviewer_id")
        ),
    )

    for table in ("history", "ledger_transfer", "refund_approval"):
        forbid(op.get_bind(), table, "UPDATE", "DELETE")
    forbid(op.get_bind(), "payout", "DELETE")


def downgrade() -> None:
    allow(op.get_bind(), "payout", "DELETE")
    for table in ("history", "ledger_transfer", "refund_approval"):
        allow(op.get_bind(), table, "UPDATE", "DELETE")
    op.drop_table("refund_approval")
    op.drop_table("payout")
    with op.batch_alter_table("refund", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_refund_open", postgresql_where=sa.text("closed_at IS NULL"), sqlite_where=sa.text("closed_at IS NULL")
        )
        batch_op.drop_index("ix_refund_customer")
        batch_op.drop_index("ix_refund_certificate")

    op.drop_table("refund")
    with op.batch_alter_table("history", schema=None) as batch_op:
        batch_op.drop_index("ix_history_certificate")

    op.drop_table("history")
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.drop_index("ix_certificate_state")
        batch_op.drop_index(
            "ix_certificate_due",
            postgresql_where=sa.text("due_at IS NOT NULL"),
            sqlite_where=sa.text("due_at IS NOT NULL"),
        )
        batch_op.drop_index("ix_certificate_customer_created")
        batch_op.drop_index("ix_certificate_created")

    op.drop_table("certificate")
    with op.batch_alter_table("web_session", schema=None) as batch_op:
        batch_op.drop_index("ix_web_session_account_id")

    op.drop_table("web_session")
    with op.batch_alter_table("purchase", schema=None) as batch_op:
        batch_op.drop_index("ix_purchase_customer_id")

    op.drop_table("purchase")
    with op.batch_alter_table("ledger_transfer", schema=None) as batch_op:
        batch_op.drop_index("ix_ledger_transfer_debit")
        batch_op.drop_index("ix_ledger_transfer_credit")

    op.drop_table("ledger_transfer")
    op.drop_table("ledger_account")
    op.drop_table("ca_crl")
    with op.batch_alter_table("ca_certificate", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_ca_certificate_revoked",
            postgresql_where=sa.text("revoked_at IS NOT NULL"),
            sqlite_where=sa.text("revoked_at IS NOT NULL"),
        )

    op.drop_table("ca_certificate")
    op.drop_table("account")
