"""A check of posters as text and as HTML."""

from html import escape

import pandas as pd

__all__ = ["check_html", "check_text"]

WIDTH = 88
INDENT = " " * 10
MAX_ROWS = 8
MAX_FINDINGS = 10
MAX_REASONS = 5


def check_text(check):
    """Return a check in less than 45 lines."""
    lines = list(check.about)
    if not len(check.findings):
        lines.append("nothing was found")
    for kind, (severity, n) in check.counts().iterrows():
        few = check.findings[check.findings["kind"] == kind]
        first = few.iloc[0]
        lines += [
            f"{severity:8}{n:>6} × {kind}, in {_rows(few)}",
            *(f"{INDENT}{reason}" for reason in _list_reasons(few["detail"], kind)),
            f"{INDENT}{first['advice']}",
        ]
    return "\n".join(
        line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines
    )


def _list_reasons(details, kind):
    """Return the first detail of a kind, or all reasons why files are unreadable."""
    counts = details.value_counts(sort=False).sort_values(
        ascending=False, kind="stable"
    )
    if kind != "unreadable file" or len(counts) == 1:
        return [details.iloc[0]]
    lines = [f"{n} × {reason}" for reason, n in counts.head(MAX_REASONS).items()]
    if len(counts) > MAX_REASONS:
        n_files = counts.iloc[MAX_REASONS:].sum()
        lines.append(f"{n_files} × {len(counts) - MAX_REASONS} other reasons")
    return lines


def _rows(findings):
    rows = sorted({row for rows in findings["rows"] for row in rows})
    if not rows:
        return "all rows"
    return f"{'row' if len(rows) == 1 else 'rows'} {_list_first(rows)}"


def _list_first(items):
    shown = ", ".join(map(str, items[:MAX_ROWS]))
    more = f" and {len(items) - MAX_ROWS} more" if len(items) > MAX_ROWS else ""
    return shown + more


def check_html(check):
    """Return paragraphs and tables, all names escaped."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in check.about)
    first = check.findings.groupby("kind", sort=False).head(MAX_FINDINGS)
    lists = {column: _list_first for column in ("rows", "paths", "labels")}
    # pandas would cut short what to do.
    with pd.option_context("display.max_colwidth", None):
        tables = check.counts().to_html(escape=True)
        tables += first.to_html(escape=True, formatters=lists)
    left_out = len(check.findings) - len(first)
    more = f"<p>… and {left_out} more in findings</p>" if left_out else ""
    return f"<div>{lines}{tables}{more}</div>"
