"""Prints what a model in ONNX tells of rows, as a JSON list. Argument: the folder of both."""

import json
import pathlib
import sys

import numpy
import onnxruntime

folder = pathlib.Path(sys.argv[1])
session = onnxruntime.InferenceSession(
    str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
)
meta = session.get_modelmeta()
assert meta.custom_metadata_map == {}, meta.custom_metadata_map
assert (meta.description, meta.producer_name, meta.graph_description) == ("", "", "")
rows = numpy.array(json.loads((folder / "rows.json").read_text()), dtype=numpy.float64)
(told,) = session.run(None, {"inputs": rows})
print(json.dumps([float(value) for value in told.reshape(-1)]))
