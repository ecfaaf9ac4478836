"""Limits: what they may be, where they come from, which one holds."""

from __future__ import annotations

import math
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from pytest_envrobust.checks import labels, latency
from pytest_envrobust.checks.registry import checks, limit_kinds
from pytest_envrobust.checks.thresholds import Layer, Thresholds, limits_of, parse_limit, resolve
from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.verdicts.limits import TAIL_LIMITS, LabelLimit, Limit

TVM, EAGER = "torch/tvm-o3/cpu", "torch/eager/cpu"


def label_limit(environment: str, layers: list[Layer]) -> LabelLimit:
    return labels.label_limit(limits_of(labels.CHECK, environment, layers))


def line() -> int:
    return sys._getframe(1).f_lineno


def test_a_limit_remembers_file_and_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    made, at = Thresholds(min_label_agreement=0.99), line()
    narrowed = made.where("*/tvm-*/*", min_label_agreement=0.98)
    assert made.limit("min_label_agreement", EAGER) == Limit("min_label_agreement", 0.99, f"test_thresholds.py:{at}")
    assert narrowed.limit("min_label_agreement", TVM) == Limit(
        "min_label_agreement", 0.98, f"test_thresholds.py:{at + 1}"
    )


def test_a_file_elsewhere_is_named_in_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    limit = Thresholds(max_latency_ms=3).limit("max_latency_ms", EAGER)
    assert limit is not None
    assert limit.origin.startswith(Path(__file__).resolve().as_posix())


def test_code_without_a_file_is_named_as_python_does() -> None:
    scope: dict[str, object] = {"Thresholds": Thresholds}
    exec(compile("made = Thresholds(max_latency_ms=3)", "<string>", "exec"), scope)
    assert scope["made"].limit("max_latency_ms", EAGER).origin == "<string>:1"  # type: ignore[attr-defined]


def test_later_where_wins_over_earlier_over_plain() -> None:
    limits = (
        Thresholds(min_label_agreement=0.9, max_latency_ms=5)
        .where("torch/*", min_label_agreement=0.8)
        .where("*/tvm-*/*", min_label_agreement=0.7)
    )
    values = {
        environment: resolve("min_label_agreement", environment, [limits])
        for environment in (TVM, EAGER, "onnx/ort-all/cpu", "onnx/tvm-o0/cpu")
    }
    assert [limit and limit.value for limit in values.values()] == [0.7, 0.8, 0.9, 0.7]
    narrowed = limits.limit("max_latency_ms", TVM)  # a where that does not name it leaves it alone
    assert narrowed is not None
    assert narrowed.value == 5


def test_thresholds_are_values() -> None:
    made = Thresholds.of({"max_latency_ms": 5}, "marker")
    assert made == Thresholds.of({"max_latency_ms": 5.0}, "marker")
    assert hash(made) == hash(Thresholds.of({"max_latency_ms": 5.0}, "marker"))
    assert pickle.loads(pickle.dumps(made)) == made
    assert made.where("*", max_latency_ms=6) != made
    assert repr(made.where("a/*", max_latency_ms=6)) == "Thresholds(max_latency_ms=5).where('a/*', max_latency_ms=6)"
    with pytest.raises(AttributeError):
        made.rules = ()  # type: ignore[misc]


