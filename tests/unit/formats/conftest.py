"""Hypothesis without deadlines: how long one example takes says more of the machine's other work than of the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
