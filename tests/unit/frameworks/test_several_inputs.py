"""A model that takes several inputs is refused by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks.torch import Framework

torch = pytest.importorskip("torch", reason="torch is not installed")


class Scaled(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, image, scale, offset=0.0):
        return (image * scale + offset).mean(dim=(2, 3))


class Wrapped(Scaled):
    def forward(self, images):
        return super().forward(images, torch.ones(1))


def test_a_module() -> None:
    with pytest.raises(DeclarationError, match=r"torch model Scaled takes 2 inputs \(image, scale\).*wrap it"):
        Framework().inspect(Scaled())
    Framework().inspect(Wrapped())


def test_an_exported_program(tmp_path: Path) -> None:
    example = (torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 1, 1))
    torch.export.save(torch.export.export(Scaled().eval(), example), tmp_path / "net.pt2")
    with pytest.raises(DeclarationError, match=r"the exported program takes 2 inputs \(image, scale\)"):
        Framework().load(SourceRef("torch", "file", str(tmp_path / "net.pt2")))
