"""The limits as whoever sets them sees them: the table from which options, ini keys and their help are made.

Every pytest run reads it, with ``--envrobust`` or without: it imports nothing, and a named tuple costs a fraction of
what a dataclass takes to be made.
"""

from __future__ import annotations

from typing import NamedTuple


class LimitKind(NamedTuple):
    """A limit: its name, one line of help, the words that it may be, whether the command line takes it without one."""

    name: str
    meaning: str
    choices: tuple[str, ...] = ()
    is_switch: bool = False


def limit_kinds() -> dict[str, LimitKind]:
    """Every limit by name."""
    return {kind.name: kind for kind in _LIMIT_KINDS}


_LIMIT_KINDS = (
    LimitKind("min_label_agreement", "share of top-1 labels that must agree with the reference's (default: 1.0)"),
    LimitKind(
        "ties",
        "count (default): a tie is a flip; ignore: ties are left out of the share of labels that agree",
        choices=("count", "ignore"),
    ),
    LimitKind(
        "bound",
        "what the inputs show at 95 % confidence must reach the limit on labels, not the share of these alone",
        choices=("true", "false"),
        is_switch=True,
    ),
    LimitKind("max_abs_error", "largest difference of a score from the reference's"),
    LimitKind("max_relative_error", "largest difference of a score, as a share of its input's largest score"),
    LimitKind("max_fidelity_ratio", "error against double precision, as a multiple of the reference's own"),
    LimitKind("max_latency_ms", "longest median wall time of a call, in milliseconds"),
    LimitKind("max_latency_p90_ms", "wall time that nine in ten calls must not exceed, in milliseconds"),
    LimitKind("max_latency_p99_ms", "wall time that 99 in 100 calls must not exceed, in milliseconds"),
    LimitKind("max_latency_ratio", "longest time of a call, as a multiple of the reference's"),
    LimitKind(
        "max_latency_regression",
        "longest time of a call, as a multiple of its own in the run of --envrobust-baseline",
    ),
)
