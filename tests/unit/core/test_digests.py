"""Equal digests mean bit-identical predictions."""

from __future__ import annotations

import numpy as np
import pytest

from pytest_envrobust.core.digests import output_digest
from pytest_envrobust.core.errors import DeclarationError

SCORES = np.arange(12, dtype=np.float32).reshape(3, 4)


def test_layout_and_byte_order_do_not_count() -> None:
    digest = output_digest(SCORES)
    assert len(digest) == 64
    assert output_digest(np.asfortranarray(SCORES)) == digest
    assert output_digest(SCORES.astype(">f4")) == digest


@pytest.mark.parametrize(
    "other",
    [SCORES.reshape(4, 3), SCORES.astype(np.float64), SCORES.view(np.int32), np.nextafter(SCORES, np.float32(99))],
    ids=["shape", "dtype", "same bytes, other dtype", "last bit"],
)
def test_shape_dtype_and_bytes_count(other: np.ndarray) -> None:
    assert output_digest(other) != output_digest(SCORES)


def test_signed_zeros_differ() -> None:
    assert output_digest(np.array([[0.0]])) != output_digest(np.array([[-0.0]]))


def test_empty_and_scalar() -> None:
    assert output_digest(np.empty((0, 4))) != output_digest(np.empty((4, 0)))
    assert output_digest(np.float32(1)) == output_digest(np.array(1, dtype=np.float32))


def test_objects_are_refused() -> None:
    with pytest.raises(DeclarationError, match="object"):
        output_digest(np.array([None]))
