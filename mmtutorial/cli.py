"""The command line: ``mmtutorial run``, ``sweep``, ``benchmark``, ``app``, ``search``, ``match``,
``check``, ``data get``."""

import re
import sys

import click

from mmtutorial import TutorialError, __version__


class _Course(click.Group):
    """A group whose commands end with one readable line where the user can put things right."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except TutorialError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:  # the runner has said how to go on
            sys.exit(130)


@click.group(cls=_Course, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mmtutorial")
def main():
    """A notebook course on multimodal product search."""


dataset_option = click.option(
    "--dataset",
    default="demo",
    show_default=True,
    help="demo, fashion, or the path of your own catalogue (a folder or a parquet file).",
)
profile_option = click.option(
    "--profile",
    type=click.Choice(["quick", "full"]),
    default="quick",
    show_default=True,
    help="quick takes the smaller numbers of notebooks/profiles.yaml, full those in the lessons.",
)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="How many run at a time, each with its share of the cores; by default as many as there "
    "are cores and memory for, at most 4, and one where there is a GPU.",
)
force_option = click.option("--force", is_flag=True, help="Run again what did not change.")
results_option = click.option(
    "--results", type=click.Path(), help="Folder for results, instead of results/."
)


@main.command()
@click.argument("lessons", nargs=-1, metavar="[LESSON]...")
@dataset_option
@profile_option
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter of every selected lesson; may be repeated.",
)
@jobs_option
@force_option
@results_option
def run(lessons, dataset, profile, parameters, jobs, force, results):
    """Run lessons and check what they claim.

    LESSON is a number (06) or a name (06_one_space); without any, all lessons run. With another
    value than the profile's (-p), a lesson keeps its results in tweaked/, beside its own, and a
    number below its floor is marked and no failure. The exit status is 1 if a lesson failed, 130
    if the run was interrupted.
    """
    from mmtutorial.course import runner

    metrics = runner.run(
        lessons,
        dataset=dataset,
        profile=profile,
        parameters=dict(parameters),
        jobs=jobs,
        force=force,
        results=results,
    )
    sys.exit(any(one["status"] != "passed" for one in metrics))


class _Lists(click.Command):
    """A command whose -p NAME and --seeds take all words up to the next option."""

    def parse_args(self, ctx, args):
        words, spread = list(args), []
        while words:
            option = [words.pop(0)]
            if option[0] not in ("-p", "--seeds"):
                spread += option
                continue
            if option == ["-p"]:
                option += words[:1]
                del words[:1]
            values = []
            while words and not re.match(r"-(?![\d.])", words[0]):  # -1 and -.5 are values
                values.append(words.pop(0))
            if not values:
                raise click.UsageError(f"{' '.join(option)}: name at least one value", ctx)
            for value in values:
                spread += [*option, value]
        return super().parse_args(ctx, spread)


@main.command(cls=_Lists)
@click.argument("lesson")
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME V1 V2 ...",
    help="The values of a parameter; several -p make a grid.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=0),
    multiple=True,
    default=(0, 1, 2),
    show_default=True,
    metavar="S1 S2 ...",
    help="The values of SEED; each point of the grid runs with each.",
)
@dataset_option
@profile_option
@jobs_option
@force_option
@results_option
def sweep(lesson, parameters, seeds, dataset, profile, jobs, force, results):
    """Run a lesson over a grid of parameters and seeds; show means with intervals.

    LESSON, a number (08) or a name, comes first. Ends with a table, sweep.csv, means.csv and
    sweep.png in results/DATASET-PROFILE/sweeps/LESSON/NAMES/. Finished runs are not run again.
    A number below its floor is marked. The exit status is 1 if a run failed, 130 if the sweep
    was interrupted.
    """
    from mmtutorial.course import sweep

    grid = {}
    for name, value in parameters:
        grid.setdefault(name, []).append(value)
    table = sweep.sweep(
        lesson,
        grid,
        seeds=seeds,
        dataset=dataset,
        profile=profile,
        jobs=jobs,
        force=force,
        results=results,
    )
    sys.exit(bool((table["status"] != "passed").any()))


@main.command()
@click.option(
    "--products",
    required=True,
    metavar="FILE_OR_DIR",
    help="The catalogue: a parquet or csv file, a folder, or fashion or demo.",
)
@click.option(
    "--qrels",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help='The queries: a JSON file, {"query": {"product id": 1}}.',
)
@click.option(
    "--model",
    metavar="NAME_OR_PATH",
    help="Evaluate this model, by its name (fashion-base) or folder. Without it, one is trained.",
)
@click.option(
    "--profile",
    type=click.Choice(["quick", "full"]),
    default="quick",
    show_default=True,
    help="quick trains a small model for minutes, full the strongest that we know, for hours.",
)
@click.option(
    "--photo-weight",
    type=click.FloatRange(0, 1),
    default=0.9,
    show_default=True,
    help="The photo's share in a product's vector, for the attribute tasks.",
)
@click.option(
    "--output", required=True, type=click.Path(file_okay=False), help="Folder for results."
)
def benchmark(products, qrels, model, profile, photo_weight, output):
    """Score a model by the protocol of the KAGL benchmark.

    Trains without the queries' products and their twins, unless --model names a trained model,
    which is refused if it was trained on any of them. Writes metrics.json, run.trec and
    qrels.trec into the output folder, and the model if it was trained.
    """
    from mmtutorial.benchmark import kagl

    results = kagl.run(products, qrels, output, model, profile, photo_weight)
    click.echo(kagl.format_results(results))
    click.echo(f"Written: {output}/metrics.json, run.trec, qrels.trec")


model_option = click.option(
    "--model",
    metavar="NAME_OR_PATH",
    help="Search with this model, by its name (fashion-base) or folder. Without it, lesson 00's.",
)


@main.command()
@dataset_option
@model_option
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8866,
    show_default=True,
    help="Where to listen.",
)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="On which of this machine's addresses to listen. Another one than the default lets other "
    "machines in, without a password and without encryption.",
)
@click.option(
    "--allow-origin",
    metavar="URL",
    multiple=True,
    help="The address that visitors from other machines type, as http://shop.example:8866. May be "
    "repeated.",
)
@click.option("--no-browser", is_flag=True, help="Do not open the page in a browser.")
def app(dataset, model, port, host, allow_origin, no_browser):
    """Open a shop page that searches by words and photo.

    Trains the model of lesson 00 first, unless it is there already. Ctrl-C ends it.
    """
    from mmtutorial.shop import service

    service.serve(
        dataset,
        port=port,
        browser=not no_browser,
        model=model,
        host=host,
        allow_origin=allow_origin,
    )


@main.command()
@click.argument("words", required=False)
@click.option("--photo", metavar="FILE", help="An image file: search by it, or by it and words.")
@click.option(
    "--photo-weight",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="How much of a query with words and a photo is photo.",
)
@click.option(
    "--where",
    "filters",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Only products with this value, or with a number from A to B: colour=red, price=10..50. "
    "May be repeated; of one column's values any will do.",
)
@dataset_option
@model_option
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, not a table.")
def search(words, photo, photo_weight, filters, dataset, model, k, as_json):
    """Search a shop by WORDS, by a photo, or by both.

    Ranks as the shop page does. Trains the model of lesson 00 first, unless it is there already.
    """
    from mmtutorial.shop import terminal

    click.echo(terminal.search(words, photo, photo_weight, filters, dataset, model, k, as_json))


def _named(values, option, kind=str):
    """What ``NAME=VALUE`` options say, as a dict."""
    found = {}
    for each in values:
        name, sign, value = each.partition("=")
        try:
            found[name] = kind(value)
        except ValueError:
            sign = ""
        if not (name and sign and value):
            raise click.BadParameter(f"{each!r} is not of the form of {option}")
    return found


@main.command()
@click.argument("a", type=click.Path(exists=True, dir_okay=False))
@click.argument("b", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--gold",
    type=click.Path(exists=True, dir_okay=False),
    help="Pairs that are known to be the same product: a table whose first column has an id of A, "
    "its second one of B. Learns from three fifths of them, measures on the last fifth.",
)
@click.option(
    "--output", required=True, type=click.Path(file_okay=False), help="Folder for results."
)
@click.option(
    "--column-a",
    "columns_a",
    multiple=True,
    metavar="OURS=THEIRS",
    help="What A calls a column of ours, where its name is not understood: title=heading. Ours are "
    "id, title, brand, model, price, currency, photo. May be repeated.",
)
@click.option(
    "--column-b", "columns_b", multiple=True, metavar="OURS=THEIRS", help="The same for B."
)
@click.option(
    "--rate",
    "rates",
    multiple=True,
    metavar="CODE=NUMBER",
    help="What one unit of a currency is worth, where prices are in several: USD=1 EUR=1.1. May be "
    "repeated.",
)
@click.option(
    "-k",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many candidates an offer gets, by each way of looking for them.",
)
def match(a, b, gold, output, columns_a, columns_b, rates, k):
    """Find which offers of two tables, A and B, are the same product.

    The tables are CSV or parquet files. Columns with a usual name (id, title, brand, modelno,
    price, ...) are found by themselves; others that both tables share count as attributes. Writes
    matches.csv, clusters.csv and metrics.json. Without --gold a matcher that comes with the
    package decides, and nothing is measured.
    """
    from mmtutorial.applications import match_tables

    metrics = match_tables.match(
        a,
        b,
        output,
        gold,
        _named(columns_a, "--column-a OURS=THEIRS"),
        _named(columns_b, "--column-b OURS=THEIRS"),
        _named(rates, "--rate CODE=NUMBER", float) or None,
        k,
    )
    click.echo(match_tables.summary(metrics))
    click.echo(f"Written: {output}/matches.csv, clusters.csv, metrics.json")


@main.command()
@click.option("--gpu", is_flag=True, help="Ask for a GPU: a missing one is a fault.")
def check(gpu):
    """Check that this machine is ready for the course."""
    from mmtutorial.course import checks

    report = checks.report(gpu=gpu)
    click.echo(repr(report))
    sys.exit(not report.ok)


@main.group()
def data():
    """Get data sets."""


@data.command("get")
@click.argument("name")
def get(name):
    """Download a data set into MMTUTORIAL_DATA (default: data/).

    NAME is fashion, or a set of lessons 12 to 23 (`mmtutorial data list`). Its licence is shown
    first.
    """
    from mmtutorial.catalogue import fashion, real_sets

    if name == "fashion":
        click.echo(f"The fashion catalogue is whole: {fashion.download()}")
        return
    if name not in real_sets.real_sets():
        raise click.BadParameter(f"{name!r} is none of fashion, {', '.join(real_sets.real_sets())}")
    click.echo(real_sets.real_set(name))
    click.echo(f"The set is whole: {real_sets.download(name)}")


@data.command("list")
def list_sets():
    """List the data sets that `data get` knows, with their licences."""
    from mmtutorial.catalogue import real_sets

    click.echo(
        "fashion: the real catalogue of the course, 43,000 products (270 MB), data/README.md"
    )
    for each in real_sets.real_sets().values():
        click.echo(f"\n{each}")
