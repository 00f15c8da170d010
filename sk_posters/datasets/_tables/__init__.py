"""Label tables in the forms that people have: formats, columns, labels, image files."""
