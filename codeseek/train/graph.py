"""The door to `onnx`: writes the graph of a quantised BERT, its operators fused by hand, its weights left outside.

Each matrix product is QuantizeLinear with a fixed scale and then int8 x int8 (MatMulIntegerToFloat). The fixed scale is
what makes a text's vector independent of the batch that it came in: onnxruntime's dynamic quantisation takes one scale
over the whole batch, and the same document then moves by up to 0.011 in cosine with its neighbours (LOG.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["ExternalWeights", "write_graph"]

MICROSOFT = "com.microsoft"
# The oldest that has all of these operators; older onnxruntimes then read the graph too.
OPSET, IR_VERSION = 17, 8
TYPES = {"F32": TensorProto.FLOAT, "I8": TensorProto.INT8, "U8": TensorProto.UINT8}


class ExternalWeights:
    """Tensors of safetensors files, by name: (file, type, shape, offset, length)."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, str, list[int], int, int]] = {}

    def add(self, file: str, header: Mapping[str, Mapping], ranges: Mapping[str, tuple[int, int]]) -> None:
        for name, entry in header.items():
            self.found[name] = (file, entry["dtype"], list(entry["shape"]), *ranges[name])

    def initializer(self, name: str) -> TensorProto:
        file, dtype, shape, offset, length = self.found[name]
        tensor = TensorProto(name=name, data_type=TYPES[dtype], dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", file), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor


class _Graph:
    """Collects nodes; every method returns the name of a tensor."""

    def __init__(self, weights: ExternalWeights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}

    def weight(self, name: str) -> str:
        self.initializers.setdefault(name, self.weights.initializer(name))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{value.dtype}_{'_'.join(map(str, value.ravel()))}"
        self.initializers.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def node(self, operator: str, *inputs: str, domain: str = "", **attributes: object) -> str:
        return self.nodes_out(operator, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes_out(
        self, operator: str, *inputs: str, outputs: int, domain: str = "", **attributes: object
    ) -> Sequence[str]:
        names = [f"{operator}_{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names

    def quantised(self, value: str, linear: str) -> str:
        """`value` as uint8 with the fixed scale of the matrix product `linear`."""
        if f"{linear}.smooth" in self.weights.found:
            value = self.node("Mul", value, self.weight(f"{linear}.smooth"))
        return self.node(
            "QuantizeLinear", value, self.weight(f"{linear}.input_scale"), self.weight(f"{linear}.input_zero")
        )

    def product(self, value: str, linear: str, *, bias: bool) -> str:
        """[..., K] float32 to [..., N] float32."""
        columns = self.weights.found[f"{linear}.scale"][2][0]
        zeros = self.constant(np.zeros(1, np.int8)) if columns == 1 else self._zeros(columns)
        inputs = [
            self.quantised(value, linear),
            self.weight(f"{linear}.weight"),
            self.weight(f"{linear}.input_scale"),
            self.weight(f"{linear}.scale"),
            self.weight(f"{linear}.input_zero"),
            zeros,
        ]
        if bias:
            inputs.append(self.weight(f"{linear}.bias"))
        return self.node("MatMulIntegerToFloat", *inputs, domain=MICROSOFT)

    def _zeros(self, columns: int) -> str:
        name = f"zeros_{columns}"
        self.initializers.setdefault(name, numpy_helper.from_array(np.zeros(columns, np.int8), name))
        return name


def write_graph(
    path: Path, weights: ExternalWeights, *, layers: int, heads: int, epsilon: float, pooling: str, head: str
) -> None:
    """Writes the graph of an encoder (`head` empty: unit vectors [B, D]) or a ranker (logits [B]).

    Args:
        path: The graph's file; the weights' files lie beside it.
        weights: Under the names of `train/export.py`.
        layers: How many.
        heads: Of each attention.
        epsilon: Of the layer norms.
        pooling: `mean` or `cls`.
        head: As in `Feeding.head`.
    """
    graph = _Graph(weights)
    hidden = _embeddings(graph, epsilon, pairs=bool(head))
    for layer in range(layers):
        hidden = _layer(graph, hidden, f"layers.{layer}", heads, epsilon)
    pooled = _pooled(graph, hidden, pooling, mean_divides=bool(head))
    if head:
        pooled = graph.node("Tanh", graph.node("Gemm", pooled, *_head(graph, "dense"), transB=1))
        pooled = graph.node("Gemm", pooled, *_head(graph, "score"), transB=1)
        pooled = graph.node("Squeeze", pooled, graph.integers(1))
        if head.endswith("linear-tanh"):
            pooled = graph.node("Tanh", pooled)
    else:
        pooled = graph.node("LpNormalization", pooled, axis=-1, p=2)
    names = ("ids", "types") if head else ("ids",)
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["B", "T"]) for name in names]
    inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, ["B"]))
    output = helper.make_tensor_value_info(pooled, TensorProto.FLOAT, ["B"] if head else ["B", "D"])
    body = helper.make_graph(graph.nodes, "codeseek", inputs, [output], list(graph.initializers.values()))
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="codeseek")
    path.write_bytes(model.SerializeToString())


