"""bge-small-en-v1.5 as one ONNX graph that ends in comparable vectors.

The published graph gives a vector for each token. Here the first token's is taken, as the model is documented, and
brought to unit length; then what the vectors of all short questions have in common is taken away (`centre.json`, by
`python -m bench.prior.centre`), and it is brought to unit length again. Without the last step any two questions have a
cosine of .5 or more, and of a stream of CLINC150 a twentieth less can be answered at the same risk.

The graph takes input_ids, attention_mask and token_type_ids, int64 [B, S], and gives `embedding`, float32 [B, 384] of
unit norm. Weights are int8, activations quantized at run time. One thread of an AVX-512 VNNI core: 2.1 ms for 8 tokens,
2.7 for 16, 4.9 for 40.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CENTRE = "centre.json"
DIMENSIONS = 384

if TYPE_CHECKING:
    from numpy.typing import NDArray


def build(published: Path) -> onnx.ModelProto:
    """The graph that the sidecar runs unless told otherwise, 34 MB; the same bytes for the same file."""
    centre = json.loads(files(__package__).joinpath(CENTRE).read_text())
    return centred(onnx.load(published), np.array(centre, np.float32))


def centred(model: onnx.ModelProto, centre: "NDArray[np.float32]") -> onnx.ModelProto:
    """A graph of token vectors, with pooling, centring and normalisation behind it. `centre`: float32 [DIMENSIONS]."""
    graph = model.graph
    tokens = graph.output[0].name
    graph.initializer.extend(
        [numpy_helper.from_array(np.array(0, np.int64), "first"), numpy_helper.from_array(centre, "centre")]
    )
    graph.node.extend(
        [
            helper.make_node("Gather", [tokens, "first"], ["pooled"], axis=1),
            helper.make_node("LpNormalization", ["pooled"], ["unit"], axis=-1, p=2),
            helper.make_node("Sub", ["unit", "centre"], ["shifted"]),
            helper.make_node("LpNormalization", ["shifted"], ["embedding"], axis=-1, p=2),
        ]
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["B", DIMENSIONS]))
    return model
