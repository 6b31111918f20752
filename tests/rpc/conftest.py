from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from ..support.both_ways import App


@pytest.fixture(params=["def", "async"])
def app(request: pytest.FixtureRequest) -> Callable[..., App]:
    """A function that makes an app; each test runs with `def` and with `async def` callbacks."""
    return partial(App, request.param)
