"""Several versions of a turn, the collection that it was to search, and corrections."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAMES = {"uq": "%(table_name)s_%(column_0_N_name)s_key"}
"""As PostgreSQL names them by itself. SQLite keeps no name, and what has none cannot be dropped."""
ONE_VERSION, VERSIONS = "turns_conversation_id_position_key", "turns_conversation_id_position_version_key"


def upgrade() -> None:
    with op.batch_alter_table("turns", naming_convention=NAMES) as turns:
        turns.add_column(sa.Column("version", sa.Integer, nullable=False, server_default="0"))
        turns.add_column(sa.Column("collection", sa.String(64)))
        turns.drop_constraint(ONE_VERSION, type_="unique")
        turns.create_unique_constraint(VERSIONS, ["conversation_id", "position", "version"])
    op.create_table(
        "corrections",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "conversation_id", sa.String(36), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("turn", sa.String(36), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("surface", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("history", sa.JSON, nullable=False),
        sa.Column("information", sa.Boolean, nullable=False),
        sa.Column("voice", sa.Boolean),
        sa.Column("decision", sa.JSON, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("conversation_id", "position"),
    )


def downgrade() -> None:
    op.drop_table("corrections")
    op.execute(
        "DELETE FROM turns WHERE EXISTS (SELECT 1 FROM turns AS newer WHERE newer.position = turns.position"
        " AND newer.conversation_id = turns.conversation_id AND newer.version > turns.version)"
    )
    with op.batch_alter_table("turns", naming_convention=NAMES) as turns:
        turns.drop_constraint(VERSIONS, type_="unique")
        turns.create_unique_constraint(ONE_VERSION, ["conversation_id", "position"])
        turns.drop_column("collection")
        turns.drop_column("version")
