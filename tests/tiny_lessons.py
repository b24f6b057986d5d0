"""Notebooks of a few cells, for the tests of what reads and runs lessons."""

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PARAMETERS = 'DATASET = "demo"  # which\nMAX_PRODUCTS = 0  # 0 means all\nSEED = 0  # seed'
SETUP = "from mmtutorial import course\n\ncourse.begin(seed=SEED)\nprint(DATASET, MAX_PRODUCTS)"
RESULTS = """\
results = course.Results("demo")
results.record("recall", 0.5, chance=0.01, floor={"demo": 0.3}, protocol="by hand")
results"""


def tiny_lesson(number="00", title="Tiny", body=(), parameters=PARAMETERS, results=RESULTS):
    """A notebook that has all a lesson must have, with the cells of ``body`` before its results."""

    def code(word, source, *tags):
        return new_code_cell(source, id=f"{number}-{word}", metadata={"tags": list(tags)})

    notebook = new_notebook(
        cells=[
            new_markdown_cell(f"# {number} {title}\n\nCan it run?", id=f"{number}-title"),
            code("parameters", parameters, "parameters"),
            code("setup", SETUP),
            new_markdown_cell("## A closer look", id=f"{number}-look"),
            *[code(f"body-{place}", source) for place, source in enumerate(body)],
            code("results", results, "results"),
        ]
    )
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return notebook


def write_lesson(folder, number="00", title="Tiny", **parts):
    """Write ``tiny_lesson`` into ``folder`` under its name; its path."""
    path = folder / f"{number}_{title.lower().replace(' ', '_')}.ipynb"
    nbformat.write(tiny_lesson(number, title, **parts), path)
    return path
