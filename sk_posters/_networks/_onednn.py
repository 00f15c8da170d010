"""oneDNN, which must be switched on before TensorFlow is imported."""

import os
import sys
import warnings
from pathlib import Path

__all__ = ["hint_at_slow_tensorflow", "prepare_tensorflow"]

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
CPU_INFO = Path("/proc/cpuinfo")

_came_too_late = False


def prepare_tensorflow():
    """Switch oneDNN on, unless the user has decided, or TensorFlow is there already."""
    global _came_too_late
    if ONEDNN in os.environ:
        return
    if "tensorflow" in sys.modules:
        _came_too_late = True
        return
    os.environ[ONEDNN] = "1"


def hint_at_slow_tensorflow():
    """Warn once if TensorFlow was imported too early to be switched to oneDNN."""
    global _came_too_late
    if _came_too_late and _is_off_by_default():
        warnings.warn(
            f"TensorFlow trains several times slower here without oneDNN: import "
            f"sk_posters before tensorflow, or set {ONEDNN}=1.",
            stacklevel=4,
        )
    _came_too_late = False


def _is_off_by_default():
    """Tell whether this is a Linux machine whose processor lacks AVX512-VNNI."""
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), None)
    return flags is not None and "avx512_vnni" not in flags.split()
