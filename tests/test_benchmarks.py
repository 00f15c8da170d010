"""The benchmarks run, at their smallest size, and write what they promise.

Their sides run in this process here, so that TensorFlow is loaded once; two tests run
a side in a process of its own. No test looks at a time.
"""

import ast
import contextlib
import importlib
import importlib.util
import io
import json
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("bench_*.py"))

FEW = ["--n-samples", "12", "--image-size", "48"]
CASES = {
    "bench_training": (
        [*FEW, "--epochs", "2"],
        {side: "ms per training sample" for side in ("tutorial", "ours")},
    ),
    "bench_torch": (
        ["--image-size", "48", "--batch-size", "4", "--steps", "1"],
        {"PyTorch, eager": "parameters", "ours": "parameters"},
    ),
    "bench_decoding": (
        FEW,
        {
            "tutorial": "images per second",
            "Pillow": "images per second",
            "tf.data, one core": "images per second",
            "tf.data, all cores": "images per second and core",
            "ours, one core": "images per second",
            "ours, all cores": "images per second, with the check",
        },
    ),
    "bench_rows": (
        ["--rows", "4", "12", "--image-size", "48", "--batch-size", "4"],
        {"4": "seconds of the fit", "12": "peak memory, MB"},
    ),
    "bench_search": (
        [*FEW, "--epochs", "2", "--n-fits", "2"],
        {"search": "search beyond them, s", "fits": "growth after fit 1, MB"},
    ),
    "bench_step": (
        [*FEW, "--epochs", "2", "--steps", "1", "--batch-size", "4"],
        {
            "parts": "limit: arithmetic at that speed, ms",
            "fit, from memory": "ms per training sample",
            "fit, from paths": "ms per training sample",
        },
    ),
    "bench_import": (
        [*FEW, "--calls", "1"],
        {
            "import": "both, beyond scikit-learn and pandas, s",
            "one poster": "next answers, median, ms",
        },
    ),
    "bench_report": (
        [
            "--rows",
            "20",
            "--labels",
            "3",
            "--n-bootstrap",
            "5",
            "--loop-resamples",
            "1",
        ],
        {
            "loop, extrapolated": "seconds of one resample",
            "ours": "seconds of the report",
            "ours, BCa": "lines printed",
        },
    ),
    "bench_frozen": (
        ["--n-samples", "20", "--folds", "2"],
        {
            "encoding, ours": "images per second",
            "frozen, all": "fit, warm cache, s",
            "one poster": "next answers, median, ms",
        },
    ),
    "bench_distributed": (
        ["--n-samples", "10", "--rounds", "1", "--partitions", "2"],
        {"search": "by Dask, s", "answers": "posters per second, by Dask"},
    ),
    "bench_splits": (
        ["--n-samples", "40", "--n-seeds", "2", "--rows", "50"],
        {"KFold": "groups on both sides", "ours, groups": "seconds of 50 rows"},
    ),
    "bench_thresholds": (
        ["--n-samples", "100"],
        {
            "nested folds": "macro F1, per label, shrunk (default)",
            "tied scores": "micro F1, tree, signal 2.5",
        },
    ),
    "bench_check": (
        ["--n-samples", "30", "--n-copies", "2"],
        {
            "duplicates": "mirrored: share found at 8",
            "labels": "forgotten labels, found among the first 200",
        },
    ),
    "bench_scale": (
        [
            *("--rows", "10", "20", "--labels", "2", "3"),
            *("--few-rows", "12", "--few-labels", "2"),
        ],
        {
            "check, drawn files: 20 rows, 2 labels": "seconds",
            "predict, cached: 12 rows, 3 labels": "memory before it, MB",
        },
    ),
    "bench_models": (
        ["--n-samples", "8", "--recipes", "frozen"],
        {"frozen": "equal bytes (1: yes)"},
    ),
    "bench_faults": (
        ["--kinds", "image store", "--kills", "2", "--trials", "1"],
        {"image store": "kill -9: right answers"},
    ),
    "bench_fuzz": (
        ["--targets", "labels", "paths", "--cases", "20"],
        {"labels": "crashes", "paths": "slowest case, s"},
    ),
    "bench_gpu": (
        [
            *("--cpu", "--image-size", "48", "--batch-size", "4", "--steps", "1"),
            *("--only", "tutorial, float32: ours on TensorFlow"),
        ],
        {"tutorial, float32: ours on TensorFlow": "largest difference from the CPU"},
    ),
    "bench_job": (
        [*FEW, "--epochs", "2"],
        {side: "seconds of the job" for side in ("tutorial", "ours")},
    ),
}


