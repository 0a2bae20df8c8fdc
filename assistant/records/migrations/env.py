"""Alembic's environment: runs the migrations on the connection that the caller hands over."""

from alembic import context

from assistant.records import api_keys, attachments, gaps, idempotency, sign_ins  # noqa: F401 - tables of Base
from assistant.records.models import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
