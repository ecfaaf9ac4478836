"""What a file or import path given on the command line is: which framework defines it."""

from __future__ import annotations

from pathlib import Path

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.frameworks import frameworks
from pytest_envrobust.models.model import Source


def framework_of(text: str) -> tuple[str, str]:
    """Framework and target of what the user named: a file, a SavedModel directory, or ``package.module:factory``.

    An import path may carry its framework before it (``keras=package.module:factory``); without, it is torch's.
    Raises `DeclarationError` for a missing file or an ending that is not known.
    """
    framework, separator, rest = text.partition("=")
    if separator and framework in frameworks():
        return framework, rest
    if Source(text).is_factory and not Path(text).exists():
        return "torch", text
    path = Path(text)
    if not path.exists():
        raise DeclarationError(
            f"model {text!r}",
            cause="there is no such file",
            remedy="name a model file, a SavedModel directory or package.module:factory",
        )
    if path.is_dir():
        if (path / "saved_model.pb").exists():
            return "tensorflow", text
        raise DeclarationError(f"model {text!r}", cause="this directory is no SavedModel: saved_model.pb is missing")
    by_suffix = {suffix: framework.name for framework in frameworks().values() for suffix in framework.suffixes}
    try:
        return by_suffix[path.suffix.lower()], text
    except KeyError:
        raise DeclarationError(
            f"model {text!r}", cause=f"no framework is known for {path.suffix!r}; {', '.join(sorted(by_suffix))} are"
        ) from None
