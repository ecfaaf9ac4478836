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
    Of a model of several inputs they are the ``parts``, each with its name; the shape is then the batch alone.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    name: str = "input"
    quantization: Quantization | None = None
    parts: tuple[TensorSpec, ...] = ()

    @property
    def batch(self) -> int:
        """How many inputs one call takes; 1 where the dimension is open."""
        return self.shape[0] or 1

    def with_batch(self, batch: int | None) -> TensorSpec:
        parts = tuple(part.with_batch(batch) for part in self.parts)
        return replace(self, shape=(batch, *self.shape[1:]), parts=parts)

    def accepts(self, shape: tuple[int, ...], dtype: str) -> bool:
        """Whether an array of this shape, its batch dimension aside, and dtype can be fed."""
        if len(shape) != len(self.shape) or dtype != self.dtype:
            return False
        return all(mine in (None, theirs) for mine, theirs in zip(self.shape[1:], shape[1:]))

    def takes(self, fed: TensorSpec) -> bool:
        """Whether what ``fed`` describes, its batch dimension aside, can be fed: each of several inputs by its name."""
        if not self.parts and not fed.parts:
            return self.accepts(tuple(size or 1 for size in fed.shape), fed.dtype)
        given = {part.name: part for part in fed.parts}
        mine = {part.name: part for part in self.parts}
        return given.keys() == mine.keys() and all(part.takes(given[name]) for name, part in mine.items())

    def __str__(self) -> str:
        if self.parts:
            return ", ".join(f"{part.name} {part}" for part in self.parts)
        return f"{self.dtype}[{', '.join('?' if size is None else str(size) for size in self.shape)}]"
