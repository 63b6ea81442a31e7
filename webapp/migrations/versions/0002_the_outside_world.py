"""the outside world

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

import webapp.columns

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acme_account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("directory_url", sa.String(length=500), nullable=False),
        sa.Column("thumbprint", sa.String(length=43), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("registered_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("refuses_not_after", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acme_account")),
        sa.UniqueConstraint("thumbprint", "directory_url", name=op.f("uq_acme_account_thumbprint_directory_url")),
    )
    op.create_table(
        "acme_order",
        sa.Column("ref", sa.String(length=32), nullable=False),
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("order_key", sa.String(length=200), nullable=False),
        sa.Column("csr_pem", sa.Text(), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("validity_days", sa.Integer(), nullable=False),
        sa.Column("submitted_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "step",
            sa.Enum(
                "submitted",
                "ordering",
                "proving",
                "finalizing",
                "downloading",
                "issued",
                "failed",
                name="acme_step",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("claim", sa.String(length=32), nullable=True),
        sa.Column("claimed_until", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("directory_url", sa.String(length=500), nullable=True),
        sa.Column("orders_placed", sa.Integer(), nullable=False),
        sa.Column("asks_validity", sa.Boolean(), nullable=False),
        sa.Column("order_url", sa.Text(), nullable=True),
        sa.Column("finalize_url", sa.Text(), nullable=True),
        sa.Column("certificate_url", sa.Text(), nullable=True),
        sa.Column("expires_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("authorizations", sa.JSON(), nullable=False),
        sa.Column("polled_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("next_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
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
                name="acme_revocation_reason",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.CheckConstraint("(step = 'failed') = (problem IS NOT NULL)", name=op.f("ck_acme_order_failed")),
        sa.CheckConstraint(
            "(step = 'issued') = (serial IS NOT NULL) AND (serial IS NULL) = (pem IS NULL) AND (serial IS NULL) = (issued_at IS NULL) AND (serial IS NULL) = (not_after IS NULL)",
            name=op.f("ck_acme_order_issued"),
        ),
        sa.CheckConstraint(
            "step NOT IN ('proving', 'finalizing', 'downloading') OR (directory_url IS NOT NULL AND order_url IS NOT NULL AND finalize_url IS NOT NULL)",
            name=op.f("ck_acme_order_placed"),
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revocation_reason IS NULL) AND (revoked_at IS NULL OR serial IS NOT NULL)",
            name=op.f("ck_acme_order_revoked"),
        ),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_acme_order")),
        sa.UniqueConstraint("order_key", "authority", name=op.f("uq_acme_order_order_key_authority")),
        sa.UniqueConstraint("serial", "authority", name=op.f("uq_acme_order_serial_authority")),
    )
    op.create_table(
        "bank_batch",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("msg_id", sa.String(length=35), nullable=False),
        sa.Column("message", sa.String(length=20), nullable=False),
        sa.Column("payments", sa.Integer(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("exported_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_batch")),
        sa.UniqueConstraint("msg_id", name=op.f("uq_bank_batch_msg_id")),
    )
    op.create_table(
        "bank_report",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("msg_id", sa.String(length=35), nullable=False),
        sa.Column("received_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_report")),
        sa.UniqueConstraint("sha256", name=op.f("uq_bank_report_sha256")),
    )
    op.create_table(
        "chosen_authority",
        sa.Column("order_key", sa.String(length=200), nullable=False),
        sa.Column("authority", sa.String(length=40), nullable=False),
        sa.Column("chosen_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("order_key", name=op.f("pk_chosen_authority")),
    )
    op.create_table(
        "mail_cursor",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("settled_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_id", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_mail_cursor_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_cursor")),
    )
    op.create_table(
        "provider_notification",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column(
            "provider",
            sa.Enum("balance", "alipay", "bank", name="provider", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("notify_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("refund_no", sa.String(length=64), nullable=False),
        sa.Column(
            "effect",
            sa.Enum(
                "asked",
                "not_ours",
                "mismatch",
                name="notification_effect",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("received_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_notification")),
        sa.UniqueConstraint("provider", "notify_id", name=op.f("uq_provider_notification_provider_notify_id")),
    )
    op.create_table(
        "bank_payment",
        sa.Column("refund_no", sa.String(length=35), nullable=False),
        sa.Column("holder", sa.String(length=140), nullable=False),
        sa.Column("iban", sa.String(length=34), nullable=False),
        sa.Column("number", sa.String(length=34), nullable=False),
        sa.Column("bank_code", sa.String(length=12), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("purpose", sa.String(length=140), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "waiting",
                "ordered",
                "paid",
                "rejected",
                name="bank_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("batch_id", sa.String(length=32), nullable=True),
        sa.Column("said", sa.String(length=4), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("elsewhere", sa.Boolean(), nullable=False),
        sa.Column("ordered_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(iban = '') <> (number = '')", name=op.f("ck_bank_payment_iban_or_number")),
        sa.CheckConstraint(
            "(status = 'waiting') = (batch_id IS NULL)", name=op.f("ck_bank_payment_waiting_without_file")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_bank_payment_amount")),
        sa.ForeignKeyConstraint(["batch_id"], ["bank_batch.id"], name=op.f("fk_bank_payment_batch_id")),
        sa.PrimaryKeyConstraint("refund_no", name=op.f("pk_bank_payment")),
    )
    with op.batch_alter_table("bank_payment", schema=None) as batch_op:
        batch_op.create_index("ix_bank_payment_batch_id", ["batch_id"], unique=False)
        batch_op.create_index("ix_bank_payment_waiting", ["status", "ordered_at"], unique=False)

    op.create_table(
        "bank_report_line",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("report_id", sa.String(length=32), nullable=False),
        sa.Column("refund_no", sa.String(length=35), nullable=False),
        sa.Column("said", sa.String(length=4), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column(
            "effect",
            sa.Enum(
                "paid",
                "rejected",
                "not_final",
                "known",
                "unknown",
                "mismatch",
                "contradiction",
                "duplicate",
                name="bank_line_effect",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["report_id"], ["bank_report.id"], name=op.f("fk_bank_report_line_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bank_report_line")),
    )
    with op.batch_alter_table("bank_report_line", schema=None) as batch_op:
        batch_op.create_index("ix_bank_report_line_said_at", ["said", "at"], unique=False)

    op.create_table(
        "mail_preference",
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column(
            "kind_group",
            sa.Enum(
                "receipts",
                "reminders",
                "duties",
                name="mail_group",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("changed_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind_group <> 'receipts'", name=op.f("ck_mail_preference_receipts_are_always_sent")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_mail_preference_account_id")),
        sa.PrimaryKeyConstraint("account_id", "kind_group", name=op.f("pk_mail_preference")),
    )
    op.create_table(
        "payer_account",
        sa.Column("purchase_id", sa.String(length=32), nullable=False),
        sa.Column("holder", sa.String(length=140), nullable=False),
        sa.Column("iban", sa.String(length=34), nullable=False),
        sa.Column("number", sa.String(length=34), nullable=False),
        sa.Column("bank_code", sa.String(length=12), nullable=False),
        sa.Column("stored_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(iban = '') <> (number = '')", name=op.f("ck_payer_account_iban_or_number")),
        sa.ForeignKeyConstraint(["purchase_id"], ["purchase.id"], name=op.f("fk_payer_account_purchase_id")),
        sa.PrimaryKeyConstraint("purchase_id", name=op.f("pk_payer_account")),
    )
    op.create_table(
        "domain_control",
        sa.Column("submission_id", sa.String(length=32), nullable=False),
        sa.Column("certificate_id", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("checked_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column(
            "held_by",
            sa.Enum(
                "dns_txt",
                "http_token",
                name="domain_control_held_by",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("held_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("caa_checked_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.Column("caa_problem", sa.Text(), nullable=True),
        sa.CheckConstraint("(held_at IS NULL) = (held_by IS NULL)", name=op.f("ck_domain_control_held")),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_domain_control_certificate_id")),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_domain_control")),
    )
    with op.batch_alter_table("domain_control", schema=None) as batch_op:
        batch_op.create_index("ix_domain_control_certificate", ["certificate_id"], unique=False)

    op.create_table(
        "mail",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("history_id", sa.BigInteger(), nullable=True),
        sa.Column("occasion", sa.String(length=80), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "applied",
                "approved",
                "paid",
                "fallback",
                "rejected",
                "returned",
                "issued",
                "verification_failed",
                "issuance_refused",
                "revoked",
                "revocation_refused",
                "window_week",
                "window_day",
                "expiring_month",
                "expiring_week",
                "review_overdue",
                "revocation_slow",
                name="mail_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("certificate_id", sa.String(length=32), nullable=True),
        sa.Column("refund_id", sa.String(length=32), nullable=True),
        sa.Column("recipient_id", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "due",
                "sent",
                "given_up",
                "suppressed",
                name="mail_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("message_id", sa.String(length=320), nullable=False),
        sa.Column("created_at", webapp.columns.UtcDateTime(timezone=True), nullable=False),
        sa.Column("sent_at", webapp.columns.UtcDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'sent') = (sent_at IS NOT NULL)", name=op.f("ck_mail_sent")),
        sa.CheckConstraint("(history_id IS NULL) <> (occasion IS NULL)", name=op.f("ck_mail_one_cause")),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificate.id"], name=op.f("fk_mail_certificate_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["account.id"], name=op.f("fk_mail_recipient_id")),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_mail_refund_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sa.UniqueConstraint("history_id", "kind", "recipient_id", name=op.f("uq_mail_history_id_kind_recipient_id")),
        sa.UniqueConstraint("occasion", "kind", "recipient_id", name=op.f("uq_mail_occasion_kind_recipient_id")),
    )
    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.create_index(
            "ix_mail_due",
            ["due_at"],
            unique=False,
            postgresql_where=sa.text("status = 'due'"),
            sqlite_where=sa.text("status = 'due'"),
        )
        batch_op.create_index("ix_mail_status", ["status", "created_at"], unique=False)

    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.create_index("ix_certificate_expiry", ["state", "not_after"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("certificate", schema=None) as batch_op:
        batch_op.drop_index("ix_certificate_expiry")

    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.drop_index("ix_mail_status")
        batch_op.drop_index(
            "ix_mail_due", postgresql_where=sa.text("status = 'due'"), sqlite_where=sa.text("status = 'due'")
        )

    op.drop_table("mail")
    with op.batch_alter_table("domain_control", schema=None) as batch_op:
        batch_op.drop_index("ix_domain_control_certificate")

    op.drop_table("domain_control")
    op.drop_table("payer_account")
    op.drop_table("mail_preference")
    with op.batch_alter_table("bank_report_line", schema=None) as batch_op:
        batch_op.drop_index("ix_bank_report_line_said_at")

    op.drop_table("bank_report_line")
    with op.batch_alter_table("bank_payment", schema=None) as batch_op:
        batch_op.drop_index("ix_bank_payment_waiting")
        batch_op.drop_index("ix_bank_payment_batch_id")

    op.drop_table("bank_payment")
    op.drop_table("provider_notification")
    op.drop_table("mail_cursor")
    op.drop_table("chosen_authority")
    op.drop_table("bank_report")
    op.drop_table("bank_batch")
    op.drop_table("acme_order")
    op.drop_table("acme_account")