@pytest.fixture
def benchmark_of(monkeypatch, tmp_path):
    """Import a benchmark by name."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv("SK_POSTERS_DATA", str(tmp_path / "data"))
    return importlib.import_module


@pytest.fixture
def in_this_process(benchmark_of, monkeypatch):
    """Run the sides of benchmarks in this process."""

    def run_side(script, side, job):
        benchmark = importlib.import_module(Path(script).stem)
        job = json.loads(json.dumps({**job, **side.changes}))
        figures = getattr(benchmark, side.function)(SimpleNamespace(**job))
        return json.loads(json.dumps({"peak memory, MB": 1, **figures}))

    monkeypatch.setattr(benchmark_of("_common"), "run_side", run_side)


# What takes the time of a benchmark, and is not an option of it.
SMALLER = {
    "bench_check": {"N_SEEDS": 1, "N_FOLDS": 2},
    "bench_distributed": {
        "CANDIDATES": {"classifier__estimator__C": [1]},
        "N_PROCESSES": 1,
    },
    "bench_frozen": {"N_PROCESSES": 1, "N_LARGE": 1, "LARGE_WIDTH": 600},
    "bench_search": {"GRID": {"cnn__dropout": [0.1, 0.3]}, "N_FOLDS": 2, "SETTLED": 1},
    "bench_step": {"MATRIX": 64},
    "bench_thresholds": {"N_DRAWS": 1, "SIGNALS": (2.5,)},
}


@pytest.fixture
def small_networks(few_layers, benchmark_of, monkeypatch):
    """Let networks have few layers, ours and the tutorial's."""
    tutorial = importlib.import_module("_tutorial")
    monkeypatch.setattr(tutorial, "BLOCKS", [(2, 0.1)])
    monkeypatch.setattr(tutorial, "DENSE", [])


def run_in_this_process(benchmark):
    """Return a stand-in for `subprocess` that gives the command to the benchmark."""

    def run(command, **_):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            benchmark.main([str(word) for word in command[2:]])
        return SimpleNamespace(stdout=printed.getvalue())

    return SimpleNamespace(run=run)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("name", SCRIPTS)
