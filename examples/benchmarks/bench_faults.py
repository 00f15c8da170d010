"""What is lost when a process is killed, a disk is full, or a byte of a file changes?

For every kind of file that the package writes, and every fault, trials in folders of
their own: the writer is killed at a random moment (every other time, while a temporary
file is there); the disk is full after a random number of bytes; the folder is
read-only; four processes write the same thing at once; one byte changes. Then the file
is read, written once more and read again. An answer is right if it is that of an
undisturbed process; an error is clear if it names the file and says what to do.
"""

from _common import Side, in_turn, parsed, parser, report

TRIALS = "trials"


def measure(job):
    """Return how often each outcome came, for each fault of one kind of file."""
    import tempfile

    import _faults
    import _written

    figures = {}
    with tempfile.TemporaryDirectory() as shared:
        kind = _written.KINDS[job.kind](shared)
        trials = _faults.Trials(kind, job.seed)
        for fault in _faults.faults_of(kind):
            n_trials = job.kills if fault == "kill -9" else job.trials
            found = _faults.run(kind, fault, n_trials, trials=trials)
            figures |= {f"{fault}: {name}": count for name, count in found.items()}
    return {**figures, "unclear": trials.notes}


def rows(runs):
    """Return a table: a row per kind of file and fault, the sums of all runs.

    Parameters
    ----------
    runs : dict of str to list of dict
        What `in_turn` returns.

    Returns
    -------
    list of list
        The head, then kind, fault, trials, outcomes and leftovers.
    """
    from _faults import FAULTS, LEFTOVERS, OUTCOMES

    columns = [TRIALS, *OUTCOMES, LEFTOVERS]
    table = [["file", "fault", *columns]]
    for kind, figures in runs.items():
        for fault in FAULTS:
            if f"{fault}: {TRIALS}" in figures[0]:
                counts = [
                    sum(each[f"{fault}: {column}"] for each in figures)
                    for column in columns
                ]
                table.append([kind, fault, *counts])
    sums = [sum(column) for column in list(zip(*table[1:], strict=True))[2:]]
    return [*table, ["all", "", *sums]]


def print_rows(table):
    """Print a table in Markdown."""
    for number, row in enumerate(table):
        print(f"| {' | '.join(map(str, row))} |")
        if number == 0:
            print("| --- " * len(row) + "|")
    print()


def main(arguments=None):
    options_of = parser(__doc__, data=False, repeat=1)
    options_of.add_argument(
        "--kills", type=int, default=100, help="trials with kill -9 (default: 100)"
    )
    options_of.add_argument(
        "--trials", type=int, default=25, help="of each other fault (default: 25)"
    )
    options_of.add_argument(
        "--kinds", nargs="+", help="kinds of files (default: all that can be written)"
    )
    options = parsed(options_of, arguments)
    from _written import KINDS, available

    kinds = options.kinds or available()
    if unknown := set(kinds) - set(KINDS):
        options_of.error(f"--kinds must be of {list(KINDS)}, got {sorted(unknown)}")
    job = {"kills": options.kills, "trials": options.trials, "seed": 0}
    sides = {kind: Side("measure", changes={"kind": kind}) for kind in kinds}
    runs = in_turn(__file__, sides, job, options.repeat)
    print_rows(rows(runs))
    report(__file__, options, runs)


if __name__ == "__main__":
    main()
