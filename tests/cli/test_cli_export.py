"""The command ``export``."""

from cli_helpers import run


def test_a_model_is_exported_to_onnx(trained, tmp_path):
    result = run("export", trained.model, tmp_path / "m.onnx")
    assert result.exit_code == 0, result.output
    assert "n × 64 × 48 × 3" in result.stdout
    assert (tmp_path / "m.onnx").stat().st_size > 1_000_000