def test_benchmark_writes_its_figures(
    request, benchmark_of, in_this_process, monkeypatch, tmp_path, capsys, name
):
    if name == "bench_torch":
        pytest.importorskip("torch", reason="PyTorch is not installed")
    benchmark = benchmark_of(name)
    if name == "bench_gpu":
        monkeypatch.setattr(benchmark, "subprocess", run_in_this_process(benchmark))
    if name == "bench_distributed":
        request.getfixturevalue("forked")
    if name != "bench_torch":  # Its networks are compared.
        request.getfixturevalue("small_networks")
    for constant, value in SMALLER.get(name, {}).items():
        monkeypatch.setattr(benchmark, constant, value)
    arguments, figures = CASES[name]
    benchmark.main([*arguments, "--repeat", "1", "--output", str(tmp_path)])

    written = json.loads((tmp_path / f"{name}.json").read_text())
    assert written["benchmark"] == name
    assert written["posters"] == "drawn"
    assert written["machine"]["cores"] >= 1
    assert {"numpy", "tensorflow", "scikit-learn"} <= set(
        written["machine"]["versions"]
    )
    printed = capsys.readouterr().out
    for side, figure in figures.items():
        row = written["table"][figure][side]
        assert set(row) == {"median", "min", "max", "ratio"}
        assert math.isfinite(row["median"])
        assert len(written["runs"][side]) == 1
        assert side in printed
        assert figure in printed


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_opens_with_the_question(benchmark_of, capsys, name):
    benchmark = benchmark_of(name)
    assert "?" in benchmark.__doc__.split("\n\n")[0]
    with pytest.raises(SystemExit) as stopped:
        benchmark.main(["--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert benchmark.__doc__.splitlines()[0] in printed
    assert "--repeat" in printed


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_page_says_how_to_run_each(name):
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    assert f"examples/benchmarks/{name}.py" in page


def test_a_side_has_a_process_of_its_own(benchmark_of):
    common = benchmark_of("_common")
    script = str(FOLDER / "bench_import.py")
    figures = common.run_side(script, common.Side("imports"), {})
    assert figures["TensorFlow loaded"] is False
    assert figures["peak memory, MB"] > 0
    assert figures["whole process, s"] > 0


def test_importing_benchmarks_chooses_nothing_for_the_tutorial():
    # The package may switch oneDNN on, and the tutorial's side shall be as it was.
    check = (
        f"import sys, {', '.join(SCRIPTS)}, _side, _tutorial\n"
        "assert not {'sk_posters', 'keras', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], cwd=FOLDER, check=True)


def test_a_side_that_fails_says_why(benchmark_of):
    common = benchmark_of("_common")
    script = str(FOLDER / "bench_decoding.py")
    job = {"paths": ["no_such.jpg"], "image_size": 8}
    with pytest.raises(RuntimeError, match=r"'pillow' of bench_decoding(.|\n)*no_such"):
        common.run_side(script, common.Side("pillow"), job)


def test_sides_run_in_turn(benchmark_of, monkeypatch):
    common, order = benchmark_of("_common"), []
    monkeypatch.setattr(
        common, "run_side", lambda script, side, job: order.append(side.function)
    )
    sides = {"A": common.Side("a"), "B": common.Side("b")}
    runs = common.in_turn("bench.py", sides, {}, repeat=2)
    assert order == ["a", "b", "a", "b"]
    assert {name: len(each) for name, each in runs.items()} == {"A": 2, "B": 2}


def test_ratios_are_those_of_medians(benchmark_of):
    common = benchmark_of("_common")
    runs = {
        "slow": [{"s": 4.0}, {"s": 9.0}, {"s": 6.0}],
        "ours": [{"s": 1.0}, {"s": 2.0}, {"s": 3.0}],
    }
    table = common.summary(runs, "ours")
    assert table["s"]["slow"] == {"median": 6.0, "min": 4.0, "max": 9.0, "ratio": 3.0}
    assert common.summary(runs)["s"]["slow"]["ratio"] is None


def test_first_epoch_is_not_counted(benchmark_of):
    clock = benchmark_of("_side").epoch_clock()
    clock.ends = [10.0, 12.0, 15.0]
    np.testing.assert_array_equal(clock.seconds, [2.0, 3.0])


def test_deviations_of_labels(benchmark_of):
    splits = benchmark_of("bench_splits")
    target = np.array([[1, 1], [0, 1], [0, 0], [0, 0], [1, 0]])
    groups = np.array(["a", "b", "c", "b", "d"])
    found = splits.deviations([np.array([0, 1]), np.array([2, 3, 4])], target, groups)
    assert found[splits.ABSOLUTE] == pytest.approx(60)
    assert found[splits.RELATIVE] == pytest.approx(0.6 / 0.4)
    assert found[splits.SIZES] == 1
    assert found[splits.ON_BOTH_SIDES] == 2
    least = splits.least_possible(np.repeat(np.eye(2, dtype=int), [7, 13], axis=0))
    assert list(least.values()) == pytest.approx([100 * 0.6 / 4, 0.6 / 1.4])


def test_thresholds_take_features_of_a_file(benchmark_of, in_this_process, tmp_path):
    thresholds = benchmark_of("bench_thresholds")
    file = tmp_path / "features.npz"
    np.savez(file, **thresholds.drawn(120))
    arguments = ["--features", str(file), "--repeat", "1", "--output", str(tmp_path)]
    thresholds.main(arguments)
    written = json.loads((tmp_path / "bench_thresholds.json").read_text())
    assert written["posters"] == "own"
    assert written["table"]["macro F1, trivial: no label"]["nested folds"]["max"] == 0


def test_line_through_points_on_a_line(benchmark_of):
    line = benchmark_of("bench_rows").line
    np.testing.assert_allclose(line([1, 2, 4], [5, 7, 11]), [2, 3])


def test_growth_is_the_slope_of_the_two_largest_sizes(benchmark_of):
    scale = benchmark_of("bench_scale")
    assert scale.exponent([1, 10, 100], [7, 2, 200]) == pytest.approx(2)
    sizes = {"rows": [1, 10, 100], "labels": [1, 2, 4], "few_rows": 9, "few_labels": 9}
    runs = {
        scale.name_of("check", *size): [{"seconds": seconds, "peak memory, MB": mb}]
        for size, seconds, mb in [
            *(((1, 9), 1, 100), ((10, 9), 1, 101), ((100, 9), 10, 110)),
            *(((9, 1), 1, 100), ((9, 2), 1, 100), ((9, 4), 4, 100)),
        ]
    }
    found = scale.derive(runs, ["check"], **sizes)
    assert list(found.values()) == pytest.approx([1, 1, 2, 0])


def test_one_number_of_labels_is_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_scale").main(["--labels", "8"])
    assert "must be two or more different numbers each" in capsys.readouterr().err


def test_arithmetic_is_counted_from_the_layers(benchmark_of):
    import keras

    model = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(2, 3),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    convolution = 2 * (4 * 4) * (3 * 3 * 3 * 2)
    dense = 2 * (4 * 4 * 2) * 5
    count = benchmark_of("bench_step").flops_per_sample(model)
    assert count == 2 * convolution + 3 * dense


def test_one_epoch_is_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_training").main(["--epochs", "1"])
    assert "--epochs must be 2 or more" in capsys.readouterr().err


def test_kinds_of_files_that_nothing_writes_are_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_faults").main(["--kinds", "papyrus"])
    assert "--kinds must be of ['image store'," in capsys.readouterr().err


def test_readers_that_there_are_not_are_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_fuzz").main(["--targets", "runes"])
    assert "--targets must be of ['images'," in capsys.readouterr().err


def test_no_repetition_is_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_import").main(["--repeat", "0"])
    assert "--repeat must be 1 or more" in capsys.readouterr().err


def test_one_number_of_rows_is_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_rows").main(["--rows", "8"])
    assert "--rows must be two or more different numbers" in capsys.readouterr().err


def test_no_round_is_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_distributed").main(["--rounds", "0"])
    assert "--rounds and --partitions must be 1 or more" in capsys.readouterr().err


def test_too_few_fits_are_refused(benchmark_of, capsys):
    with pytest.raises(SystemExit):
        benchmark_of("bench_search").main(["--n-fits", "5"])
    assert "--n-fits must be more than 5" in capsys.readouterr().err


def test_more_posters_than_there_are_are_refused(benchmark_of, tmp_path):
    from sk_posters.datasets import make_posters

    posters = make_posters(3, image_size=(32, 32), random_state=0)
    folder = Path(posters.data[0]).parents[1]
    with pytest.raises(SystemExit, match="holds 3 posters, and 4 are asked for"):
        benchmark_of("_common").load(folder, 4)


def test_intervals_are_studied_with_one_command(benchmark_of, tmp_path, capsys):
    study = benchmark_of("study_intervals")
    study.main(["--quick", "--output", str(tmp_path)])
    written = json.loads((tmp_path / "study_intervals.json").read_text())
    assert written["simulations"] == 3
    by_rows, by_groups = written["reports"]
    assert (by_rows["by"], by_groups["by"]) == ("rows", "groups")
    assert len(by_rows["coverage"]) == len(by_rows["names"]) == 19
    assert set(by_rows["stars"]) == {"0.0", "0.1", "0.3", "1.0"}
    methods = [row["method"] for row in written["comparisons"]]
    assert methods.count("percentile") == 12
    assert methods.count("bca") == 6
    printed = capsys.readouterr().out
    assert "false stars of labels with 1, 2, 3, 4, 5 or more positives" in printed
    assert "Type I error, 100 rows, by groups" in printed


def test_study_of_intervals_counts_misses_and_stars(benchmark_of):
    study = benchmark_of("study_intervals")
    bounds = [[[0.5, 0.4, 0.6]], [[0.7, 0.65, 0.8]], [[0.3, np.nan, np.nan]]]
    runs = [
        {
            signal: {
                "names": ["LRAP"],
                "bounds": np.array(each),
                "starred": np.array([each[0][0] > 0.6]),
                "labels starred": 0.5,
                "by support": np.array([[2, 1], [0, 0]]),
            }
            for signal in study.SIGNALS
        }
        for each in bounds
    ]
    found = study.summarise_reports(runs)
    # The mean of the values is 0.5: one of two intervals holds it.
    assert found["coverage"] == [0.5]
    assert found["stars"][0.0] == [pytest.approx(1 / 3)]
    assert found["stars of labels"][0.3] == 0.5
    assert found["false stars by positives"] == [0.5, None]


@pytest.mark.usefixtures("in_this_process")
def test_recipes_are_drawn_by_score_and_seconds(benchmark_of, monkeypatch, tmp_path):
    pytest.importorskip("matplotlib")
    study = benchmark_of("study_frontier")
    monkeypatch.setattr(study, "THREE", {"efficientnet_lite0": ((48, 32), "max")})
    monkeypatch.setattr(study, "N_FOLDS", 2)
    monkeypatch.setitem(study.RECIPES, "frozen", {"image_size": (48, 32)})
    assert "?" in study.__doc__.split("\n\n")[0]
    old = SimpleNamespace(precision="float32", recipe=study.RECIPES["best as in 0.1.0"])
    pipe = study.make_pipeline_of(old, None)
    assert (pipe["scaler"].with_std, pipe["classifier"].estimator.C) == (True, 2e-4)
    words = ["--n-samples", "12", "--output", str(tmp_path)]
    study.main([*words, "--recipes", "frozen", "best as in 0.1.0"])
    (runs,) = [json.loads(p.read_text())["runs"] for p in tmp_path.glob("*.json")]
    recipes = ("frozen", "best as in 0.1.0")
    (found,) = runs.pop(study.BASELINE)
    assert 0 < found[study.MACRO] < 1
    assert list(runs) == ["frozen, float32", "frozen, int8", f"{recipes[1]}, float32"]
    for (found,) in runs.values():
        assert 0 < found[study.MACRO] <= 1
        assert found[study.COLD] > 0
    with Image.open(tmp_path / "study_frontier.png") as picture:
        assert min(picture.size) > 300


def test_the_baseline_of_recipes_is_what_frequencies_score(benchmark_of):
    study = benchmark_of("study_frontier")
    # Forty posters of their own, of which one half has each label: chance.
    target = [[0, 1], [1, 1], [0, 0], [1, 0]] * 10
    job = SimpleNamespace(
        paths=list(map(str, range(40))), target=target, groups=list(range(40))
    )
    assert study.score_frequencies(job)[study.MACRO] == pytest.approx(0.5, abs=0.05)


def test_recipes_are_studied_with_one_command(benchmark_of, monkeypatch, tmp_path):
    study = benchmark_of("study_recipes")
    assert "?" in study.__doc__.split("\n\n")[0]
    small = ("efficientnet_lite0", 48, 32)
    settings = {
        study.REFERENCE: study.setting([small]),
        "wide": study.setting([(*small, ("avg", "covariance"))], normalize=True),
        "neighbours": study.setting([small], head="neighbours"),
    }
    monkeypatch.setattr(study, "SETTINGS", settings)
    monkeypatch.setattr(study, "N_FOLDS", 2)
    monkeypatch.setattr(study, "INNER_FOLDS", 2)
    monkeypatch.setattr(study, "CHOICES", {"chosen": [study.REFERENCE, "wide"]})
    study.main(["--n-samples", "110", "--output", str(tmp_path)])
    (path,) = tmp_path.glob("*.json")
    trivial, *rows, nested = json.loads(path.read_text())["rows"]
    assert [row["setting"] for row in rows] == list(settings)
    assert trivial["setting"].startswith("trivial")
    assert rows[0]["macro mAP"] > trivial["macro mAP"]
    assert set(nested["chosen"]) <= {study.REFERENCE, "wide"}
    assert nested["macro mAP"] > trivial["macro mAP"]


SOURCES = [*sorted((ROOT / "examples").rglob("*.py")), *(ROOT / "docs").glob("*.py")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_what_an_example_imports_of_this_package_is_there(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("sk_posters"):
            names = [each.name for each in node.names]
            module = __import__(node.module, fromlist=names)  # Submodules, too.
            assert [name for name in names if not hasattr(module, name)] == []


def test_novelty_is_studied_with_one_command(
    benchmark_of, monkeypatch, tmp_path, capsys
):
    study = benchmark_of("study_novelty")
    quick = {name: study.DISTANCES[name] for name in list(study.DISTANCES)[:3]}
    monkeypatch.setattr(study, "DISTANCES", quick)
    assert "?" in study.__doc__.split("\n\n")[0]
    (tmp_path / "images").mkdir()
    Image.new("RGB", (60, 40), "navy").save(tmp_path / "images" / "blue.png")
    words = ["--n-samples", "40", "--n-images", "2", "--output", str(tmp_path)]
    study.main([*words, "--images", f"blue={tmp_path / 'images'}"])
    written = json.loads((tmp_path / "study_novelty.json").read_text())
    kinds = [*study.KINDS, "blue", "blue, crops"]
    assert list(written["images"]) == kinds
    rows = written["distances"]
    assert [row["distance"] for row in rows] == [*quick, study.UNSURE]
    assert all(list(row["areas"]) == kinds for row in rows)
    assert rows[0]["numbers"] == 7608
    shares = written["FeatureNovelty, share above"]
    assert {"test", "posters, mirrored", *kinds} <= set(shares)
    assert "FeatureNovelty was fitted to 30 posters" in capsys.readouterr().out


def test_without_pytorch_the_message_says_how_to_install_it(benchmark_of, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install torch"):
        benchmark_of("bench_torch").main([])


def test_without_a_gpu_the_message_says_how_to_run_on_the_cpu(
    benchmark_of, monkeypatch
):
    benchmark = benchmark_of("bench_gpu")
    monkeypatch.setattr(benchmark, "list_gpu_names", lambda: [])
    with pytest.raises(SystemExit, match=r"nvidia-smi finds none\. --cpu runs it on"):
        benchmark.main([])


def test_features_of_one_device_differ_by_nothing(benchmark_of):
    figures = benchmark_of("bench_gpu").features_of_onnxruntime(
        SimpleNamespace(batch_size=1)
    )
    assert figures["largest difference of a feature"] == 0
