"""What a model takes: the shape and type of its input tensor."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TensorSpec:
    """Shape, dtype and (where a format has one) name of a tensor; ``None`` is a dimension left open."""

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    name: str = "input"

    @property
    def batch(self) -> int:
        """How many inputs one call takes; 1 where the dimension is open."""
        return self.shape[0] or 1

    def with_batch(self, batch: int | None) -> TensorSpec:
        return TensorSpec((batch, *self.shape[1:]), self.dtype, self.name)

    def accepts(self, shape: tuple[int, ...], dtype: str) -> bool:
        """Whether an array of this shape, its batch dimension aside, and dtype can be fed."""
        if len(shape) != len(self.shape) or dtype != self.dtype:
            return False
        return all(mine in (None, theirs) for mine, theirs in zip(self.shape[1:], shape[1:]))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"
