"""Questions that the documents did not answer and that somebody has seen to."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gaps_done",
        sa.Column("turn", sa.String(36), primary_key=True),
        sa.Column(
            "conversation_id", sa.String(36), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_gaps_done_conversation", "gaps_done", ["conversation_id"])


def downgrade() -> None:
    op.drop_table("gaps_done")
