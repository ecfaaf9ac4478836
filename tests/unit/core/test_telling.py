"""Which sentence of an engine's error tells its cause: messages as the engines write them."""

from __future__ import annotations

import sys

import pytest

from pytest_envrobust.core.errors import DeclarationError
from pytest_envrobust.core.telling import LONGEST, named_cause, telling_sentence

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup  # pytest brings it

TORCHSCRIPT = """The following operation failed in the TorchScript interpreter.
Traceback of TorchScript (most recent call last):
/site-packages/torch/nn/functional.py(1447): adaptive_avg_pool2d
/site-packages/torch/nn/modules/module.py(1768): _slow_forward
/home/me/nets.py(6): <module>
RuntimeError: input size is not divisible by the output size is not supported yet
"""
TORCHSCRIPT_SERIALIZED = """The following operation failed in the TorchScript interpreter.
Traceback of TorchScript, serialized code (most recent call last):
  File "code/__torch__/nets.py", line 8, in forward
    x: Tensor) -> Tensor:
    return torch.matmul(x, self.weight)
           ~~~~~~~~~~~~ <--- HERE
Traceback of TorchScript, original code (most recent call last):
/home/me/nets.py(12): forward
RuntimeError: mat1 and mat2 shapes cannot be multiplied (99x33 and 7x7)
"""
DYNAMO = """Data-dependent branching
  Explanation: Detected data-dependent branching. Dynamo does not support tracing dynamic control flow.

      The branch condition involves a tensor computed as follows:
        # File "/home/me/nets.py", line 22, in forward, code: if x.sum()>0: return x
  Hint: Use `torch.cond` to express dynamic control flow.

  Developer debug context: attempted to jump with TensorVariable()

from user code:
   File "/home/me/nets.py", line 22, in forward
    if x.sum()>0: return x.flatten(1)
       ^^^^^^^^^^^

Set TORCHDYNAMO_VERBOSE=1 for the internal stack trace
"""
DYNAMO_SHAPE = """RuntimeError when making fake tensor call
  Explanation: Dynamo failed to run FX node with fake tensors: call_function <built-in function matmul>(*(FakeTensor(..., size=(1, 3)), ), **{}): got RuntimeError('a and b must have same reduction dim, but got [99, 33] X [7, 7].')
  Hint: Your code may result in an error when running in eager.
"""  # noqa: E501
CPP = """CppCompileError: C++ compile error

Command:
g++ /tmp/torchinductor/cx.cpp -shared -o /tmp/torchinductor/cx.so

Output:
/tmp/torchinductor/cx.cpp:2:10: fatal error: torch/csrc/inductor/cpp_prefix.h: No such file or directory
    2 | #include "torch/csrc/inductor/cpp_prefix.h"
      |          ^~~~~~~~~~~~
compilation terminated.
"""
EXPORT = """Could not guard on data-dependent expression Eq(u0, 1) (unhinted: Eq(u0, 1)).

consider using data-dependent friendly APIs such as guard_or_false.
Caused by: (_export/non_strict_utils.py:1205 in __torch_function__)
For more information, run with TORCH_LOGS="dynamic"

The following call raised this error:
  File "/home/me/nets.py", line 22, in forward
    if x.sum()>0: return x.flatten(1)
"""
TO_ONNX = """Failed to convert the exported program to an ONNX model. \x1b[96mThis is step 3/3\x1b[0m of exporting the model.
- If there is a missing ONNX function, implement it and register it to the registry.

## Exception summary

<class 'torch.onnx._internal.exporter._errors.DispatchError'>: No ONNX function found for <OpOverload(op='mine.twice', overload='default')>. Failure message: No decompositions registered
⬆️
<class 'torch.onnx._internal.exporter._errors.ConversionError'>: Error when translating node %twice.

(Refer to the full stack trace above for more information.)
"""  # noqa: E501
OPENVINO = """Exception from src/inference/src/cpp/core.cpp:84:
Check 'false' failed at src/frontends/common_translators/src/unconverted_ops_report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted.
Summary:
-- No conversion rule found for operations: ai.onnx.ml.TreeEnsembleClassifier


"""
OPENVINO_SHAPE = """Exception from src/inference/src/cpp/core.cpp:84:
Check 'false' failed at src/frontends/common_translators/src/unconverted_ops_report.cpp:151:
FrontEnd API failed with OpConversionFailure:
Model wasn't fully converted. Failed operations detailed log:
-- MatMul-17 with a message:
While validating ONNX node '<Node(MatMul): y>': Check 'merge(a, b)' failed at src/matmul_shape_inference.hpp:65:
While validating node 'opset1::MatMul MatMul_1 (opset1::Parameter x[0]:f32[1,8])' with friendly_name 'MatMul_1':
Incompatible MatMul matrix dimension. First input dimension=8 doesn't match the second input dimension=3

Summary:
-- Conversion is failed for: MatMul-17
"""
OPENVINO_PLACE = """Exception from src/inference/src/cpp/infer_request.cpp:116:
Exception from src/plugins/intel_cpu/src/node.cpp:12:
The input tensor size is not equal to the model input type
"""
ORT = (
    "[ONNXRuntimeError] : 1 : FAIL : Load model from m.onnx failed:/onnxruntime_src/onnxruntime/core/graph/"
    "model_load_utils.h:46 void onnxruntime::model_load_utils::ValidateOpsetForDomain(const std::unordered_map<"
    "std::__cxx11::basic_string<char>, int>&, bool, int) ONNX Runtime only *guarantees* support for models stamped "
    "with official released onnx opset versions. Opset 99 is under development."
)
TVM = """Traceback (most recent call last):
  3: TVMFuncCall
  2: _ZN3tvm7runtime13PackedFuncObj9ExtractorINS0_16
  1: tvm::relax::BlockBuilderImpl::Normalize(tvm::RelaxExpr const&)
  0: tvm::relax::InferStructInfoMatmul(tvm::relax::Call const&)
        at /project/src/relax/op/linear_algebra.cc:120
  File "/project/src/relax/op/linear_algebra.cc", line 120
InternalError: Check failed: (lhs == rhs) is false: Matmul requires the reduction length to be equal
"""
TENSORFLOW = """Graph execution error:

Detected at node net/head/MatMul defined at (most recent call last):
<stack traces unavailable>
Matrix size-incompatible: In[0]: [1,192], In[1]: [7,7]
\t [[{{node net/head/MatMul}}]] [Op:__inference_serve_19]
"""
KERAS_CALL = """Exception encountered when calling Scale.call().

\x1b[1m{{function_node __wrapped__BatchMatMulV2_device_/job:localhost}} Matrix size-incompatible: In[0]: [8,3], In[1]: [7,7] [Op:BatchMatMulV2] name: \x1b[0m

Arguments received by Scale.call():
  • x=tf.Tensor(shape=(1, 8, 8, 3), dtype=float32)
"""  # noqa: E501
CONFIG = {"name": "depthwise", **dict.fromkeys("abcdefghijklmnopqrstuvwxyz", "a regularizer or constraint")}
KERAS_FILE = f"""Error when deserializing class 'DepthwiseConv2D' using config={CONFIG}.

Exception encountered: Unrecognized keyword arguments passed to DepthwiseConv2D: {{'groups': 1}}"""
LITE = """Encountered unresolved custom op: BesselI0e.
See instructions: https://www.tensorflow.org/lite/guide/ops_custom Node number 0 (BesselI0e) failed to prepare."""
TO_LITE = """Could not translate MLIR to FlatBuffer.<unknown>:0: error: loc(callsite(fused["Svd:", "x"])): 'tf.Svd' op is neither a custom op nor a flex op
<unknown>:0: note: loc(fused["PartitionedCall:", "PartitionedCall_1"]): called from
<unknown>:0: error: failed while converting: 'main':
Some ops in the model are custom ops
"""  # noqa: E501


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TORCHSCRIPT, "RuntimeError: input size is not divisible by the output size is not supported yet"),
        (TORCHSCRIPT_SERIALIZED, "RuntimeError: mat1 and mat2 shapes cannot be multiplied (99x33 and 7x7)"),
        (DYNAMO, "Detected data-dependent branching. Dynamo does not support tracing dynamic control flow."),
        (DYNAMO_SHAPE, "a and b must have same reduction dim, but got [99, 33] X [7, 7]."),
        (CPP, "torch/csrc/inductor/cpp_prefix.h: No such file or directory"),
        (EXPORT, "Could not guard on data-dependent expression Eq(u0, 1) (unhinted: Eq(u0, 1))."),
        (TO_ONNX, "No ONNX function found for mine.twice. Failure message: No decompositions registered"),
        (OPENVINO, "No conversion rule found for operations: ai.onnx.ml.TreeEnsembleClassifier"),
        (
            OPENVINO_SHAPE,
            "MatMul-17: Incompatible MatMul matrix dimension. First input dimension=8 doesn't match the second input "
            "dimension=3",
        ),
        (OPENVINO_PLACE, "The input tensor size is not equal to the model input type"),
        (
            ORT,
            "[ONNXRuntimeError] : 1 : FAIL : Load model from m.onnx failed:ONNX Runtime only *guarantees* support for "
            "models stamped with official released onnx opset versions. Opset 99 is under development.",
        ),
        (TVM, "Matmul requires the reduction length to be equal"),
        (TENSORFLOW, "Matrix size-incompatible: In[0]: [1,192], In[1]: [7,7] (node net/head/MatMul)"),
        (KERAS_CALL, "Scale.call(): Matrix size-incompatible: In[0]: [8,3], In[1]: [7,7]"),
        (KERAS_FILE, "Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}"),
        (LITE, " ".join(LITE.split())),
        (TO_LITE, "'tf.Svd' op is neither a custom op nor a flex op"),
        (
            "Converter is not implemented (OperationDescription(domain='', operation_type='Det', version=11))",
            "Converter is not implemented (OperationDescription(domain='', operation_type='Det', version=11))",
        ),
        ("The model is not a valid Flatbuffer buffer", "The model is not a valid Flatbuffer buffer"),
        (
            "Failed to import nets because of the following error (look up to see its traceback):\n"
            "operator torchvision::nms does not exist",
            "operator torchvision::nms does not exist",
        ),
        ("first line\nsecond line", "first line"),
        ("src/engine.cpp:84:", "src/engine.cpp:84:"),
        ("", ""),
    ],
)
def test_the_cause_is_told_not_the_first_line(text: str, told: str) -> None:
    assert telling_sentence(RuntimeError(text)) == told


