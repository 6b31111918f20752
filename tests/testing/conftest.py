from __future__ import annotations

from collections.abc import Iterator

import pytest

from .ways import WAYS, Way


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """Each test runs with sync and async apps, and with the verbs of sync and async tests."""
    way = Way(request.param)
    yield way
    way.close()
