"""A desk for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handlers.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """The Slack side, at a Slack in which all is well."""
    made = Desk(tmp_path)
    yield made
    made.close()


@pytest.fixture
def rate_limited(tmp_path: Path) -> Iterator[Desk]:
    """The same with Slack's limits per method."""
    made = Desk(tmp_path, rate_limits=True)
    yield made
    made.close()
