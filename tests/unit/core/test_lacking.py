"""Which operators converters and engines say they lack, in their own words."""

from __future__ import annotations

from importlib import import_module

import pytest

from pytest_envrobust.backends import engines
from pytest_envrobust.conversion.steps import module_of

STEPS = [
    (
        "torch_from_onnx",
        "Converter is not implemented (OperationDescription(domain='', operation_type='QuantizeLinear', version=13))",
        ("QuantizeLinear",),
    ),
    ("tvm_from_onnx", "The following operators are not supported for frontend ONNX: Det, Fancy", ("Det", "Fancy")),
    ("tvm_from_torch", "Unsupported function types ['_linalg_svd.default', 'special_i1e.default']",
     ("_linalg_svd.default", "special_i1e.default")),
    ("openvino_from_onnx", "Summary:\n-- No conversion rule found for operations: com.acme.Fancy, Det-17\n\n",
     ("com.acme.Fancy", "Det-17")),
    ("onnx_from_torch", "No ONNX function found for <OpOverload(op='mine.twice', overload='default')>. Failure",
     ("mine.twice",)),
    ("onnx_from_torch_legacy",
     "Exporting the operator 'aten::linalg_svdvals' to ONNX opset version 17 is not supported",
     ("aten::linalg_svdvals",)),
    ("onnx_from_torch_legacy", "ONNX export failed on an operator with unrecognized namespace mine::twice. If you",
     ("mine::twice",)),
    ("tflite_from_keras", "Some ops in the model are custom ops\nCustom ops: BesselI0e, Svd\nDetails:\n",
     ("BesselI0e", "Svd")),
    ("tflite_from_pt2", "Lowering not found: aten._fft_r2c.default", ("aten._fft_r2c.default",)),
    ("tflite_from_tensorflow", "error: 'tf.Svd' op is neither a custom op nor a flex op", ("Svd",)),
]  # fmt: skip
ENGINES = [
    ("openvino", "-- No conversion rule found for operations: ai.onnx.ml.TreeEnsembleClassifier",
     ("ai.onnx.ml.TreeEnsembleClassifier",)),
    ("onnxruntime", "failed:Fatal error: com.acme:Fancy(-1) is not a registered function/op", ("com.acme:Fancy",)),
    ("onnxruntime", "Error No Op registered for NotAnOp with domain_version of 17", ("NotAnOp",)),
    ("onnxruntime", "9 : NOT_IMPLEMENTED : Could not find an implementation for ConvInteger(10) node with name 'c'",
     ("ConvInteger",)),
    ("onnxruntime", "This is an invalid model. Type Error: Type 'tensor(string)' of input parameter (a) of operator "
     "(Relu) in node (r) is invalid.", ("Relu",)),
    ("litert", "Encountered unresolved custom op: BesselI0e.\nSee instructions", ("BesselI0e",)),
    ("litert", "Select TensorFlow op(s), included in the given model, is(are) not supported by this interpreter. See "
     "instructions: https://x/ops_selectNode number 2 (FlexMatrixInverse) failed to prepare.", ("MatrixInverse",)),
    ("tensorflow", "AsString (No registered 'AsString' OpKernel for XLA_CPU_JIT devices compatible with node",
     ("AsString",)),
    ("torch", "Could not run 'aten::quantize' with arguments from the 'QuantizedCPU' backend.", ("aten::quantize",)),
    ("torch", "The following operation failed in the TorchScript interpreter.\nTraceback of TorchScript (most recent "
     "call last):\n/torch/nn/functional.py(1447): adaptive_avg_pool2d\n/torch/nn/modules/pooling.py(1512): forward\n"
     "RuntimeError: input size is not divisible by the output size is not supported yet", ("adaptive_avg_pool2d",)),
]  # fmt: skip


@pytest.mark.parametrize(("step", "text", "operators"), STEPS)
def test_a_step_reads_its_converters_words(step: str, text: str, operators: tuple[str, ...]) -> None:
    lacking = import_module(module_of(step)).lacking
    assert lacking(RuntimeError(text)) == operators
    assert lacking(RuntimeError("a bad shape")) == ()


@pytest.mark.parametrize(("engine", "text", "operators"), ENGINES)
def test_an_engine_names_what_it_lacks(engine: str, text: str, operators: tuple[str, ...]) -> None:
    backend = engines()[engine]
    assert backend.lacking(RuntimeError(text)) == operators
    assert backend.lacking(RuntimeError("a bad shape")) == ()


def test_what_stands_behind_the_error_is_read_too() -> None:
    lacking = import_module(module_of("tvm_from_onnx")).lacking
    wrapped = ValueError("the import failed")
    wrapped.__cause__ = RuntimeError("operators are not supported for frontend ONNX: Det")
    assert lacking(wrapped) == ("Det",)
