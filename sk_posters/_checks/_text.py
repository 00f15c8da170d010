"""How a check of posters looks as text and as HTML."""

from html import escape

__all__ = ["check_html", "check_text"]

WIDTH = 88
MOST_ROWS = 8
MOST_FINDINGS = 10


def check_text(check):
    """Return a check in less than 40 lines: three for each of twelve kinds at most."""
    lines = list(check.about)
    if not len(check.findings):
        lines.append("nothing was found")
    for kind, (severity, n) in check.counts().iterrows():
        few = check.findings[check.findings["kind"] == kind]
        first = few.iloc[0]
        # Rows of a rare label are those that have it: the detail says how many.
        lines += [
            f"{severity:8}{n:>6} × {kind}, in {_rows(few)}",
            f"{'':17}first: {first['detail']}",
            f"{'':17}{first['advice']}",
        ]
    return "\n".join(
        line if len(line) <= WIDTH else line[: WIDTH - 1] + "…" for line in lines
    )


def _rows(findings):
    rows = sorted({row for rows in findings["rows"] for row in rows})
    if not rows:
        return "all rows"
    shown = ", ".join(map(str, rows[:MOST_ROWS]))
    more = f" and {len(rows) - MOST_ROWS} more" if len(rows) > MOST_ROWS else ""
    return f"{'row' if len(rows) == 1 else 'rows'} {shown}{more}"


def check_html(check):
    """Return paragraphs and tables, all names escaped."""
    lines = "".join(f"<p>{escape(line)}</p>" for line in check.about)
    counts = check.counts().to_html(escape=True)
    first = check.findings.groupby("kind", sort=False).head(MOST_FINDINGS)
    left_out = len(check.findings) - len(first)
    more = f"<p>… and {left_out} more in findings</p>" if left_out else ""
    return f"<div>{lines}{counts}{first.to_html(escape=True)}{more}</div>"
