"""all-MiniLM-L6-v2 from its safetensors as one ONNX graph, int8 or float32, without torch.

The graph takes input_ids and attention_mask, int64 [B, S], and gives `embedding`, float32 [B, 384] of unit norm:
mean pooling and normalisation are inside. Linear layers are MatMulNBits: 8-bit weights, and activations quantized at
run time, both in blocks of 32. Measured on 120 held-out questions, one thread of an AVX-512 VNNI core:

    linear layers                            cosine to fp32   the same text beside a longer one   8/16/32 tokens
    fp32                                     1                1.0000                              2.6/3.8/5.9 ms
    MatMulNBits, blocks of 32                .9997            1.0000                              1.2/2.2/4.3 ms
    DynamicQuantizeMatMul with SmoothQuant   .9982            .9949                               0.7/1.2/2.2 ms

The last is faster but scales a whole batch by its largest activation, needs calibration, and 8-bit weights overflow
its kernels on processors with AVX2 alone. This one needs the weights only: the file is the same wherever it is built.

It needs `onnx` and `safetensors`, which `cachedistill[local]` installs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

HIDDEN = 384
HEADS = 12
LAYERS = 6
POSITIONS = 256  # tokens that the model is documented for, although it has 512
EPSILON = 1e-12
BLOCK = 32
_MICROSOFT = "com.microsoft"
_INT8_KERNEL = 4  # accuracy_level: activations may be quantized to int8

Array = NDArray[Any]
Weights = dict[str, Array]


def load_weights(path: Path) -> Weights:
    """Tensors by name as BertModel names them, float32."""
    tensors = load_file(path)
    return {name.removeprefix("bert."): t.astype(np.float32) for name, t in tensors.items() if t.dtype.kind == "f"}


def build_int8(weights: Weights) -> onnx.ModelProto:
    """The smallest of the built-in graphs, 24 MB; the same bytes for the same weights."""
    return _build(weights, _int8_linear, _int8_words)


def build_float32(weights: Weights) -> onnx.ModelProto:
    """The same graph without quantization, 90 MB: a model of its own, and what int8 is measured against."""
    return _build(weights, _float32_linear, _float32_words)


@dataclass(slots=True)
class _Graph:
    """Nodes and constants in the order they are added; tensors are named by counting."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, onnx.TensorProto] = field(default_factory=dict)

    def constant(self, name: str, value: Array) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        return self.split(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def split(self, kind: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any) -> list[str]:
        name = f"{kind}_{len(self.nodes)}"
        names = [f"{name}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=name, domain=domain, **attributes))
        return names


Linear = Callable[[_Graph, str, Array, str], str]
"""Adds `y = x @ weight.T`: (graph, name of x, weight [out, in], name of the layer) -> name of y."""

Words = Callable[[_Graph, Array], str]
"""Adds the look-up of input_ids in the word embeddings: (graph, words [vocabulary, HIDDEN]) -> name of the rows."""


def _float32_linear(graph: _Graph, x: str, weight: Array, layer: str) -> str:
    return graph.add("MatMul", x, graph.constant(f"{layer}.weight", weight.T))


def _int8_linear(graph: _Graph, x: str, weight: Array, layer: str) -> str:
    rows, columns = weight.shape
    quantized, scale = quantize_rows(weight.reshape(-1, BLOCK))
    shifted = (quantized.astype(np.int16) + 128).astype(np.uint8)  # the operator's zero point
    return graph.add(
        "MatMulNBits",
        x,
        graph.constant(f"{layer}.weight", shifted.reshape(rows, columns // BLOCK, BLOCK)),
        graph.constant(f"{layer}.scale", scale),
        domain=_MICROSOFT,
        N=rows,
        K=columns,
        bits=8,
        block_size=BLOCK,
        accuracy_level=_INT8_KERNEL,
    )


def _float32_words(graph: _Graph, words: Array) -> str:
    return graph.add("Gather", graph.constant("words", words), "input_ids")


def _int8_words(graph: _Graph, words: Array) -> str:
    quantized, scale = quantize_rows(words)
    rows = graph.add("Gather", graph.constant("words", quantized), "input_ids")
    scales = graph.add("Gather", graph.constant("words.scale", scale[:, None]), "input_ids")
    return graph.add("Mul", graph.add("Cast", rows, to=TensorProto.FLOAT), scales)


def quantize_rows(values: Array) -> tuple[Array, Array]:
    """Symmetric int8 by row: float [rows, columns] -> int8 [rows, columns], float32 scale [rows]."""
    scale = np.maximum(np.abs(values).max(1) / 127, 1e-10).astype(np.float32)
    return np.clip(np.rint(values / scale[:, None]), -127, 127).astype(np.int8), scale


def _build(weights: Weights, linear: Linear, words: Words) -> onnx.ModelProto:
    graph = _Graph()
    x = _embeddings(graph, weights, words)
    mask = graph.add("Cast", "attention_mask", to=TensorProto.INT32)
    for index in range(LAYERS):
        x = _layer(graph, weights, linear, x, mask, f"encoder.layer.{index}.")
    _pool(graph, x)
    tokens = [helper.make_tensor_value_info(n, TensorProto.INT64, ["B", "S"]) for n in ("input_ids", "attention_mask")]
    embedding = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", HIDDEN])
    proto = helper.make_graph(graph.nodes, "all-MiniLM-L6-v2", tokens, [embedding], list(graph.constants.values()))
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
    return helper.make_model(proto, opset_imports=opsets, ir_version=10, producer_name="cachedistill")


def _embeddings(graph: _Graph, weights: Weights, words: Words) -> str:
    word = words(graph, weights["embeddings.word_embeddings.weight"])
    # Every token is of type 0, so that row is part of the positions.
    positions = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    length = graph.add("Shape", "input_ids", start=1, end=2)
    zero = graph.constant("zero", np.array([0], np.int64))
    position = graph.add("Slice", graph.constant("positions", positions[:POSITIONS]), zero, length, zero)
    norm = _norm(graph, weights, "embeddings.LayerNorm")
    return graph.add("SkipLayerNormalization", word, position, *norm, domain=_MICROSOFT, epsilon=EPSILON)


def _layer(graph: _Graph, weights: Weights, linear: Linear, x: str, mask: str, prefix: str) -> str:
    def bias(name: str) -> str:
        return graph.constant(f"{prefix}{name}.bias", weights[f"{prefix}{name}.bias"])

    def project(y: str, name: str) -> str:
        return linear(graph, y, weights[f"{prefix}{name}.weight"], f"{prefix}{name}")

    def add_and_norm(y: str, residual: str, name: str) -> str:
        inputs = (y, residual, *_norm(graph, weights, f"{prefix}{name}.LayerNorm"), bias(f"{name}.dense"))
        return graph.add("SkipLayerNormalization", *inputs, domain=_MICROSOFT, epsilon=EPSILON)

    parts = [f"{prefix}attention.self.{name}" for name in ("query", "key", "value")]
    joined = np.concatenate([weights[f"{part}.weight"] for part in parts])
    joined_bias = graph.constant(f"{prefix}qkv.bias", np.concatenate([weights[f"{part}.bias"] for part in parts]))
    qkv = graph.split("Split", linear(graph, x, joined, f"{prefix}qkv"), outputs=3, axis=-1, num_outputs=3)
    attended = graph.add("MultiHeadAttention", *qkv, joined_bias, mask, domain=_MICROSOFT, num_heads=HEADS)
    x = add_and_norm(project(attended, "attention.output.dense"), x, "attention.output")
    inner = project(x, "intermediate.dense")
    inner = graph.add("BiasGelu", inner, bias("intermediate.dense"), domain=_MICROSOFT)
    return add_and_norm(project(inner, "output.dense"), x, "output")


def _norm(graph: _Graph, weights: Weights, name: str) -> tuple[str, str]:
    scale, shift = f"{name}.weight", f"{name}.bias"
    return graph.constant(scale, weights[scale]), graph.constant(shift, weights[shift])


def _pool(graph: _Graph, x: str) -> None:
    """Sums the tokens that are there; the mean differs from it by a factor, which the norm takes away."""
    axis = graph.constant("one", np.array([1], np.int64))
    mask = graph.add("Unsqueeze", graph.add("Cast", "attention_mask", to=TensorProto.FLOAT), axis)
    total = graph.add("Squeeze", graph.add("MatMul", mask, x), axis)
    graph.nodes.append(helper.make_node("LpNormalization", [total], ["embedding"], name="normalise", axis=-1, p=2))
