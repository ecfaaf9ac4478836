"""What a model takes: the shape and type of its input tensor, and what its integers stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Quantization:
    """What a tensor's integers stand for: ``real = (stored - zero_point) * scale``."""

    scale: float
    zero_point: int = 0

    def real(self, stored: float) -> float:
        """The real value that an integer stands for."""
        return (stored - self.zero_point) * self.scale

    def __str__(self) -> str:
        return f"scale {self.scale:.6g}, zero point {self.zero_point}"


@dataclass(frozen=True)
class TensorSpec:
    """Shape, dtype and (where a format has one) name of a tensor; ``None`` is a dimension left open.

    ``quantization`` is what the integers of a quantized tensor stand for, where its source says so.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    name: str = "input"
    quantization: Quantization | None = None

    @property
    def batch(self) -> int:
        """How many inputs one call takes; 1 where the dimension is open."""
        return self.shape[0] or 1

    def with_batch(self, batch: int | None) -> TensorSpec:
        return replace(self, shape=(batch, *self.shape[1:]))

    def accepts(self, shape: tuple[int, ...], dtype: str) -> bool:
        """Whether an array of this shape, its batch dimension aside, and dtype can be fed."""
        if len(shape) != len(self.shape) or dtype != self.dtype:
            return False
        return all(mine in (None, theirs) for mine, theirs in zip(self.shape[1:], shape[1:]))

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"
