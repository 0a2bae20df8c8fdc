"""Requests that have been carried out already, by the hash of their key."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("turn", sa.String(36)),
        sa.Column("conversation_id", sa.String(36), sa.ForeignKey("conversations.id", ondelete="CASCADE")),
        sa.Column("answer", sa.Text()),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_idempotency_made", "idempotency", ["made_at"])
    op.create_index("ix_idempotency_conversation", "idempotency", ["conversation_id"])


def downgrade() -> None:
    op.drop_table("idempotency")
