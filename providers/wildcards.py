"""Action patterns of policy documents, as all clouds write them: `*` for any text, `?` for one sign, case ignored.

Callers: the adapters that evaluate the policies which their cloud shows them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text, re.IGNORECASE | re.DOTALL)


def covers(patterns: Iterable[str], action: str) -> bool:
    """Whether one of the patterns means the action."""
    return any(_expression(pattern).fullmatch(action) is not None for pattern in patterns)
