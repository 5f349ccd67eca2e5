"""Records may be `updating`. No table changes; an older duoyun does not know that word and has to refuse the state."""

from __future__ import annotations

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to change."""
