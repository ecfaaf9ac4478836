"""HTML pages from templates: one environment, in which every value is escaped."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, **values: Any) -> str:
    """The page of a template in ``reports/html/templates``, with ``values`` escaped; a missing one is an error."""
    return _environment().get_template(template).render(**values)


def breakable(name: str) -> str:
    """An environment's id, escaped, that may be broken after its slashes and nowhere else."""
    from markupsafe import Markup

    return Markup("/<wbr>").join(name.split("/"))


def lines(text: str) -> str:
    """A text with line feeds, escaped, as lines."""
    from markupsafe import Markup

    return Markup("<br>").join(text.split("\n"))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_envrobust", "reports/html/templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    environment.filters["lines"] = lines
    return environment
