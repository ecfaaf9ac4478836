"""Accuracy where the true classes are known: in every report, as a check, and against a guessed preprocessing."""

from __future__ import annotations

import sys

import pytest

ENVIRONMENTS = "--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu"
MODEL = ("--envrobust-model=colors.onnx", "--envrobust-inputs=images", ENVIRONMENTS, "--envrobust-check=labels")
TRUTH = "--envrobust-truth=truth.csv"
DECLARED_WELL = ("--envrobust-preprocess=inception", "--envrobust-size=16")
DECLARED = """
    import pytest_envrobust as er

    def pytest_envrobust_models(config):
        inputs = er.ImageFolder("images", er.Preprocess.inception(size=16), truth={truth})
        return [er.Model("colors", {{"onnx": "colors.onnx"}}, inputs=inputs)]
"""


@pytest.fixture
def colors(project):
    """The model and the images, with a table that has two of eight wrong."""
    project.bring("colors.onnx", "images")
    names = sorted(path.name for path in (project.path / "images").iterdir())
    truth = [0, 1, 2, 3, 4, 0, 4, 4]
    project.write("truth.csv", "".join(f"{name},{each}\n" for name, each in zip(names, truth)))
    return project


def test_it_stands_in_every_report(colors) -> None:
    result = colors.run(*MODEL, TRUTH, *DECLARED_WELL, "--envrobust-markdown=run.md", "--envrobust-html=run.html")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*accuracy *top-5*", "*onnx/ort-all/cpu *75.0 % [[]34.9, 96.8] * 100 %*"])
    markdown = (colors.path / "run.md").read_text(encoding="utf-8")
    assert "| 75.0 % [34.9, 96.8] | 100 % |" in markdown
    assert "34.9 to 96.8 %" in (colors.path / "run.html").read_text(encoding="utf-8")
    (model,) = colors.record()["models"]
    for each in model["analysis"]["accuracy"]:
        assert (each["top1"], each["interval"]) == (0.75, pytest.approx([0.3491, 0.9681], abs=1e-4))


def test_a_limit_on_the_command_line_makes_the_check(colors) -> None:
    own = [each for each in MODEL if "check" not in each]
    result = colors.run(
        *own, TRUTH, *DECLARED_WELL, "--envrobust-min-accuracy=0.8", "-k", "accuracy", "--junit-xml=x.xml"
    )
    result.assert_outcomes(failed=2)
    said = "colors.onnx in onnx/ort-all/cpu: 6 of 8 inputs are right (accuracy 0.750, limit 0.8 from command line)"
    result.stdout.fnmatch_lines([said])
    part = colors.cells()["colors.onnx::accuracy[onnx/ort-all/cpu]"]["accuracy"]
    assert (part["n"], part["right"], part["verdict"]) == (8, 6, "failed")
    assert 'name="envrobust.accuracy" value="0.75"' in (colors.path / "x.xml").read_text(encoding="utf-8")
    report = [sys.executable, "-m", "pytest_envrobust.cli", "report", "run.json"]
    assert colors.pytester.run(*report, "--min-accuracy=0.75", "--max-accuracy-drop=0").ret == 0
    told = colors.pytester.run(*report, "--min-accuracy=0.5", "--accuracy-bound=true")
    told.stdout.fnmatch_lines(
        ["*inconclusive: colors.onnx in *6 of 8 inputs are right*at least 0.349 shown at 95 % over 2 cells*"]
    )


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        ("--envrobust-check=accuracy", "--envrobust-check accuracy"),
        ("--envrobust-max-accuracy-drop=0", "--envrobust-max-accuracy-drop"),
    ],
)
def test_without_truth_it_is_refused_before_anything_runs(colors, how: str, asked: str) -> None:
    own = [each for each in MODEL if "check" not in each]
    result = colors.run(*own, *DECLARED_WELL, how)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {asked} without true classes: *(add --envrobust-truth folders, *"])
    colors.collect(*own, *DECLARED_WELL, "--envrobust-check=all").stdout.no_fnmatch_line("*::accuracy*")


def test_assertion_marker_and_thresholds(colors) -> None:
    colors.write("conftest.py", DECLARED.format(truth='"truth.csv"'))
    colors.write(
        "test_it.py",
        """
        import pytest

        def test_call(envrobust):
            found = envrobust.assert_accuracy(min_accuracy=0.75, max_accuracy_drop=0)
            assert (found.n, found.right, found.share) == (8, 6, 0.75)

        @pytest.mark.envrobust(min_accuracy=0.5, accuracy_bound=True)
        def test_marker(envrobust):
            envrobust.assert_accuracy()

        def test_no_limit(envrobust):
            assert envrobust.assert_accuracy().top5 == 8
        """,
    )
    result = colors.run(ENVIRONMENTS)
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*4 passed, 2 inconclusive*"])
    colors.run(ENVIRONMENTS, "--envrobust-strict").assert_outcomes(passed=4, failed=2)


def test_without_truth_a_marker_is_one_failing_item_and_a_call_says_what_to_declare(colors) -> None:
    colors.write("conftest.py", DECLARED.format(truth=None))
    colors.write(
        "test_it.py",
        """
        import pytest

        @pytest.mark.envrobust(min_accuracy=0.5)
        def test_marker(envrobust):
            envrobust.assert_accuracy()

        def test_call(envrobust):
            envrobust.assert_accuracy(min_accuracy=0.5)
        """,
    )
    result = colors.run(ENVIRONMENTS)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        ["*the accuracy of model 'colors' cannot be told: nothing says what the true classes of its inputs are *"] * 2
    )


def test_a_guess_that_is_wrong_for_most_inputs_is_told_and_strictly_no_pass(colors) -> None:
    """Its labels agree everywhere: only the true classes show that none of them is worth anything."""
    names = sorted(path.name for path in (colors.path / "images").iterdir())
    colors.write("truth.csv", "".join(f"{name},{(place * 2 + 3) % 5}\n" for place, name in enumerate(names)))
    result = colors.run(*MODEL, TRUTH, "--envrobust-markdown=run.md")
    result.assert_outcomes(passed=2)
    said = "the preprocessing was guessed, and * of 8 inputs * right, about what guessing gives (20.0 %): the guess is"
    result.stdout.fnmatch_lines([f"  {said}*"])
    assert "the preprocessing was guessed, and " in (colors.path / "run.md").read_text(encoding="utf-8")
    strict = colors.run(*MODEL, TRUTH, "--envrobust-strict")
    strict.assert_outcomes(passed=1, failed=1)
    strict.stdout.fnmatch_lines([f"*; inconclusive: {said}*"])
    colors.run(*MODEL, TRUTH, *DECLARED_WELL).stdout.no_fnmatch_line("*was guessed*")
