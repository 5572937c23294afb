"""Delegations, proposals, undeliverable attendees and their other addresses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.add_column("attendee", sa.Column("delegated_from", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("answer", sa.Column("delegated_to", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.add_column("inbox", sa.Column("proposed_start", sa.String(26)))
    op.add_column("inbox", sa.Column("proposed_duration", sa.BigInteger()))
    op.add_column("inbox", sa.Column("sequence", sa.Integer()))
    op.add_column("inbox", sa.Column("comment", sa.Text(), nullable=False, server_default=sa.text("''")))
    op.create_table(
        "alias",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("attendee", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_alias")),
    )
    op.create_table(
        "undeliverable",
        sa.Column("entry", sa.Text(), nullable=False),
        sa.Column("attendee", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["entry"], ["entry.id"], name=op.f("fk_undeliverable_entry_entry"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry", "attendee", name=op.f("pk_undeliverable")),
    )
