"""Does anything that strangers can make crash what reads it, hang it, or fill memory?

Images, weights, models, tables, labels, ONNX files and paths: good ones are damaged by
chance, spliced, cut off, and given headers that lie. Each reader then answers, or
raises an error of its own that says what is wrong. Anything else counts as a crash; so
does the end of the process. A case that takes more than five seconds counts as a hang,
or 30 with networks of 22 MB. Model files are also given other values, shapes, classes
and fields in a form that is valid: those that load predict the same, or it is said
which change made them predict something else.
"""

import random
import re
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter

from _common import Side, in_turn, parsed, parser, report

LIMIT = 5.0
ADDRESS_SPACE = 6 << 30
FIGURES = ("cases", "answers", "own errors", "kinds of errors", "crashes", "hangs")
SLOWEST, PEAK, SECONDS = "slowest case, s", "memory of the cases, MB", "seconds"
N_SHOWN = 20


def measure(job):
    """Return what came of all cases of one target."""
    from _fuzzed import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        target = TARGETS[job.target](folder, getattr(job, "paths", None))
        n_cases = int(job.cases * target.share)
        return fuzzed(target, n_cases, job.seed, target.limit)


def fuzzed(target, n_cases, seed=0, limit=LIMIT):
    """Read many cases in a process that may crash, which is then begun anew.

    Parameters
    ----------
    target : Target
        What reads.
    n_cases : int
        How many cases.
    seed : int, default=0
        Each case is made from this and its number alone.
    limit : float, default=5.0
        Seconds after which a case hangs.

    Returns
    -------
    dict
        The figures, and under ``"found"`` what should not be: number and reason.
    """
    import multiprocessing

    context = multiprocessing.get_context(target.start_method)
    kinds, answered = Counter(), Counter()
    found, slowest, peak = [], 0.0, 0.0
    started, number, n_hangs, n_own = time.perf_counter(), 0, 0, 0
    while number < n_cases:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(
            target=_read_all, args=(sender, target, range(number, n_cases), seed)
        )
        process.start()
        sender.close()
        while number < n_cases:
            try:
                # A loaded machine is no hang: the process tells how long it took.
                came = receiver.poll(6 * limit)
                message = receiver.recv() if came else None
            except EOFError:
                process.join()
                found.append((number, f"the process ended: {process.exitcode}"))
                number += 1
                break
            if message is None:
                found.append((number, "no end"))
                n_hangs += 1
                number += 1
                break
            kind, problem, seconds, memory, answer = message
            kinds[kind] += 1
            answered[answer] += 1
            n_own += bool(kind) and not problem
            slowest, peak = max(slowest, seconds), max(peak, memory)
            if problem:
                found.append((number, problem))
            if seconds > limit:
                found.append((number, f"took {seconds:.1f} s"))
                n_hangs += 1
            number += 1
        process.kill()
        process.join()
        receiver.close()
    n_answers = kinds.pop("", 0)
    n_crashes = len(found) - n_hangs
    return {
        "cases": n_cases,
        "answers": n_answers,
        "own errors": n_own,
        "kinds of errors": len(kinds),
        "crashes": n_crashes,
        "hangs": n_hangs,
        SECONDS: time.perf_counter() - started,
        SLOWEST: slowest,
        PEAK: peak,
        "found": found,
        "errors": dict(kinds),
        "answered": {words: n for words, n in answered.items() if words},
    }


def case_of(target, number, seed=0):
    """Return a case by its number."""
    return target.case(random.Random(f"{seed} {number}"))


def _read_all(sender, target, numbers, seed):
    from _side import memory_mb

    warnings.simplefilter("ignore")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, hard))
    target.begin()
    before = memory_mb(peak=False)
    for number in numbers:
        case = case_of(target, number, seed)
        started = time.perf_counter()
        kind, problem, answer = outcome(target, case)
        seconds = time.perf_counter() - started
        memory = memory_mb(peak=True) - before
        sender.send((kind, problem, seconds, memory, answer))


def outcome(target, case):
    """Read a case.

    Returns
    -------
    kind : str
        Empty for an answer, else what stands for all errors of one kind.
    problem : str or None
        What should not have come of it.
    answer : str or None
        What the target says of an answer, if it says anything.
    """
    from _fuzzed import is_own

    try:
        answer = target.read(case)
    except Exception as error:
        cause = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        kind = f"{type(error).__name__} from {type(cause).__name__}"
        if hasattr(error, "failed"):  # Of images, whose causes are text.
            kind += re.sub(r"\d+|'.*?'", "#", f": {error.failed[0][1]}")[:70]
        if is_own(error):
            return kind, None, None
        return kind, "".join(traceback.format_exception(error)[-6:])[-1500:], None
    return "", None, answer


def print_rows(runs):
    """Print a table in Markdown: a row per target, of the first run."""
    columns = [*FIGURES, SECONDS, SLOWEST, PEAK]
    print(f"| read | {' | '.join(columns)} |")
    print("| --- " * (len(columns) + 1) + "|")
    for target, (run, *_) in runs.items():
        cells = [f"{run[column]:.3g}" for column in columns[len(FIGURES) :]]
        counts = [str(run[column]) for column in FIGURES]
        print(f"| {target} | {' | '.join(counts + cells)} |")
    print()


def print_answers(target, run):
    """Print what became of a target's cases, and what changed the most answers."""
    answered = Counter(run["answered"])
    n_same = answered.pop("same", 0)
    by_field = Counter()
    for words, count in answered.items():
        by_field[words.removeprefix("other: ")] += count
    print(f"{target}: {n_same} predict the same, {answered.total()} something else,")
    for kind, count in Counter(run["errors"]).most_common():
        print(f"  {count} {kind}")
    for words, count in by_field.most_common():
        print(f"  {count} other: {words}")


def main(arguments=None):
    options_of = parser(__doc__, repeat=1)
    options_of.add_argument(
        "--cases", type=int, default=6000, help="per target (images: 4 times as many)"
    )
    options_of.add_argument("--seed", type=int, default=0, help="(default: 0)")
    options_of.add_argument("--targets", nargs="+", help="(default: all)")
    options = parsed(options_of, arguments)
    from _fuzzed import TARGETS
    from _written import are_installed

    targets = options.targets or [
        name for name, target in TARGETS.items() if are_installed(target.needs)
    ]
    if unknown := set(targets) - set(TARGETS):
        options_of.error(f"--targets must be of {list(TARGETS)}, got {sorted(unknown)}")
    job = {"cases": options.cases, "seed": options.seed}
    if options.data is not None:
        images = sorted((options.data / "Images").glob("*.jpg"))
        job["paths"] = [str(path) for path in images[:8]]
    sides = {name: Side("measure", changes={"target": name}) for name in targets}
    runs = in_turn(__file__, sides, job, options.repeat)
    print_rows(runs)
    for target, each in runs.items():
        for number, problem in each[0]["found"][:N_SHOWN]:
            print(f"{target}, case {number}:\n{problem}", file=sys.stderr)
        if each[0]["answered"]:
            print_answers(target, each[0])
    report(__file__, options, runs)


if __name__ == "__main__":
    main()
