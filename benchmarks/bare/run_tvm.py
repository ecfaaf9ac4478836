"""Labels by TVM."""

import lite0
import tvm
from tvm import relax

machine = relax.VirtualMachine(tvm.runtime.load_module("model.so"), tvm.cpu())
lite0.print_labels(lambda image: machine["main"](tvm.runtime.tensor(image, tvm.cpu())).numpy())
