"""Write the residual sums of an exported encoder so that onnxruntime leaves them alone.

    python -m assistant.knowledge.models.residuals FILE …

onnxruntime fuses an ``Add`` and the ``LayerNormalization`` after it into one kernel, which on a CPU takes longer than
both: a quarter of the time of a text of 100 tokens or more went into it (docs/figures.md; onnxruntime 1.31). ``Sum``
means the same and is not fused. The notes that torch's exporter leaves at each node, with the paths of the machine that
it ran on, are left out on the way. Never imported by the product; needs the extra ``finetune``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx

BEFORE, AFTER, NEXT = "Add", "Sum", "LayerNormalization"


def keep_apart(path: Path) -> int:
    """Rewrites a model in place; how many sums were changed."""
    model = onnx.load(path)
    made_by = {name: node for node in model.graph.node for name in node.output}
    changed = 0
    for node in model.graph.node:
        before = made_by.get(node.input[0]) if node.op_type == NEXT else None
        if before is not None and before.op_type == BEFORE:
            before.op_type, changed = AFTER, changed + 1
    for noted in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        noted.ClearField("metadata_props")
        noted.ClearField("doc_string")
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return changed


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, keep_apart(Path(name)))
