from __future__ import annotations

from support.contract import Conf

CONF = Conf("litert", framework="keras", also=("tflite",))
