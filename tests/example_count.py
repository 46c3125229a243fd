"""Number of examples of a property test, in proportion to the profile: few in `make check`, many in `make explore`."""

from __future__ import annotations

from hypothesis import settings

USUAL = 100
"""Examples of a test that names no number, in the profiles dev and ci."""


def stride() -> int:
    """Step through cases that are all tried in the profiles dev and ci: 5 in `make check`."""
    return max(1, USUAL // settings().max_examples)


def examples(count: int) -> settings:
    """Settings under which a test tries `count` examples where others try USUAL: more or fewer in other profiles."""
    return settings(max_examples=max(1, count * settings().max_examples // USUAL))