def test_precedence_and_default() -> None:
    ini = {"min_label_agreement": parse_limit("0.5", "min_label_agreement", "ini")}
    conftest = Thresholds().where("*/tvm-*/*", min_label_agreement=0.6)
    marker = Thresholds.of({"max_latency_ms": 40}, "marker")
    layers = [None, marker, conftest, None, ini]
    assert resolve("min_label_agreement", TVM, layers).value == 0.6  # type: ignore[union-attr]
    assert resolve("min_label_agreement", EAGER, layers) == Limit("min_label_agreement", 0.5, "ini")
    assert resolve("max_latency_ms", EAGER, layers) == Limit("max_latency_ms", 40.0, "marker")
    assert resolve("max_latency_ratio", EAGER, layers) is None
    assert resolve("min_label_agreement", EAGER, []) == Limit("min_label_agreement", 1.0, "default")


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(DeclarationError, match=r"min_label_agrement.*did you mean min_label_agreement\?"):
        Thresholds(min_label_agrement=0.9)
    with pytest.raises(DeclarationError, match=r"test_thresholds\.py:\d+.*did you mean max_latency_ms\?"):
        Thresholds().where("*", max_latency=9)
    with pytest.raises(DeclarationError, match=r"did you mean max_latency_p9[09]_ms\?"):
        Thresholds(max_latency_p95_ms=9)
    with pytest.raises(DeclarationError, match=r"did you mean max_latency_regression\?"):
        Thresholds.of({"latency_regression": 1.1}, "marker")
    with pytest.raises(DeclarationError, match="the limits are"):
        resolve("zzz", EAGER, [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("min_label_agreement", 98),
        ("min_label_agreement", -0.1),
        ("min_label_agreement", True),
        ("min_label_agreement", "0.9"),
        ("min_label_agreement", None),
        ("min_label_agreement", math.nan),
        ("min_label_agreement", 1j),
        ("max_latency_ms", 0),
        ("max_latency_ms", math.inf),
        ("max_latency_ratio", -1),
        ("max_latency_p90_ms", 0),
        ("max_latency_p90_ms", "40 ms"),
        ("max_latency_p99_ms", -0.5),
        ("max_latency_p99_ms", math.nan),
        ("max_latency_regression", 0),
        ("max_latency_regression", -math.inf),
        ("max_latency_regression", True),
        ("max_latency_regression", [1.1]),
    ],
)
def test_a_malformed_value_names_limit_value_place_and_what_is_valid(name: str, value: object) -> None:
    with pytest.raises(DeclarationError) as caught:
        Thresholds(**{name: value})  # type: ignore[arg-type]
    message = str(caught.value)
    assert f"{name}={value!r}" in message
    assert "test_thresholds.py:" in message
    assert "0 to 1" in message or "above 0" in message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("max_latency_ms", "in milliseconds"),
        ("max_latency_p90_ms", "in milliseconds"),
        ("max_latency_p99_ms", "in milliseconds"),
        ("max_latency_ratio", "1.5 is half as long again as the reference"),
        ("max_latency_regression", "1.1 is a tenth longer than before"),
    ],
)
def test_a_limit_on_time_says_its_unit(name: str, said: str) -> None:
    with pytest.raises(DeclarationError, match=rf"{name}=-2 \(from marker\) is not a limit.*{said}"):
        Thresholds.of({name: -2}, "marker")
    with pytest.raises(DeclarationError, match=rf"{name}='soon' \(from ini\) is not a limit.*{said}"):
        parse_limit("soon", name, "ini")
    assert parse_limit("1.5", name, "ini") == Limit(name, 1.5, "ini")


def test_limits_on_time() -> None:
    """Each is declared, resolved and overridden as any other, and none holds unless said so."""
    names = [kind.name for kind in latency.CHECK.limits]
    assert {*limit_kinds()} == {kind.name for check in checks().values() for kind in check.limits} > {*names}
    assert set(TAIL_LIMITS) <= set(names)
    made = Thresholds.of(dict.fromkeys(names, 9), "marker").where("*/tvm-*/*", max_latency_p99_ms=5)
    for name in names:
        assert resolve(name, EAGER, []) is None
        assert resolve(name, EAGER, [made]) == Limit(name, 9.0, "marker")
    narrowed = resolve("max_latency_p99_ms", TVM, [made])
    assert narrowed is not None
    assert narrowed.value == 5


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_any_real_number_will_do(value: float) -> None:
    assert Thresholds.of({"max_latency_ratio": value}, "marker") == Thresholds.of({"max_latency_ratio": 1}, "marker")


@pytest.mark.parametrize("text", ["", "fast", "nan", "98", "98%"])
def test_text_that_is_no_limit(text: str) -> None:
    with pytest.raises(DeclarationError, match="from command line"):
        parse_limit(text, "min_label_agreement", "command line")


def test_text_that_is_one() -> None:
    assert parse_limit(" 0.98 ", "min_label_agreement", "ini") == Limit("min_label_agreement", 0.98, "ini")


@pytest.mark.parametrize(("glob", "limits"), [("", {"max_latency_ms": 3}), (3, {"max_latency_ms": 3}), ("*", {})])
def test_a_where_that_says_nothing(glob: str, limits: dict[str, float]) -> None:
    with pytest.raises(DeclarationError, match=r"test_thresholds\.py"):
        Thresholds().where(glob, **limits)


