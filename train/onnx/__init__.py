"""The model as ONNX graphs, for machines without a GPU; running them needs neither torch nor transformers."""
