"""The sentence of an error that tells its cause: where engines put it differs, and is seldom the first line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_envrobust.core.errors import EnvrobustError

LONGEST = 400
"""Characters of a telling sentence; of a longer one both ends are kept, as either may name the cause."""

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_NODE = re.compile(r"\{\{node ([^}]+)\}\}")
_MARKED = (
    re.compile(r"^--? *(?P<tells>No conversion rule found for operations: .+)$", re.M),  # OpenVINO
    re.compile(r"^## Exception summary\s+<class '[\w.]+'>: (?P<tells>[^\n]+)", re.M),  # torch.onnx
    re.compile(r"Exception encountered: (?P<tells>.+)\Z", re.S),  # Keras, reading a file
    re.compile(r"^\s*Explanation: .*got \w+Error\(['\"](?P<tells>.+)['\"]\)$", re.M),  # torch.compile, on fake tensors
    re.compile(r"^\s*Explanation: (?P<tells>.+)$", re.M),  # torch.compile
    re.compile(r"^(?P<tells>(?:Select TensorFlow|Encountered unresolved).+)\Z", re.S | re.M),  # LiteRT
    re.compile(r"error: (?:loc\(.*\): )?(?P<tells>'\w+\.\w+' op is .+)$", re.M),  # TensorFlow's converter
    re.compile(r"^\S+:\d+(?::\d+)?: (?:fatal )?error: (?P<tells>.+)$", re.M),  # a C++ compiler
    re.compile(r"^(?:fatal )?error: (?P<tells>.+)$", re.M),
    re.compile(  # TorchScript and TVM, below a stack
        r"^(?:\[[\d:]+\] )?(?:.+\.(?:cc|cpp|h|cu):\d+: )?(?:\w+\.)*(?P<tells>\w+(?:Error|Exception): (?!$).+)$", re.M
    ),
)
"""What engines put before the cause; what stands first here, and the last match of it in a text, is taken."""

_NOISE = re.compile(
    r"""^\s*(?:
        Traceback\b.* | Stack\ trace.* | During\ handling\ of.* | The\ above\ exception.*
        | File\ ".*",\ line\ \d+.* | \S+\.py\(\d+\):.* | \.{3}.* | [~^|\s]+(?:<---\ HERE)?
        | (?:\#|\[bt\]\s*\(?)?\d+[:)]?\s+(?:0x|\w+(?:::|\()|_Z|at\ ).* | \d+:\s+\w+$ | at\ \S+:\d+
        | Exception\ from\ .*:\d+:? | Check\ '.*'\ failed\ at\ .*:\d+:? | \S+\.(?:cc|cpp|hpp|h|cu):\d+:?
        | While\ validating\ .*:
        | FrontEnd\ API\ failed\ with\ .* | Model\ wasn't\ fully\ converted\..* | Summary:
        | --\ Conversion\ is\ failed\ for:.*
        | (?:Next|Developer|Hint|Set|For\ (?:more|even|extended|C\+\+)|If\ you\ suspect|See\ (?:the|instructions))\b.*
        | Arguments\ received\ by.* | [•⬆].* | Consider\ .* | \(Refer\ to\ .*
        | from\ user\ code:.* | The\ (?:following\ call|error\ above|op\ is\ created).* | You\ can\ suppress.*
        | \[\[\{\{node\ .* | <stack\ traces\ unavailable> | Detected\ at\ node.* | Node:\ .*
    )$""",
    re.X,
)
_ANNOUNCES = re.compile(
    r"""^[\w\ ]*\b(?:error|exception|failure):$ | \ with\ a\ message:$
    | ^The\ following\ operation\ failed\ in\ the\ TorchScript | ^Exception\ encountered\ when\ calling
    | ^Failed\ to\ (?:convert|export)\ the\ (?:exported\ program|model)
    | ^(?:An?|The|Some|Unknown|Unexpected)?\s*(?:internal\ |unknown\ |unexpected\ )?(?:error|exception|failure)
      (?:\ (?:has\ )?occurred)?\.?$ | look\ up\ to\ see\ its\ traceback
    """,
    re.X | re.I,
)
_PLACES = (
    (re.compile(r"/\S+\.(?:cc|cpp|h|hpp):\d+ (?:\w[^\n]*?\) (?=[A-Z\[]))?"), ""),  # ONNX Runtime: file, signature
    (
        re.compile(r"^.*\b(?:Check|InternalError: Check) failed: (?P<check>.+?) is false:\s*(?P<said>\S.*)$"),
        r"\g<said>",
    ),
    (re.compile(r"^(?:\S+\.(?:cc|cpp|h|hpp):\d+:? )"), ""),
    (re.compile(r"\{\{function_node [^}]*\}\} ?"), ""),
    (re.compile(r" ?\[Op:\w[^\]]*\](?: name:)?"), ""),
    (re.compile(r" Full object config: .*", re.S), ""),
    (re.compile(r"<OpOverload\(op='([\w.]+)', overload='(\w+)'\)>"), r"\1"),
)
_FAULTY = (
    re.compile(r"^Exception encountered when calling (?:layer )?(?P<who>.+?)\.?$", re.M),  # Keras
    re.compile(r"^-- (?P<who>[\w.]+-\d+) with a message:", re.M),  # OpenVINO
)


def telling_sentence(error: BaseException) -> str:
    """What tells the cause of a foreign error, in one line; empty where it says nothing.

    Of a text of many lines it is the one that engines end or introduce the cause with, never a file and line of theirs
    alone; the layer or operator at fault stands before it where the engine names one. What an error was explicitly
    raised from is added where the error does not say it itself. Of a group of errors it is the first one's.
    """
    if isinstance(error, EnvrobustError):
        return ": ".join(part for part in (error.thing, error.cause) if part)
    said, inner = _of_text(_text(error)), _root(error)
    if inner is None:
        return said
    cause = _of_text(_text(inner))
    if not cause or cause in said or _shortened(cause) in said:
        return said
    named = f"{type(inner).__name__}: {cause}"
    return _shortened(f"{said.rstrip(' .:')}: {named}" if said else named)


def named_cause(error: BaseException) -> str:
    """The error's type and its telling sentence."""
    said = telling_sentence(error)
    if isinstance(error, EnvrobustError):
        return said
    kind = type(error).__name__
    return said if said.startswith(f"{kind}: ") else f"{kind}: {said}" if said else kind


def _text(error: BaseException) -> str:
    members = getattr(error, "exceptions", None)
    if isinstance(members, (list, tuple)) and members and isinstance(members[0], BaseException):
        more = f" (and {len(members) - 1} more)" if len(members) > 1 else ""
        return f"{named_cause(members[0])}{more}"
    if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str):
        return error.args[0]  # str() would put it into quotes, its line ends escaped
    return str(error)


def _root(error: BaseException) -> BaseException | None:
    """The last error in the line of explicit causes; ``None`` where there is none."""
    found: BaseException | None = None
    seen = {id(error)}
    current = error.__cause__
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        found, current = current, current.__cause__
    return found


def _of_text(text: str) -> str:
    text = _ESCAPES.sub("", text).strip()
    sentence = _cleaned(_marked(text) or _telling_line(text))
    for pattern in _FAULTY:
        who = pattern.search(text)
        if who is not None and who["who"] not in sentence:
            sentence = f"{who['who']}: {sentence}" if sentence else who["who"]
    node = _NODE.search(text)
    if node is not None and node[1] not in sentence:
        sentence += f" (node {node[1]})"
    return _shortened(sentence)


def _marked(text: str) -> str:
    for pattern in _MARKED:
        found = [match["tells"] for match in pattern.finditer(text)]
        if found:
            return found[-1]
    return ""


def _telling_line(text: str) -> str:
    lines = list(_telling_lines(text))
    if not lines:
        return next((line.strip() for line in text.splitlines() if line.strip()), "")
    while len(lines) > 1 and _ANNOUNCES.search(lines[0]):
        lines.pop(0)
    return " ".join(lines) if lines[0].endswith(":") else lines[0]


def _telling_lines(text: str) -> Iterator[str]:
    """The lines that are no frame of a stack, place in a source file, or hint; of a frame the code below it neither."""
    in_frame = 0
    for line in text.splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        if re.match(r'\s*File ".*", line \d+', line):
            in_frame = depth + 1
            continue
        if in_frame and depth >= in_frame:
            continue
        in_frame = 0
        if not _NOISE.match(line):
            yield line.strip()


def _cleaned(sentence: str) -> str:
    sentence = " ".join(sentence.split())
    for pattern, instead in _PLACES:
        cleaned = pattern.sub(instead, sentence).strip()
        sentence = cleaned or sentence
    return sentence


def _shortened(sentence: str) -> str:
    if len(sentence) <= LONGEST:
        return sentence
    half = LONGEST // 2 - 3
    return f"{sentence[:half].rstrip()} … {sentence[-half:].lstrip()}"
