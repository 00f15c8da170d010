"""One HTML file that shows how well a model does."""

from sk_posters._report._save import save_html_report

__all__ = ["save_html_report"]