def test_the_terms_of_the_limit_on_labels_come_each_from_its_own_layer() -> None:
    conftest = Thresholds.of({"min_label_agreement": 0.99, "ties": "ignore"}, "conftest.py:3")
    ini = {"bound": parse_limit("true", "bound", "ini"), "ties": parse_limit("count", "ties", "ini")}
    found = label_limit(EAGER, [Thresholds.of({}, "marker"), conftest, None, ini])
    assert (found.value, found.origin, found.ties, found.bound) == (0.99, "conftest.py:3", "ignore", True)
    assert label_limit(EAGER, []) == LabelLimit("min_label_agreement", 1.0, "default", ties="count", bound=False)
    assert label_limit(EAGER, [found.layer]) == found


def test_the_terms_can_differ_by_environment() -> None:
    made = Thresholds.of({"min_label_agreement": 0.9}, "marker").where("*/tvm-*/*", ties="ignore", bound=True)
    assert (label_limit(EAGER, [made]).ties, label_limit(TVM, [made]).ties) == ("count", "ignore")
    assert (label_limit(EAGER, [made]).bound, label_limit(TVM, [made]).bound) == (False, True)
    assert repr(made).endswith(".where('*/tvm-*/*', ties='ignore', bound=True)")


@pytest.mark.parametrize(
    ("name", "value"), [("ties", "skip"), ("ties", True), ("ties", 1), ("bound", "maybe"), ("bound", 0.5), ("bound", 1)]
)
def test_terms_that_cannot_be_meant(name: str, value: object) -> None:
    with pytest.raises(DeclarationError, match=rf"{name}=.* \(from marker\) is not a limit"):
        Thresholds.of({name: value}, "marker")


def test_no_bound_shows_that_all_agree() -> None:
    with pytest.raises(DeclarationError, match=r"bound \(from marker\) with min_label_agreement=1 \(from default\)"):
        label_limit(EAGER, [Thresholds.of({"bound": True}, "marker")])


def test_the_limits_are_listed_where_one_is_unknown_or_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    known = f"the limits are {', '.join(limit_kinds())}"
    with pytest.raises(DeclarationError) as caught:
        resolve("zzz", EAGER, [])
    assert str(caught.value) == f"unknown limit 'zzz' (from a lookup): {known}"
    with pytest.raises(DeclarationError) as caught:
        parse_limit("1", "ties_", "ini")
    assert str(caught.value) == f"unknown limit 'ties_' (from ini): {known} (did you mean ties?)"
    with pytest.raises(DeclarationError) as caught:
        Thresholds().where("*")
    at = f"test_thresholds.py:{caught.traceback[0].lineno + 1}"
    assert str(caught.value) == f"where('*') (from {at}) sets no limit: {known}"


def test_a_glob_that_is_none_says_how_one_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)
    with pytest.raises(DeclarationError) as caught:
        Thresholds().where("", max_latency_ms=3)
    assert str(caught.value) == (
        f"'' matches no environment (from test_thresholds.py:{caught.traceback[0].lineno + 1}): "
        'a glob on the environment\'s id is needed (write it like "*/tvm-*/*")'
    )


def test_thresholds_are_shown_as_they_are_written() -> None:
    assert repr(Thresholds()) == "Thresholds()"
    assert repr(Thresholds().where("a/*", ties="ignore")) == "Thresholds().where('a/*', ties='ignore')"
    made = Thresholds(max_latency_ms=5, bound=False).where("a/*", max_latency_ms=6).where("b/*", max_abs_error=0.5)
    assert repr(made) == (
        "Thresholds(max_latency_ms=5, bound=False).where('a/*', max_latency_ms=6).where('b/*', max_abs_error=0.5)"
    )


def test_words_are_read_in_any_case_and_remember_where_they_stood() -> None:
    assert parse_limit(" IGNORE ", "ties", "command line") == Limit("ties", 1.0, "command line")
    assert parse_limit("False", "bound", "ini") == Limit("bound", 0.0, "ini")


def test_what_a_malformed_value_says_in_full() -> None:
    with pytest.raises(DeclarationError) as caught:
        parse_limit("98%", "min_label_agreement", "ini")
    assert str(caught.value) == (
        "min_label_agreement='98%' (from ini) is not a limit: it is a share from 0 to 1; write 98 % as 0.98"
    )
