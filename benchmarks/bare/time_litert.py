"""Calls of LiteRT with XNNPACK."""

import sys

import turns
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(model_path=sys.argv[2], num_threads=1)
interpreter.allocate_tensors()
taken = interpreter.get_input_details()[0]["index"]
given = interpreter.get_output_details()[0]["index"]


def call(image):
    interpreter.set_tensor(taken, image)
    interpreter.invoke()
    return interpreter.get_tensor(given)


turns.answer(call)
