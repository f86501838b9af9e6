"""Trees of files as a system would show them."""


def tree(folder, files):
    """Write ``files``, texts by path, below ``folder`` and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder
