"""What a torch model says of its several inputs, and how it is fed by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytest_envrobust import DeclarationError
from pytest_envrobust.core.named_inputs import combined
from pytest_envrobust.core.sources import SourceRef
from pytest_envrobust.frameworks.torch import Framework

torch = pytest.importorskip("torch", reason="torch is not installed")


class Scaled(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, image, scale, offset=0.0):
        return (image * scale + offset).mean(dim=(2, 3))


EXAMPLE = (torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 1, 1))


def test_a_module_says_the_names_that_it_needs_and_is_fed_by_them() -> None:
    module = Scaled().eval()
    inspection = Framework().inspect(module)
    assert (inspection.needs, inspection.may_take) == (("image", "scale"), ("offset",))
    image = np.arange(96, dtype=np.float32).reshape(2, 3, 4, 4)
    batch = combined({"scale": np.full((2, 3, 1, 1), 2, np.float32), "image": image})
    np.testing.assert_allclose(Framework().run(module, batch), 2 * image.mean(axis=(2, 3)))


def test_an_exported_program_says_its_inputs(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(Scaled().eval(), EXAMPLE), tmp_path / "net.pt2")
    framework = Framework()
    spec = framework.inspect(framework.load(SourceRef("torch", "file", str(tmp_path / "net.pt2")))).input
    assert spec is not None
    assert str(spec) == "image float32[1, 3, 4, 4], scale float32[1, 3, 1, 1]"


def test_an_exported_program_with_inputs_by_keyword_is_refused(tmp_path: Path) -> None:
    by_keyword = torch.export.export(Scaled().eval(), EXAMPLE[:1], {"scale": EXAMPLE[1]})
    torch.export.save(by_keyword, tmp_path / "net.pt2")
    with pytest.raises(DeclarationError, match=r"takes 2 inputs \(image, scale\): some of them by keyword"):
        Framework().load(SourceRef("torch", "file", str(tmp_path / "net.pt2")))
