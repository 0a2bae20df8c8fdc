"""Conversations become trees of turns with one branch shown, can be pinned, and take feedback; corrections hang on
questions instead of places."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

NAMES = {"uq": "%(table_name)s_%(column_0_N_name)s_key"}
"""As PostgreSQL names them by itself. SQLite keeps no name, and what has none cannot be dropped."""
ONE_PLACE, ONE_QUESTION = "corrections_conversation_id_position_key", "corrections_conversation_id_question_key"
NEWEST = "ORDER BY other.version DESC LIMIT 1"
UPGRADE = (
    # Only the last turn was ever run again: what came after a turn came after its newest version.
    "UPDATE turns SET question = COALESCE((SELECT other.id FROM turns AS other WHERE other.position = turns.position"
    " AND other.conversation_id = turns.conversation_id AND other.text = turns.text"
    " ORDER BY other.version LIMIT 1), id), parent = (SELECT other.id FROM turns AS other"
    " WHERE other.conversation_id = turns.conversation_id AND other.position = turns.position - 1 " + NEWEST + ")",
    "UPDATE conversations SET leaf = (SELECT other.id FROM turns AS other WHERE other.conversation_id ="
    " conversations.id ORDER BY other.position DESC, other.version DESC LIMIT 1)",
)
SHOWN = (
    "WITH RECURSIVE shown (id, parent, question) AS (SELECT turns.id, turns.parent, turns.question FROM turns"
    " JOIN conversations ON conversations.leaf = turns.id UNION ALL SELECT turns.id, turns.parent, turns.question"
    " FROM turns JOIN shown ON turns.id = shown.parent) "
)
DOWNGRADE = (
    # What is left is the shown branch and the versions of its turns, of which the shown one becomes the newest.
    SHOWN + "DELETE FROM turns WHERE question NOT IN (SELECT question FROM shown)",
    SHOWN + "UPDATE turns SET version = 1 + (SELECT MAX(other.version) FROM turns AS other"
    " WHERE other.conversation_id = turns.conversation_id AND other.position = turns.position)"
    " WHERE id IN (SELECT id FROM shown)",
    "DELETE FROM corrections WHERE question NOT IN (SELECT question FROM turns)",
    "UPDATE corrections SET position = (SELECT turns.position FROM turns WHERE turns.id = corrections.question)",
)


def upgrade() -> None:
    # Not in a batch: SQLite would make the table anew and drop the old one, with all that hangs on it.
    op.add_column("conversations", sa.Column("leaf", sa.String(36)))
    op.add_column("conversations", sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("turns", sa.Column("parent", sa.String(36)))
    op.add_column("turns", sa.Column("question", sa.String(36), nullable=False, server_default=""))
    op.add_column("turns", sa.Column("written_at", sa.DateTime(timezone=True)))
    for statement in UPGRADE:
        op.execute(statement)
    running = sa.text("status = 'running'")
    op.create_index("ix_turns_running", "turns", ["id"], sqlite_where=running, postgresql_where=running)
    with op.batch_alter_table("corrections", naming_convention=NAMES) as corrections:
        corrections.add_column(sa.Column("question", sa.String(36), nullable=False, server_default=""))
    op.execute(
        "UPDATE corrections SET question ="
        " COALESCE((SELECT turns.question FROM turns WHERE turns.id = corrections.turn), turn)"
    )
    with op.batch_alter_table("corrections", naming_convention=NAMES) as corrections:
        corrections.drop_constraint(ONE_PLACE, type_="unique")
        corrections.drop_column("position")
        corrections.create_unique_constraint(ONE_QUESTION, ["conversation_id", "question"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "conversation_id", sa.String(36), sa.ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("turn", sa.String(36), nullable=False),
        sa.Column("person", sa.String(255), nullable=False),
        sa.Column("thumb", sa.String(8), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("turn", "person"),
    )
    op.create_index("ix_feedback_conversation", "feedback", ["conversation_id"])


def downgrade() -> None:
    op.drop_table("feedback")
    with op.batch_alter_table("corrections", naming_convention=NAMES) as corrections:
        corrections.add_column(sa.Column("position", sa.Integer, nullable=False, server_default="0"))
        corrections.drop_constraint(ONE_QUESTION, type_="unique")
    for statement in DOWNGRADE:
        op.execute(statement)
    with op.batch_alter_table("corrections", naming_convention=NAMES) as corrections:
        corrections.drop_column("question")
        corrections.create_unique_constraint(ONE_PLACE, ["conversation_id", "position"])
    op.drop_index("ix_turns_running", "turns")
    for column in ("written_at", "question", "parent"):
        op.drop_column("turns", column)
    for column in ("pinned", "leaf"):
        op.drop_column("conversations", column)
