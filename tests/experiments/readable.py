"""Whether the text in a figure is large enough for the screens that it is drawn for."""

import re

COLUMNS = {
    "wide": (768, 12.0),
    "narrow": (342, 11.0),
}  # pixels of the page's column and of the least text in it


def unreadable(picture):
    """Fail where a drawing has text too small for its screen; Chromium shows these widths at 1400 and 390 pixels."""
    drawings = dict(re.findall(r'<svg class="lessons-(wide|narrow)" (.*?)</svg>', picture.html))
    assert drawings.keys() == COLUMNS.keys()
    for kind, (column, least) in COLUMNS.items():
        width = float(re.search(r'viewBox="0 0 ([\d.]+) ', drawings[kind])[1])
        sizes = [float(size) for size in re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", drawings[kind])]
        assert sizes and min(sizes) * column / width >= least, kind
