"""The soak's own modules and its worlds on paper, for its tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from soak_world import World, files_in


@pytest.fixture
def paper_world(tmp_path: Path) -> World:
    """The soak's application, deployed nowhere yet, on a cloud that is a file."""
    files_in(tmp_path)
    return World(tmp_path, f"sqlite:///{tmp_path}/state.db", paper=True)


@pytest.fixture
def acted(paper_world: World) -> Callable[..., int]:
    """acted(operation, place): carries it out in a fork; how that ended."""
    from soak_world import disturbed, nowhere

    def act(operation: str, place: Callable[[str, str], None] = nowhere, how: str = "command") -> int:
        return disturbed(paper_world, operation, how, paper_world.folder / "notes.txt", place).wait()

    return act
