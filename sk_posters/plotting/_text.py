"""Styles of text, and how much room it takes."""

__all__ = ["FOUND", "MARK", "PLAIN", "QUIET", "Ruler"]

QUIET = "#57606a"
# Names are drawn as they are: a dollar sign does not start a formula.
PLAIN = {"fontsize": 9, "color": "#24292f", "parse_math": False, "usetex": False}
FOUND = {"color": "#116329", "weight": "bold"}
MARK = {"family": "DejaVu Sans"}  # Comes with Matplotlib, and has a check mark.


class Ruler:
    """Measures text in inches and breaks it into lines."""

    def __init__(self, figure):
        self.figure = figure

    def width(self, text, bold=False):
        """Return the width of a text in one line."""
        probe = self.figure.text(0, 0, text, **PLAIN | (FOUND if bold else {}))
        inches = probe.get_window_extent().width / self.figure.dpi
        probe.remove()
        return inches

    def wrap(self, text, width, bold=False):
        """Return the lines of a text, none wider than `width`."""
        lines = [""]
        for word in str(text).split():
            longer = f"{lines[-1]} {word}".strip()
            if self.width(longer, bold) <= width:
                lines[-1] = longer
                continue
            while self.width(word, bold) > width:  # Too long for any line: cut it.
                word = word.removesuffix("…")[:-1] + "…"
            lines = [*lines, word] if lines[-1] else [word]
        return lines
