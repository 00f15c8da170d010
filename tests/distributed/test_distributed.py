"""Past one machine: as many answers as asked for, the same as those of one process.

Clusters here are processes of this machine. Some of them are killed.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from sk_posters import PosterEncoder, make_poster_pipeline, save_model
from sk_posters.datasets import make_posters
from sk_posters.distributed import (
    PartitionedAnswers,
    PartitionError,
    _joblib_backend,
    _partition,
    _scheduler,
    _workers,
    dask_backend,
    predict_to_parquet,
    prepare_workers,
)

dask = pytest.importorskip("dask", reason="needs the extra distributed")
distributed = pytest.importorskip("distributed", reason="needs the extra distributed")
parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra distributed")

pytestmark = pytest.mark.usefixtures("forked")

SIZE = (48, 32)
N_ROWS, N_EACH = 40, 4
GPUS = [f"GPU-{uuid.uuid4().hex}" for _ in range(2)]  # Of no other run of the tests.


@pytest.fixture(scope="module")
def posters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posters")
    return make_posters(
        N_ROWS, n_labels=3, image_size=SIZE, random_state=0, data_home=folder
    )


@pytest.fixture(scope="module")
def model(posters):
    return make_poster_pipeline(image_size=SIZE).fit(posters.data, posters.target)


@pytest.fixture(scope="module")
def model_file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "genres.model"
    save_model(model, path, label_names=["Action", "Comedy", "Drama"])
    return path


def started(**options):
    return distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=":0",
        silence_logs="CRITICAL",
        **options,
    )


@pytest.fixture(scope="module")
def client(forked):
    """Two workers, prepared, on a host with two GPUs that are not there."""
    environment = {"CUDA_VISIBLE_DEVICES": ",".join(GPUS)}
    with (
        started(env=environment, memory_limit="4GB") as cluster,
        distributed.Client(cluster) as client,
    ):
        # As many threads as TensorFlow takes in this process, for equal sums.
        client.settings = prepare_workers(client, n_threads=joblib.cpu_count())
        yield client


@pytest.fixture
def alone(model_file, posters, tmp_path):
    """The answers of one process."""
    answers = predict_to_parquet(
        model_file, posters.data, tmp_path / "alone", partition_size=N_EACH
    )
    return Path(answers.folder)


def parts(folder):
    return sorted(Path(folder).glob("part-*.parquet"))


def assert_same_files(first, second):
    assert [file.name for file in parts(first)] == [file.name for file in parts(second)]
    for one, other in zip(parts(first), parts(second), strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_file_that_was_away_is_tried_again(model_file, posters, tmp_path):
    """As a disk that was not mounted while a partition was predicted."""
    images = tmp_path / "Images"
    images.mkdir()
    paths = [str(images / f"{row}.jpg") for row in range(6)]
    (images / "0.jpg").write_text("no image")

    def call():
        made = predict_to_parquet(model_file, paths, tmp_path / "out", partition_size=2)
        return made.n_failed, made.n_computed

    assert call() == (6, 3)
    first = [file.read_bytes() for file in parts(tmp_path / "out")]
    assert call() == (6, 0)  # They are still away, and the first one was read.
    for path, poster in zip(paths[2:5], posters.data, strict=False):
        Path(path).symlink_to(poster)
    assert call() == (3, 2)
    assert call() == (3, 0)
    assert parts(tmp_path / "out")[0].read_bytes() == first[0]
    (images / "5.jpg").mkdir()  # Still no file.
    assert call() == (3, 0)


def bag_of(paths, function, *arguments):
    """Return a bag of paths in the usual partitions, made by a function."""
    import dask.bag

    bag = dask.bag.from_sequence(list(paths), partition_size=N_EACH)
    return bag.map_partitions(function, *arguments)


def slowly(paths):
    time.sleep(0.3)
    return paths


def once(marker):
    """Tell whether nobody has asked before."""
    try:
        Path(marker).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def deadly_once(paths, marker):
    if once(marker):
        os.kill(os.getpid(), signal.SIGKILL)
    return paths


def hungry(paths, path, marker):
    """Take more memory than any limit here, where a path is, the first time or ever."""
    if path in paths and (marker is None or once(marker)):
        eaten = []
        while len(eaten) < 40:
            eaten.append(np.ones(8_000_000))  # 64 MB, all of them written to.
            time.sleep(0.02)
        time.sleep(10)
    return paths


# Answers.


def test_predictions_of_one_process_are_those_of_the_model(model, alone, posters):
    frame = pd.read_parquet(alone)
    assert frame.columns.tolist() == ["path", "Action", "Comedy", "Drama", "error"]
    assert frame["path"].tolist() == list(posters.data)
    assert frame["error"].isna().all()
    found = frame[["Action", "Comedy", "Drama"]].to_numpy()
    expected = model.predict_proba(posters.data)
    assert found.dtype == expected.dtype
    # Sums over a partition and over all rows may differ in the last digit.
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["list", "bag", "array", "series", "dataframe"])
def test_a_cluster_gives_the_same_files(
    kind, client, alone, model_file, posters, tmp_path
):
    import dask.array
    import dask.dataframe

    paths = list(posters.data)
    n_partitions = N_ROWS // N_EACH
    frame = dask.dataframe.from_pandas(
        pd.DataFrame({"poster": paths}), npartitions=n_partitions
    )
    given = {
        "list": paths,
        "bag": bag_of(paths, list),
        "array": dask.array.from_array(np.array(paths, dtype=object), chunks=N_EACH),
        "series": frame["poster"],
        "dataframe": frame,
    }[kind]
    found = predict_to_parquet(
        model_file, given, tmp_path / "found", partition_size=N_EACH, client=client
    )
    assert found[1:] == (N_ROWS, 0, n_partitions, n_partitions)
    assert_same_files(found.folder, alone)


def test_dask_reads_the_folder(alone):
    import dask.dataframe

    frame = dask.dataframe.read_parquet(alone)
    assert frame.npartitions >= 1
    assert frame.compute()["path"].tolist() == pd.read_parquet(alone)["path"].tolist()


def test_collections_of_dask_need_no_cluster(alone, model_file, posters, tmp_path):
    found = predict_to_parquet(
        model_file, bag_of(posters.data, list), tmp_path / "found"
    )
    assert_same_files(found.folder, alone)


def test_any_iterable_of_paths_will_do(alone, model_file, posters, tmp_path):
    found = predict_to_parquet(
        model_file,
        (Path(path) for path in posters.data),
        tmp_path / "found",
        partition_size=N_EACH,
    )
    assert_same_files(found.folder, alone)


def test_bad_files_are_rows_with_their_error(model_file, posters, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    paths = [*posters.data[:3], "no_such.jpg", *posters.data[3:6], broken, broken]
    for method, dtype in [("predict_proba", "float"), ("predict", "Int64")]:
        found = predict_to_parquet(
            *(model_file, paths, tmp_path / method), method=method, partition_size=4
        )
        assert found == (str(tmp_path / method), 9, 3, 3, 3)
        frame = pd.read_parquet(tmp_path / method)
        assert frame["path"].tolist() == list(map(str, paths))
        bad = frame["error"].notna()
        assert bad.tolist() == [False] * 3 + [True] + [False] * 3 + [True] * 2
        assert frame["error"][3] == "no such file"
        assert "not an image" in frame["error"][7]
        answers = frame[["Action", "Comedy", "Drama"]]
        assert answers.isna().all(axis=1).tolist() == bad.tolist()
        assert all(dtype in str(kind) for kind in answers.dtypes)


def test_no_black_image_gets_a_prediction(model, posters, tmp_path):
    params = {"encoder__on_error": "blank"}
    blank = make_poster_pipeline(image_size=SIZE).set_params(**params)
    blank.fit(posters.data, posters.target)
    found = predict_to_parquet(blank, ["no_such.jpg"], tmp_path / "answers")
    assert found.n_failed == 1
    assert blank.get_params()["encoder__on_error"] == "blank"
    columns = pd.read_parquet(found.folder).columns
    assert columns.tolist() == ["path", *posters.target_names, "error"]


def test_features_can_be_written_too(posters, tmp_path):
    encoder = PosterEncoder(image_size=SIZE).fit(posters.data[:3])
    found = predict_to_parquet(
        encoder, posters.data[:3], tmp_path / "features", method="transform"
    )
    frame = pd.read_parquet(found.folder)
    names = encoder.get_feature_names_out()
    assert frame.columns.tolist() == ["path", *names, "error"]
    np.testing.assert_array_equal(frame[names], encoder.transform(posters.data[:3]))


def test_partitions_may_be_empty(model_file, posters, tmp_path):
    bag = bag_of(posters.data[:8], lambda paths: paths).filter(
        lambda path: path == posters.data[0]
    )
    found = predict_to_parquet(model_file, bag, tmp_path / "answers")
    assert found[1:] == (1, 0, 2, 2)
    assert len(pd.read_parquet(found.folder)) == 1


# What fails.


def test_a_worker_killed_in_the_middle_costs_no_prediction(
    client, alone, model_file, posters, tmp_path
):
    folder, seen = tmp_path / "found", []
    pid = next(iter(client.run(os.getpid).values()))

    def kill():
        while len(parts(folder)) < 2:
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        seen.append(len(parts(folder)))

    killer = threading.Thread(target=kill)
    killer.start()
    found = predict_to_parquet(
        model_file, bag_of(posters.data, slowly), folder, client=client
    )
    killer.join()
    assert seen[0] < found.n_partitions
    assert found.n_rows == N_ROWS
    assert_same_files(folder, alone)
    client.wait_for_workers(2, timeout=30)
    assert pid not in client.run(os.getpid).values()


def test_a_worker_that_dies_at_work_costs_no_prediction(
    client, alone, model_file, posters, tmp_path
):
    bag = bag_of(posters.data, deadly_once, tmp_path / "died")
    found = predict_to_parquet(model_file, bag, tmp_path / "found", client=client)
    assert (tmp_path / "died").exists()
    assert_same_files(found.folder, alone)


def test_a_worker_out_of_memory(alone, model_file, posters, tmp_path):
    path = posters.data[9]
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        started(memory_limit="900MB") as cluster,
        distributed.Client(cluster) as client,
    ):
        bag = bag_of(posters.data, hungry, path, tmp_path / "eaten")
        found = predict_to_parquet(model_file, bag, tmp_path / "once", client=client)
        assert (tmp_path / "eaten").exists()
        assert_same_files(found.folder, alone)

        bag = bag_of(posters.data, hungry, path, None)
        message = r"1 of 10 partitions of '.*ever' has no predictions: partition 2 "
        message += r"\(KilledWorker: (.|\n)*ran out of its memory_limit. Give the "
        with pytest.raises(PartitionError, match=message) as caught:
            predict_to_parquet(model_file, bag, tmp_path / "ever", client=client)
    assert list(caught.value.failed) == [2]
    assert len(parts(tmp_path / "ever")) == 9
    # With what made it fail put right, the same folder gets what is missing.
    found = predict_to_parquet(
        model_file, posters.data, tmp_path / "ever", partition_size=N_EACH
    )
    assert found.n_computed == 1
    assert_same_files(found.folder, alone)


CLIENT = """
import sys
from distributed import Client
from sk_posters.distributed import predict_to_parquet
from test_distributed import bag_of, slowly

