"""Programs that are no Python packages and that some tests use beside the client libraries."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """Its path. Without it the test is skipped with the reason; in CI, which installs it (.ci/run), it fails."""
    found = shutil.which(name)
    if found:
        return found
    reason = f"{name} is not installed here"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}, though .ci/run should have installed it")
    pytest.skip(reason)
