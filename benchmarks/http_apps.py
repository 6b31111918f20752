"""The measured apps as web apps, for calls over HTTP."""

from __future__ import annotations

from . import apps

asynchronous = apps.asynchronous.asgi()
plain = apps.plain.asgi()
threaded = apps.plain.wsgi()
