"""What each fixture gives to a test."""

from __future__ import annotations

import pytest

ORT_ALL = "--envrobust-env=onnx/ort-all/cpu"


def test_the_cell_and_its_parts(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import numpy as np
        import pytest
        import pytest_envrobust as er

        SHOWN = [0, 1, 2, 3, 4, 0, 1, 2]

        def test_parts(envrobust, envrobust_model, envrobust_environment, envrobust_reference, envrobust_inputs):
            assert envrobust_model.name == "colors"
            assert envrobust_environment == er.Environment("onnx", "ort-all", "cpu")
            assert envrobust.model is envrobust_model
            assert envrobust.environment == envrobust_environment
            assert envrobust_reference.environment.id == "onnx/ort-off/cpu"
            assert envrobust.reference.environment == envrobust_reference.environment
            assert not envrobust.is_reference
            assert envrobust_inputs.names == tuple("01234567")
            assert envrobust.route == ("onnx", "ort-all")
            assert repr(envrobust) == "<Cell colors in onnx/ort-all/cpu>"

        def test_each_alone(envrobust_model):
            assert list(envrobust_model.sources) == ["onnx"]

        def test_environment_alone(envrobust_environment):
            assert envrobust_environment.id == "onnx/ort-all/cpu"

        def test_predict_the_inputs(envrobust, envrobust_inputs):
            scores = envrobust.predict(envrobust_inputs)
            assert type(scores) is np.ndarray
            assert scores.shape == (8, 5)
            assert scores.argmax(axis=1).tolist() == SHOWN
            assert np.array_equal(scores, envrobust.predict())

        def test_predict_arrays(envrobust, envrobust_inputs):
            batch = envrobust_inputs.array[2:5]
            assert envrobust.predict(batch).argmax(axis=1).tolist() == [2, 3, 4]
            assert envrobust.predict(batch[:1]).shape == (1, 5)

        def test_predictions_are_the_callers_own(envrobust):
            scores = envrobust.predict()
            scores[:] = 0
            assert envrobust.predict().any()

        def test_own_claim(envrobust, envrobust_reference, envrobust_inputs):
            scores = envrobust.predict(envrobust_inputs)
            comparison = er.assert_labels_agree(scores, envrobust_reference.predict(envrobust_inputs))
            assert comparison.n == 8
            with pytest.raises(er.EnvironmentMismatch, match="6 of 8|7 of 8|8 of 8"):
                er.assert_labels_agree(np.roll(scores, 1, axis=1), scores, min_agreement=0.9)

        def test_call(envrobust):
            timing = envrobust.call()
            assert timing.calls == 1
            assert timing.wall_ns[0] > 0
        """,
    )
    result = project.run(ORT_ALL)
    result.assert_outcomes(passed=8)
    assert result.ret == pytest.ExitCode.OK


def test_image_folders_are_prepared_for_the_source(project) -> None:
    project.bring("colors.onnx", "images")
    project.declare(
        "er.Model('colors', sources={'onnx': 'colors.onnx'}, "
        "inputs=er.ImageFolder('images', er.Preprocess.inception(size=16)))"
    )
    project.write(
        "test_it.py",
        """
        def test_images(envrobust, envrobust_inputs):
            assert envrobust_inputs.names[0] == "0-0.png"
            assert envrobust_inputs.images[0].shape == (24, 24, 3)
            shown = [int(name[2]) for name in envrobust_inputs.names]
            assert envrobust.predict(envrobust_inputs).argmax(axis=1).tolist() == shown
        """,
    )
    project.run(ORT_ALL).assert_outcomes(passed=1)


def test_helpers_on_plain_arrays_need_no_run(project) -> None:
    project.write(
        "test_it.py",
        """
        import pytest
        import pytest_envrobust as er

        def test_labels():
            er.assert_labels_agree([[0.0, 1.0]], [[0.0, 2.0]])
            with pytest.raises(er.EnvironmentMismatch, match="1 of 1 top-1 label differs"):
                er.assert_labels_agree([[0.0, 1.0]], [[2.0, 0.0]])

        def test_latency():
            er.assert_latency([1.0] * 20, [1.0] * 20, max_ratio=1.5)
            er.assert_latency([1.0] * 20, max_ms=2)
            with pytest.raises(er.EnvironmentMismatch, match="too slow"):
                er.assert_latency([2.0] * 20, [1.0] * 20, max_ratio=1.5)
            with pytest.raises(er.EnvironmentMismatch, match="inconclusive"):
                er.assert_latency([1.0] * 3, max_ms=2)
            with pytest.raises(er.DeclarationError, match="without a limit"):
                er.assert_latency([1.0])
        """,
    )
    result = project.pytest()
    result.assert_outcomes(passed=2)


def test_labels_and_latency_return_what_they_judged_on(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        def test_returned(envrobust):
            comparison = envrobust.assert_labels_agree()
            assert (comparison.n, comparison.agreement) == (8, 1.0)
            evidence = envrobust.assert_latency()
            assert evidence.timing.calls >= 6
            assert (evidence.cpu_ratio is None) == envrobust.is_reference
        """,
    )
    result = project.run("--envrobust-env=onnx/ort-off/cpu,onnx/ort-all/cpu")
    result.assert_outcomes(passed=2)


def test_a_wrong_array_is_one_clear_error(project) -> None:
    project.declare_colors()
    project.write(
        "test_it.py",
        """
        import numpy as np
        import pytest
        import pytest_envrobust as er

        def test_shape(envrobust):
            with pytest.raises(er.StageFailure, match="run onnx/ort-all/cpu"):
                envrobust.predict(np.zeros((2, 7), dtype=np.float32))
            assert envrobust.predict().shape == (8, 5)
        """,
    )
    project.run(ORT_ALL).assert_outcomes(passed=1)


def test_a_test_without_a_declared_model_is_told_so(project) -> None:
    project.write("test_it.py", "def test_it(envrobust): pass\n")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no model is declared for this test (declare one in a conftest*"])


AT_FAULT = {
    "raise RuntimeError('no disk')": "pytest_envrobust_models failed: RuntimeError: no disk",
    "return ['colors']": "pytest_envrobust_models returned a str: it returns a list of Model",
    "return [er.Model('a', {'onnx': 'x'}, 'y')] * 2": "model 'a' is declared 2 times: in part2/conftest.py (rename*)",
    "return [er.Model('a', {'onyx': 'x'}, 'y')]": "model 'a' has a source for 'onyx': *did you mean 'onnx'?*",
}


def test_a_hook_at_fault_is_one_failing_item(project) -> None:
    head = "import pytest_envrobust as er\n\ndef pytest_envrobust_models(config):\n    "
    for number, body in enumerate(AT_FAULT):
        project.write(f"part{number}/conftest.py", f"{head}{body}\n")
        project.write(f"part{number}/test_part{number}.py", "def test_it(envrobust): pass\n\ndef test_plain(): pass\n")
    result = project.run()
    result.assert_outcomes(failed=4, passed=4)
    result.stdout.fnmatch_lines(list(AT_FAULT.values()))
