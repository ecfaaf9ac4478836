"""model.so from torch."""

import lite0
import torch
import tvm
from tvm.relax.frontend.torch import from_exported_program

torch.set_num_threads(1)
with torch.no_grad():
    program = torch.export.export(lite0.network(), (torch.zeros(1, 3, 224, 224),))
module = from_exported_program(program, unwrap_unit_return_tuple=True)
tvm.compile(module, tvm.target.Target({"kind": "llvm", "opt-level": 3})).export_library("model.so")
