from __future__ import annotations

from support.lab import lab

__all__ = ["lab"]
