"""How many nodes a stored ONNX graph has when its functions are written out: counted before it is loaded.

No detector: what `onnx_file.py` asks first. Functions may call functions, so that a file of a few kilobytes
means more nodes than memory holds; onnxruntime writes them out without a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

GRAPH, FUNCTIONS = 7, 25
"""Fields of a model, as onnx.proto numbers them."""
GRAPH_NODES, FUNCTION_NAME, FUNCTION_NODES, FUNCTION_DOMAIN = 1, 1, 7, 10
NODE_TYPE, NODE_ATTRIBUTES, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_GRAPHS = (6, 11)
DEEPEST = 40
"""Levels of graphs in graphs; protobuf reads no more than a hundred messages in messages."""


def nodes_of(stored: bytes, most: float) -> float:
    """The nodes of a model; any number above `most` where they are more, infinity where there is no end.

    A file that is no model has none, or those before its damage.
    """
    parts = list(_fields(memoryview(stored)))
    functions = {}
    for number, function in parts:
        if number == FUNCTIONS:
            said = dict(_fields(function))
            name = bytes(said.get(FUNCTION_DOMAIN, b"")), bytes(said.get(FUNCTION_NAME, b""))
            functions[name] = function
    counter = _Counter(functions, most)
    return sum(counter.nodes(graph, GRAPH_NODES, 0) for number, graph in parts if number == GRAPH)


class _Counter:
    def __init__(self, functions: dict[tuple[bytes, bytes], Any], most: float) -> None:
        self._functions, self._most = functions, most
        self._known: dict[tuple[bytes, bytes], float] = {}

    def nodes(self, graph: Any, field: int, depth: int) -> float:
        """The nodes of a graph or function, in which they are that field."""
        if depth > DEEPEST:
            return float("inf")
        found = 0.0
        for number, node in _fields(graph):
            found += self._node(node, depth) if number == field else 0
            if found > self._most:
                break
        return found

    def _node(self, node: Any, depth: int) -> float:
        kind, domain, found = b"", b"", 1.0
        for number, value in _fields(node):
            if number == NODE_TYPE:
                kind = bytes(value)
            elif number == NODE_DOMAIN:
                domain = bytes(value)
            elif number == NODE_ATTRIBUTES:
                inner = (graph for at, graph in _fields(value) if at in ATTRIBUTE_GRAPHS)
                found += sum(self.nodes(graph, GRAPH_NODES, depth + 1) for graph in inner)
        return found + self._function((domain, kind), depth)

    def _function(self, name: tuple[bytes, bytes], depth: int) -> float:
        if name not in self._functions:
            return 0
        if name not in self._known:
            self._known[name] = float("inf")  # one that calls itself has no end
            self._known[name] = self.nodes(self._functions[name], FUNCTION_NODES, depth + 1)
        return self._known[name]


def _fields(data: Any) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message that hold bytes, with their numbers; it ends where it is damaged."""
    at, size = 0, len(data) if isinstance(data, memoryview) else 0
    while at < size:
        tag, at = _varint(data, at)
        if tag & 7 == 2:
            length, at = _varint(data, at)
            if at + length > size:
                return
            yield tag >> 3, data[at : at + length]
            at += length
        elif tag & 7 == 0:
            _, at = _varint(data, at)
        elif tag & 7 in (1, 5):
            at += 8 if tag & 7 == 1 else 4
        else:
            return


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of up to ten bytes, and where it ends; past the end of the data where it is cut off."""
    value = shift = 0
    for place in range(at, min(at + 10, len(data))):
        value |= (data[place] & 0x7F) << shift
        if data[place] < 0x80:
            return value, place + 1
        shift += 7
    return 0, len(data) + 1