def _head(graph: _Graph, name: str) -> tuple[str, str]:
    return graph.weight(f"head.{name}.weight"), graph.weight(f"head.{name}.bias")


def _embeddings(graph: _Graph, epsilon: float, *, pairs: bool) -> str:
    """[B, T] ids to [B, T, D]."""
    words = graph.node("Cast", graph.node("Gather", graph.weight("words"), "ids"), to=TensorProto.FLOAT)
    words = graph.node("Mul", words, graph.node("Gather", graph.weight("words.scale"), "ids"))
    length = graph.node("Slice", graph.node("Shape", "ids"), graph.integers(1), graph.integers(2))
    places = graph.node("Slice", graph.weight("positions"), graph.integers(0), length)
    if pairs:
        words = graph.node("Add", words, graph.node("Gather", graph.weight("token_types"), "types"))
    else:
        # Single texts are all of type 0, whose row is added to [T, D] instead of [B, T, D].
        places = graph.node("Add", places, graph.node("Gather", graph.weight("token_types"), graph.integers(0)))
    return _norm(graph, graph.node("Add", words, places), "embedding_norm", epsilon)


def _layer(graph: _Graph, hidden: str, name: str, heads: int, epsilon: float) -> str:
    """[B, T, D] to [B, T, D]."""
    product = graph.product(hidden, f"{name}.qkv", bias=True)
    query, key, value = graph.nodes_out("Split", product, outputs=3, axis=-1)
    attention = graph.node(
        "MultiHeadAttention",
        *(query, key, value, "", "lengths"),
        domain=MICROSOFT,
        num_heads=heads,
    )
    attention = graph.product(attention, f"{name}.attention", bias=True)
    hidden = _skip_norm(graph, attention, hidden, f"{name}.attention_norm", epsilon)
    inner = graph.product(hidden, f"{name}.intermediate", bias=False)
    inner = graph.node("BiasGelu", inner, graph.weight(f"{name}.intermediate.bias"), domain=MICROSOFT)
    inner = graph.product(inner, f"{name}.output", bias=True)
    return _skip_norm(graph, inner, hidden, f"{name}.output_norm", epsilon)


def _skip_norm(graph: _Graph, value: str, skip: str, name: str, epsilon: float) -> str:
    # onnxruntime's own SkipLayerNormalization goes number by number: with it a pass takes a quarter longer (LOG.md).
    return _norm(graph, graph.node("Add", value, skip), name, epsilon)


def _norm(graph: _Graph, value: str, name: str, epsilon: float) -> str:
    weights = graph.weight(f"{name}.weight"), graph.weight(f"{name}.bias")
    return graph.node("LayerNormalization", value, *weights, axis=-1, epsilon=epsilon)


def _pooled(graph: _Graph, hidden: str, pooling: str, *, mean_divides: bool) -> str:
    """[B, T, D] to [B, D]; a sum does for a mean that is normalised afterwards."""
    if pooling == "cls":
        return graph.node("Gather", hidden, graph.constant(np.array(0, np.int64)), axis=1)
    shape = graph.node("Shape", "ids")
    length = graph.node("Gather", shape, graph.constant(np.array(1, np.int64)))
    zero, one = (graph.constant(np.array(value, np.int64)) for value in (0, 1))
    places = graph.node("Cast", graph.node("Range", zero, length, one), to=TensorProto.INT32)
    column = graph.node("Unsqueeze", "lengths", graph.integers(1))
    mask = graph.node("Cast", graph.node("Less", places, column), to=TensorProto.FLOAT)
    total = graph.node("MatMul", graph.node("Unsqueeze", mask, graph.integers(1)), hidden)
    total = graph.node("Squeeze", total, graph.integers(1))
    return graph.node("Div", total, graph.node("Cast", column, to=TensorProto.FLOAT)) if mean_divides else total
