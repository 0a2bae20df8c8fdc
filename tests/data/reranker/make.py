"""Writes ``onnx/model.onnx`` beside this file: a cross-encoder that counts the words which query and text share.

    pip install onnx==1.23.2
    python tests/data/reranker/make.py

Its inputs are those of a BERT cross-encoder; its one score is the number of pairs of equal tokens, one in the query
(type 0) and one in the text (type 1), without the first four of the vocabulary, which are special.
"""

from pathlib import Path

from onnx import TensorProto, checker, helper, save

SPECIAL = 3
HERE = Path(__file__).parent


def main() -> None:
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in names]
    constants = [
        helper.make_tensor("special", TensorProto.INT64, [1], [SPECIAL]),
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        helper.make_tensor("middle", TensorProto.INT64, [1], [1]),
        helper.make_tensor("pairs", TensorProto.INT64, [1], [2]),
        helper.make_tensor("texts", TensorProto.INT64, [1], [1]),
    ]
    steps = [
        ("Greater", ["input_ids", "special"], "word"),
        ("Greater", ["attention_mask", "zero"], "seen"),
        ("And", ["word", "seen"], "kept"),
        ("Greater", ["token_type_ids", "zero"], "second"),
        ("Not", ["second"], "first"),
        ("And", ["kept", "first"], "query"),
        ("And", ["kept", "second"], "text"),
        ("Unsqueeze", ["query", "last"], "query_column"),
        ("Unsqueeze", ["text", "middle"], "text_row"),
        ("Unsqueeze", ["input_ids", "last"], "column"),
        ("Unsqueeze", ["input_ids", "middle"], "row"),
        ("Equal", ["column", "row"], "equal"),
        ("And", ["query_column", "text_row"], "across"),
        ("And", ["equal", "across"], "shared"),
    ]
    nodes = [helper.make_node(kind, given, [made]) for kind, given, made in steps]
    nodes.append(helper.make_node("Cast", ["shared"], ["numbers"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("ReduceSum", ["numbers", "pairs"], ["of_words"], keepdims=0))
    nodes.append(helper.make_node("ReduceSum", ["of_words", "texts"], ["logits"], keepdims=1))
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    graph = helper.make_graph(nodes, "shared_words", inputs, [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    (HERE / "onnx").mkdir(exist_ok=True)
    save(model, HERE / "onnx" / "model.onnx")


if __name__ == "__main__":
    main()
