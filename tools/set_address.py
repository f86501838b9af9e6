"""Write the first cell of every notebook, which installs the package where it is missing (on Colab).

The cell needs the repository's address, and a notebook opened alone cannot read pyproject.toml: so this is the one
derived copy of it. A test holds the cells to what ``setup_cell`` returns.
"""

from __future__ import annotations

import nbformat
from project import ROOT, address

TAG = "remove-cell"


def setup_cell() -> str:
    """Return the source of the first code cell."""
    return "\n".join(
        [
            "try:",
            "    import lessons  # noqa: F401",
            "except ImportError:  # on Colab, or wherever only this notebook was opened",
            f'    %pip install -q "git+{address()}"',
            "    !lessons get-model",
        ]
    )


def main() -> None:
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
        if first is None or TAG not in first.metadata.get("tags", []):
            first = nbformat.v4.new_code_cell(id="setup")
            first.metadata["tags"] = [TAG]
            notebook.cells.insert(1, first)
        first.source = setup_cell()
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