def test_of_a_long_message_both_ends_are_kept() -> None:
    told = telling_sentence(ValueError(f"cannot read {'x' * 900}: bad groups"))
    assert len(told) <= LONGEST
    assert told.startswith("cannot read x")
    assert told.endswith("x: bad groups")


def caused(text: str, cause: BaseException) -> BaseException:
    try:
        raise ImportError(text) from cause
    except ImportError as error:
        return error


def test_what_an_error_was_raised_from_is_told_with_it() -> None:
    inner = caused("no module", OSError("libx.so: cannot open shared object file"))
    assert telling_sentence(caused("could not import net", inner)) == (
        "could not import net: OSError: libx.so: cannot open shared object file"
    )
    assert telling_sentence(caused("net: a bad shape", ValueError("a bad shape"))) == "net: a bad shape"
    assert telling_sentence(caused("", ValueError("a bad shape"))) == "ValueError: a bad shape"
    assert telling_sentence(caused("said", ValueError())) == "said"


def test_of_a_group_the_first_error_is_told() -> None:
    group = ExceptionGroup("unhandled", [ValueError("a bad shape"), KeyError("x")])
    assert telling_sentence(group) == "ValueError: a bad shape (and 1 more)"
    assert telling_sentence(ExceptionGroup("unhandled", [group])) == (
        "ExceptionGroup: ValueError: a bad shape (and 1 more)"
    )


def test_the_type_stands_before_it_once() -> None:
    assert named_cause(RuntimeError(TORCHSCRIPT)).count("RuntimeError: ") == 1
    assert named_cause(ValueError("x")) == "ValueError: x"
    assert named_cause(ValueError()) == "ValueError"
    assert named_cause(KeyError("a\nb")) == "KeyError: a"
    assert named_cause(DeclarationError("thing", cause="cause")) == "thing: cause"