address, model, folder, *paths = sys.argv[1:]
with Client(address) as client:
    predict_to_parquet(model, bag_of(paths, slowly), folder, client=client)
"""


def test_a_killed_run_goes_on_where_it_was(
    client, alone, model_file, posters, tmp_path
):
    folder = tmp_path / "found"
    places = [str(Path(__file__).parent), str(Path(__file__).parents[2])]
    address = client.scheduler.address
    process = subprocess.Popen(
        [sys.executable, "-c", CLIENT, address, model_file, folder, *posters.data],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )
    while len(parts(folder)) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.wait()
    while any(client.processing().values()):  # What had begun may come to its end.
        time.sleep(0.05)
    finished = {file: file.stat().st_mtime_ns for file in parts(folder)}
    assert 3 <= len(finished) < N_ROWS // N_EACH

    found = predict_to_parquet(
        model_file, posters.data, folder, partition_size=N_EACH, client=client
    )
    assert found.n_computed == N_ROWS // N_EACH - len(finished)
    assert {file: file.stat().st_mtime_ns for file in finished} == finished
    assert_same_files(folder, alone)


def test_a_damaged_file_is_made_again(alone, model_file, posters):
    file = parts(alone)[3]
    content = file.read_bytes()
    damaged = bytearray(content)
    damaged[content.index(b".jpg") + 1] ^= 1
    file.write_bytes(damaged)
    options = {"partition_size": N_EACH}
    found = predict_to_parquet(model_file, posters.data, alone, **options)
    assert found.n_computed == 1
    assert file.read_bytes() == content


def test_a_model_that_is_fitted_again_alike_is_the_same(
    alone, model_file, model, posters, tmp_path
):
    again = make_poster_pipeline(image_size=SIZE).fit(posters.data, posters.target)
    names = ["Action", "Comedy", "Drama"]
    options = {"partition_size": N_EACH, "label_names": names}
    found = predict_to_parquet(again, posters.data, alone, **options)
    assert found == PartitionedAnswers(str(alone), N_ROWS, 0, 10, 0)


def test_other_runs_are_refused(alone, model_file, model, posters, tmp_path):
    def ask(model=model_file, paths=posters.data, size=N_EACH, **options):
        predict_to_parquet(model, paths, alone, partition_size=size, **options)

    before = {file: file.read_bytes() for file in sorted(alone.iterdir())}
    other = make_poster_pipeline(image_size=SIZE, C=1.0)
    other.fit(posters.data, posters.target)
    anew = "Pass another folder, or delete this one to start again"
    names = {"label_names": ["Action", "Comedy", "Drama"]}
    with pytest.raises(ValueError, match=f"a run of another model: (.|\n)*{anew}"):
        ask(other, **names)
    with pytest.raises(ValueError, match=f"another method: (.|\n)*{anew}"):
        ask(method="predict")
    with pytest.raises(ValueError, match=f"another label names: (.|\n)*{anew}"):
        ask(label_names=["a", "b", "c"])
    with pytest.raises(ValueError, match=f"another n partitions: (.|\n)*{anew}"):
        ask(paths=[*posters.data, posters.data[0]])
    with pytest.raises(ValueError, match=f"make 5 partitions only(.|\n)*{anew}"):
        ask(size=8)
    with pytest.raises(
        ValueError, match=f"not hold the predictions of this call(.|\n)*{anew}"
    ):
        ask(paths=posters.data[::-1])
    assert {file: file.read_bytes() for file in sorted(alone.iterdir())} == before


def test_a_folder_of_other_files_is_refused(model_file, posters, tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(
        ValueError, match=r"holds 'thesis.txt', which belongs to no run"
    ):
        predict_to_parquet(model_file, posters.data, tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]"])
def test_a_damaged_run_file_is_named(content, alone, model_file, posters):
    (alone / "_run.json").write_bytes(content)
    message = "Delete this file only" if content == b"{" else "_run.json says None"
    with pytest.raises(ValueError, match=message):
        predict_to_parquet(model_file, posters.data, alone, partition_size=N_EACH)
    (alone / "_run.json").unlink()
    found = predict_to_parquet(model_file, posters.data, alone, partition_size=N_EACH)
    assert found.n_computed == 0


def test_a_model_damaged_in_the_folder_is_written_again(alone, model_file, posters):
    copy = alone / "_model.skops"
    copy.write_bytes(b"")
    predict_to_parquet(model_file, posters.data, alone, partition_size=N_EACH)
    assert copy.read_bytes() == Path(model_file).read_bytes()


def test_left_overs_of_killed_processes_are_removed(alone, model_file, posters):
    old, new = (alone / f".part-00000001.{32 * n}.part.parquet" for n in "ab")
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    predict_to_parquet(model_file, posters.data, alone, partition_size=N_EACH)
    assert (old.exists(), new.exists()) == (False, True)


def test_a_model_that_changes_in_the_middle_is_refused(alone, model_file, tmp_path):
    _partition.forget_models()
    job = _partition.Job(*(str(alone), str(model_file), "0", "", "predict", None, ()))
    with pytest.raises(ValueError, match="has changed since the run began: delete"):
        _partition.predict_partition(["a.jpg"], 0, job)


@pytest.mark.parametrize("names", [["a", "a", "b"], ["a", "path", "b"]])
def test_names_of_columns_must_differ(names, model_file, posters, tmp_path):
    with pytest.raises(ValueError, match="label_names must differ from each other"):
        predict_to_parquet(model_file, posters.data, tmp_path, label_names=names)


def test_too_few_names_of_columns(model_file, posters, tmp_path):
    message = r"(?s)partition 0 \(ValueError: label_names has 2 names, and .* 3 "
    message += r"columns: .*and 7 more. The remaining ones were not tried"
    with pytest.raises(PartitionError, match=message):
        predict_to_parquet(
            *(model_file, np.resize(posters.data, 40), tmp_path),
            partition_size=2,
            label_names=["a", "b"],
        )


def test_frames_of_several_columns_are_refused(model_file, tmp_path):
    import dask.dataframe

    frame = pd.DataFrame({"a": ["x.jpg"], "b": ["y.jpg"]})
    frame = dask.dataframe.from_pandas(frame, npartitions=1)
    with pytest.raises(ValueError, match="or a dataframe with one column: got"):
        predict_to_parquet(model_file, frame, tmp_path / "answers")


def test_a_partition_of_no_paths_fails_alone(model_file, posters, tmp_path):
    bag = bag_of(
        posters.data[:8], lambda paths: [7] if posters.data[0] in paths else paths
    )
    message = r"1 of 2 (.|\n)*got 7 in row 0(.|\n)*Fix what the errors name"
    with pytest.raises(PartitionError, match=message) as caught:
        predict_to_parquet(model_file, bag, tmp_path / "answers")
    assert list(caught.value.failed) == [0]
    assert len(parts(tmp_path / "answers")) == 1


def test_partition_errors_can_be_pickled():
    import pickle

    error = PartitionError("answers", {2: MemoryError("full")}, 5)
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert repr(again.failed) == repr(error.failed)


def test_errors_of_a_model_are_not_asked_for_ever(tmp_path, posters):
    class Inventive:
        def predict(self, paths):
            raise _partition.PosterFileError([("elsewhere.jpg", "no such file")])

    job = _partition.Job(str(tmp_path), "", "key", "", "predict", None, ())
    _partition._loaded["key"] = Inventive()
    with pytest.raises(_partition.PosterFileError, match=r"elsewhere.jpg"):
        _partition.predict_partition(posters.data, 0, job)
    _partition.forget_models()


class Odd:
    """Answers that other classifiers give."""

    def predict(self, paths):
        return np.array(["Drama"] * len(paths))

    def predict_proba(self, paths):
        return [np.tile([0.25, 0.75], (len(paths), 1))] * 2

    def transform(self, paths):
        return np.ones((len(paths), 2), dtype=np.float32)


@pytest.mark.parametrize(
    ("method", "names", "row"),
    [
        ("predict", ["label_0"], ["Drama"]),
        ("predict_proba", ["label_0", "label_1"], [0.75, 0.75]),
        ("transform", ["feature_0", "feature_1"], [1, 1]),
    ],
)
def test_other_forms_of_predictions(method, names, row, tmp_path):
    job = _partition.Job(str(tmp_path), "", "key", "", method, None, ())
    _partition._loaded["key"] = Odd()
    assert _partition.predict_partition(["a.jpg", "b.jpg"], 0, job) == (2, 0)
    _partition.forget_models()
    frame = pd.read_parquet(_partition.part_file(tmp_path, 0))
    assert frame.columns.tolist() == ["path", *names, "error"]
    assert frame[names].to_numpy().tolist() == [row, row]


def test_paused_workers_are_not_waited_for(monkeypatch):
    def worker(status, executing):
        status = SimpleNamespace(name=status)
        return SimpleNamespace(status=status, metrics={"executing": executing})

    def scheduler(*workers):
        return SimpleNamespace(workers=dict(enumerate(workers)))

    paused, busy = worker("paused", 0), worker("paused", 1)
    assert _scheduler._all_are_paused(scheduler(paused, paused))
    assert not _scheduler._all_are_paused(scheduler(paused, busy))
    assert not _scheduler._all_are_paused(scheduler(paused, worker("running", 0)))
    assert not _scheduler._all_are_paused(scheduler())

    monkeypatch.setattr(_scheduler, "PATIENCE", 0.05)
    answers = iter([False, True])
    with started_here() as client:
        monkeypatch.setattr(client, "run_on_scheduler", lambda _: next(answers))
        work = _scheduler.DaskExecutor(client)
        results, failed = work.run(sleepy, {0: ["a"], 1: ["b"]}, None)
    assert results == {}
    assert set(failed) == {0, 1}
    assert re.match("all workers are paused, because", str(failed[0]))


def started_here():
    return distributed.Client(
        processes=False, n_workers=1, threads_per_worker=1, dashboard_address=":0"
    )


def sleepy(partition, number, job):
    time.sleep(0.4)


# joblib.


def test_a_search_on_dask_finds_what_it_finds_alone(client, posters, tmp_path):
    def search(**options):
        pipe = make_poster_pipeline(image_size=SIZE, cache_dir=tmp_path / "cache")
        grid = {"classifier__estimator__C": [1e-3, 1e-1]}
        search = GridSearchCV(pipe, grid, cv=3, scoring="average_precision", **options)
        return search.fit(posters.data, posters.target)

    with dask_backend(client):
        here = search(n_jobs=-1)
    # Each image was computed by one of the workers, and found by all others.
    pipe = make_poster_pipeline(image_size=SIZE, cache_dir=tmp_path / "cache")
    encoder = pipe["encoder"]
    encoder.transform(posters.data)
    assert (encoder.n_computed_, encoder.n_cached_) == (0, N_ROWS)
    with joblib.parallel_config(backend="dask"):
        plain = search()
    alone = search()
    for each in (here, plain):
        for key in alone.cv_results_:
            if key.startswith("split"):
                assert each.cv_results_[key].tolist() == alone.cv_results_[key].tolist()
    found = here.predict_proba(posters.data)
    np.testing.assert_array_equal(found, alone.predict_proba(posters.data))


def test_networks_on_dask_learn_what_they_learn_alone(client, images, labels, tiny):
    # Imported here, because the workers import this module, and shall stay small.
    from sk_posters import PosterClassifier

    def scores(**options):
        classifier = PosterClassifier(**tiny)
        scoring = "neg_mean_squared_error"
        return cross_val_score(
            classifier, images, labels, cv=3, scoring=scoring, **options
        ).tolist()

    alone = scores()
    with dask_backend(client):
        assert scores(n_jobs=-1) == alone
    with joblib.parallel_config(backend="dask"):
        assert scores() == alone


def test_networks_predict_on_a_cluster_as_alone(client, posters, tiny, tmp_path):
    model = make_poster_pipeline(
        "cnn",
        images__image_size=SIZE,
        **{f"classifier__{name}": value for name, value in tiny.items()},
    )
    model.fit(posters.data, posters.target)
    file = tmp_path / "network.model"
    save_model(model, file)

    def answers(folder, **options):
        return predict_to_parquet(
            file, posters.data, tmp_path / folder, partition_size=N_EACH, **options
        ).folder

    assert_same_files(answers("cluster", client=client), answers("alone"))
    found = pd.read_parquet(tmp_path / "alone")
    np.testing.assert_allclose(
        found[list(model[-1].label_names_)],
        model.predict_proba(posters.data),
        rtol=1e-5,
    )


def test_an_encoder_in_tasks_of_dask(client, posters):
    encoder = PosterEncoder(image_size=SIZE)
    halves = np.split(posters.data, 2)
    with joblib.parallel_config(backend="dask"):
        found = joblib.Parallel()(joblib.delayed(encoder.transform)(h) for h in halves)
        here = encoder.transform(posters.data)  # In threads, for all the cluster has.
    np.testing.assert_array_equal(np.concatenate(found), here)
    np.testing.assert_array_equal(here, encoder.transform(posters.data))


def test_calls_without_jobs_stay_in_this_process(client):
    with dask_backend(client):
        assert joblib.effective_n_jobs(None) == 1
        assert joblib.effective_n_jobs(-1) == 2
        pid = joblib.Parallel()([joblib.delayed(os.getpid)()])
        assert pid == [os.getpid()]
        # And what is sent goes no further.
        nested = joblib.Parallel(n_jobs=2)([joblib.delayed(nested_pids)()])
    (worker, inner), *_ = nested
    assert worker != os.getpid()
    assert inner == [worker, worker]


def test_a_function_called_alone_starts_no_jobs():
    with joblib.parallel_config("threading", n_jobs=2):
        assert joblib.effective_n_jobs(2) == 2
        assert _joblib_backend._call_alone(joblib.effective_n_jobs, 2) == 1


def nested_pids():
    inner = joblib.Parallel(n_jobs=2)(joblib.delayed(os.getpid)() for _ in range(2))
    return os.getpid(), inner


# Workers.


def test_each_worker_is_given_its_threads_and_a_gpu_of_its_own(client):
    settings = list(client.settings.values())
    assert len(settings) == 2
    n_threads = str(joblib.cpu_count())
    assert all(each["TF_NUM_INTRAOP_THREADS"] == n_threads for each in settings)
    assert sorted(each["CUDA_VISIBLE_DEVICES"] for each in settings) == sorted(GPUS)


def test_a_worker_started_in_place_of_another_gets_its_gpu(client):
    pid = next(iter(client.run(os.getpid).values()))
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        client.wait_for_workers(2, timeout=30)
        settings = client.run(_workers.settings_of_process, on_error="ignore")
        found = sorted(each["CUDA_VISIBLE_DEVICES"] for each in settings.values())
        if len(found) == 2 and pid not in client.run(os.getpid).values():
            break
        time.sleep(0.05)
    assert found == sorted(GPUS)


@pytest.fixture
def fresh(monkeypatch):
    """A process that nothing was told yet, as its environment will be afterwards."""
    for name in (*_workers.THREADS, _workers.GPUS):
        monkeypatch.setenv(name, "restored afterwards")
        monkeypatch.delenv(name)
    monkeypatch.setattr(_workers, "_lock", None)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    yield
    if _workers._lock is not None:
        _workers._lock.release()


def test_threads_are_those_of_the_worker(fresh):
    class Recorder:
        def register_plugin(self, plugin, name):
            assert name == "sk_posters"
            plugin.setup(SimpleNamespace(state=SimpleNamespace(nthreads=3)))

        def run(self, function):
            return {"here": function()}

    assert prepare_workers(Recorder(), pin_gpus=False) == {
        "here": {
            "TF_NUM_INTRAOP_THREADS": "3",
            "TF_NUM_INTEROP_THREADS": "3",
            "CUDA_VISIBLE_DEVICES": None,
        }
    }


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("0,1", ["0", "1"]),
        ("", []),
        ("-1", []),
        ("3,-1,4", ["3"]),
        ("GPU-8", ["GPU-8"]),
    ],
)
def test_gpus_are_those_that_cuda_would_see(text, gpus, fresh, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", text)
    assert _workers.visible_gpus() == gpus


def test_without_a_word_gpus_are_those_of_the_driver(fresh, monkeypatch, tmp_path):
    monkeypatch.setattr(_workers, "DRIVER", tmp_path)
    assert _workers.visible_gpus() == []
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert _workers.visible_gpus() == ["0", "1"]


def test_a_gpu_is_pinned_once(fresh, monkeypatch):
    gpu = f"GPU-{uuid.uuid4().hex}"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", f"{gpu},another")
    for _ in range(2):
        _workers.prepare_process(1)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu


def test_where_there_is_no_gpu_none_is_pinned(fresh, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    _workers.prepare_process(1)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


@pytest.mark.parametrize("kind", ["link", "open", "foreign", "file"])
def test_locks_of_gpus_lie_where_nobody_else_puts_links(
    kind, fresh, monkeypatch, tmp_path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = _workers._own_folder()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert _workers._own_folder() == folder
    folder.rmdir()
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        folder.symlink_to(tmp_path / "elsewhere")
    elif kind == "file":
        folder.touch(mode=0o600)
    else:
        folder.mkdir()
        folder.chmod(0o777 if kind == "open" else 0o700)
    if kind == "foreign":
        user = os.getuid()
        monkeypatch.setattr(_workers.os, "getuid", lambda: user + 1)
        folder.rename(tmp_path / f"sk_posters-{user + 1}")
    with pytest.raises(PermissionError, match="not a folder of yours alone: another"):
        _workers._lock_gpu("GPU-0")


def test_more_workers_than_gpus_are_refused(fresh, monkeypatch):
    gpu = f"GPU-{uuid.uuid4().hex}"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpu)
    with (
        _workers._lock_gpu(gpu),
        pytest.raises(RuntimeError, match=r"Start no more workers than GPUs, or pass"),
    ):
        _workers.prepare_process(1)


def test_too_late_for_tensorflow(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    with pytest.raises(RuntimeError, match=r"n_threads=2 came too late(.|\n)*restart"):
        _workers.prepare_process(2, pin_gpus=False)
    for name in _workers.THREADS:
        monkeypatch.setenv(name, "2")
    _workers.prepare_process(2, pin_gpus=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(RuntimeError, match=r"too late to pin a GPU(.|\n)*restart"):
        _workers.prepare_process(2)


# What must be installed.


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("pyarrow", lambda: predict_to_parquet("a.model", ["a.jpg"], "answers")),
        (
            "distributed",
            lambda: prepare_workers(SimpleNamespace(register_plugin=print)),
        ),
        (
            "distributed",
            lambda: dask_backend(SimpleNamespace(submit=print, scatter=print)),
        ),
    ],
)
def test_missing_packages_are_named_with_their_extra(module, call, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'sk-posters\[distributed\]'"):
        call()
