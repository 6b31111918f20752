"""The start of every test: no settings in the environment, and the same Hypothesis examples each time."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.contract")

settings.register_profile("same", derandomize=True, max_examples=100, deadline=None, database=None)
settings.register_profile("search", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "since(version, reason): not for older versions of anycable-go")


def _is_setting(name: str) -> bool:
    return name == "PORT" or (name.startswith("ANYCABLE_") and name != "ANYCABLE_GO_BIN")


@pytest.fixture(autouse=True)
def no_settings_in_the_environment() -> Iterator[None]:
    """Hide the machine's settings from a test, and assert that the test leaves none behind."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if _is_setting(name)}
    yield
    left = {name: os.environ.pop(name) for name in list(os.environ) if _is_setting(name)}
    os.environ.update(hidden)
    assert not left
