"""Fitted pipelines as ONNX graphs, from the pixels of posters to probabilities."""

from sk_posters._persistence._onnx._export import export_onnx

__all__ = ["export_onnx"]
