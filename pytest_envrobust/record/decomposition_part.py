"""Why a source's labels are not the reference's, as the record has it."""

from __future__ import annotations

from pytest_envrobust.comparison.decomposition import Decomposition, Swap
from pytest_envrobust.record import schema


def decomposition_part(
    found: Decomposition, environment: str, reference: str, *, of: int, shared: schema.Shared | None
) -> schema.Decomposition:
    """What the record says of it; ``of`` is how many inputs there are, ``shared`` what both sources have in common."""
    return schema.Decomposition(
        environment=environment,
        reference=reference,
        n=found.n,
        of=of if of != found.n else None,
        flips=found.flips,
        swaps=[_swap_part(swap) for swap in found.swaps] or None,
        shared=shared,
    )


def recorded_decomposition(part: schema.Decomposition) -> Decomposition:
    """What `decomposition_part` was made from."""
    swaps = tuple(Swap(tuple(each.parts), each.flips, each.new, each.by_reference) for each in part.swaps or ())
    return Decomposition(part.n, part.flips, swaps)


def _swap_part(swap: Swap) -> schema.Swap:
    return schema.Swap(parts=list(swap.parts), flips=swap.flips, new=swap.new, by_reference=swap.by_reference)
