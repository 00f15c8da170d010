"""ONNX files that would end the process which opens them, found out by another one."""

import importlib
import subprocess  # nosec B404: to run this interpreter
import sys

__all__ = ["check_openable"]

# Errors are none of its business: whoever opens the file raises them, too.
TRY = """
import sys
import onnxruntime
try:
    onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
except Exception:
    pass
"""


def check_openable(path):
    """Refuse a malformed graph at which onnxruntime does not raise, but aborts."""
    try:
        onnx = importlib.import_module("onnx")
    except ImportError:
        return
    try:
        onnx.checker.check_model(path, full_check=True)
    except Exception as error:  # Of many classes.
        tried = subprocess.run(  # nosec B603: no shell, the path is an argument
            [sys.executable, "-c", TRY, path], capture_output=True
        )
        if tried.returncode:
            raise ValueError(
                f"The ONNX file {path!r} is malformed, and opening it would end the "
                f"process: {error}. Export it anew"
            ) from error
