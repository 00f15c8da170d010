"""How large is a fitted model's file, and does it answer the same elsewhere?

Each recipe is fitted to a few posters at its full size, saved by `save_model`, exported
by `export_onnx`, and loaded by a process that has seen nothing but the file. Its
probabilities must be the same bytes; those of the ONNX graph on onnxruntime differ by
what float32 leaves out.
"""

import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from _common import Side, in_turn, job_of, parsed, parser, report
from _side import seconds_of

SIDES = {
    recipe: Side("saved", changes={"recipe": recipe})
    for recipe in ("frozen", "best", "finetuned", "cnn")
}
ANSWER = """
import sys, time
import numpy as np
started = time.perf_counter()
from sk_posters import load_model
model = load_model(sys.argv[1])
print(time.perf_counter() - started)
np.save(sys.argv[3], model.predict_proba(np.load(sys.argv[2])))
"""


def saved(job):
    from sk_posters import export_onnx, make_poster_pipeline, save_model

    warnings.simplefilter("ignore", UserWarning)  # Of labels that few posters lack.
    few = {"classifier__epochs": 1} if job.recipe in ("finetuned", "cnn") else {}
    model = make_poster_pipeline(job.recipe, **few)
    model.fit(job.paths, np.array(job.target))
    expected = np.asarray(model.predict_proba(job.paths))
    with tempfile.TemporaryDirectory() as folder:
        file, graph = Path(folder, "it.model"), Path(folder, "it.onnx")
        saving = seconds_of(lambda: save_model(model, file))
        exporting = seconds_of(lambda: export_onnx(model, graph))
        found, loading = answers_elsewhere(file, job.paths)
        by_graph = answers_of(graph, job.paths)
        return {
            "model file, MB": file.stat().st_size / 1e6,
            "ONNX file, MB": graph.stat().st_size / 1e6,
            "save, s": saving,
            "export, s": exporting,
            "load in a fresh process, imports included, s": loading,
            "equal bytes (1: yes)": float(found.tobytes() == expected.tobytes()),
            "greatest difference of ONNX": float(np.abs(by_graph - expected).max()),
        }


def answers_elsewhere(file, paths):
    """Return what a fresh process answers, and how long it took to load."""
    rows, found = (file.with_name(name) for name in ("X.npy", "found.npy"))
    np.save(rows, np.array(paths, dtype=str))
    done = subprocess.run(
        [sys.executable, "-c", ANSWER, file, rows, found],
        capture_output=True,
        text=True,
        check=True,
    )
    return np.load(found), float(done.stdout.split()[0])


def answers_of(graph, paths):
    """Run a graph on the images that its metadata ask for."""
    import onnxruntime

    from sk_posters import PosterImageLoader

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    inputs = json.loads(session.get_modelmeta().custom_metadata_map["inputs"])
    feeds = {}
    for name, settings in inputs.items():
        images = np.asarray(PosterImageLoader(**settings).fit_transform(paths)[:])
        feeds[name] = np.rint(images * 255).astype(np.uint8)
    return session.run(None, feeds)[0]


def main(arguments=None):
    options = parser(__doc__, n_samples=40, repeat=1)
    options.add_argument(
        "--recipes",
        nargs="+",
        choices=SIDES,
        default=list(SIDES),
        help="(default: all)",
    )
    options = parsed(options, arguments)
    sides = {recipe: SIDES[recipe] for recipe in options.recipes}
    runs = in_turn(__file__, sides, job_of(options), options.repeat)
    report(__file__, options, runs)


if __name__ == "__main__":
    main()
