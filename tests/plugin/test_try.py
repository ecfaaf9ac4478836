def test_a(project, labels_test):
    project.declare_colors()
    r = project.run("--durations=5")
    import json; print(json.dumps(project.record(), indent=1)[:6000])
    assert 0
def test_b(project, labels_test):
    project.declare_pair("swapped")
    r = project.run("--durations=5", "--envrobust-env", "onnx/ort-all/cpu,torch/eager/cpu")
    assert 0
