"""A pytest plugin for ``make mutants`` alone: what mutmut puts around each function does not count as a user's file.

A limit remembers the nearest file outside of the package that it was set from, and under mutmut each call within the
package goes through a function of mutmut's.
"""

from __future__ import annotations

import os

from mutmut.mutation import trampoline

from pytest_envrobust.checks import thresholds

thresholds._PACKAGE = (thresholds._PACKAGE, os.path.dirname(trampoline.__file__))  # type: ignore[assignment]
