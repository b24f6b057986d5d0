"""The command line: ``mmtutorial run``, ``check`` and ``data get``."""

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


@main.command()
@click.argument("lessons", nargs=-1, metavar="[LESSON]...")
@click.option(
    "--dataset",
    default="demo",
    show_default=True,
    help="demo, fashion, or the path of your own catalogue (a folder or a parquet file).",
)
@click.option(
    "--profile",
    type=click.Choice(["quick", "full"]),
    default="quick",
    show_default=True,
    help="quick takes the smaller numbers of notebooks/profiles.yaml, full those in the lessons.",
)
@click.option(
    "-p",
    "parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter of every selected lesson; may be repeated.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many lessons run at a time.",
)
@click.option("--force", is_flag=True, help="Run lessons again whose inputs did not change.")
@click.option("--results", type=click.Path(), help="Folder for results, instead of results/.")
def run(lessons, dataset, profile, parameters, jobs, force, results):
    """Run lessons and check what they claim.

    LESSON is a number (06) or a name (06_one_space); without any, all lessons run. The exit
    status is 1 if a lesson failed, 130 if the run was interrupted.
    """
    from mmtutorial import runner

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


@main.command()
@click.option("--gpu", is_flag=True, help="Ask for a GPU: a missing one is a fault.")
def check(gpu):
    """Check that this machine is ready for the course."""
    from mmtutorial import checks

    report = checks.report(gpu=gpu)
    click.echo(repr(report))
    sys.exit(not report.ok)


@main.group()
def data():
    """Get data sets."""


@data.command("get")
@click.argument("name", type=click.Choice(["fashion"]))
def get(name):
    """Download a data set into MMTUTORIAL_DATA (default: data/)."""
    from mmtutorial.datasets import fashion

    fashion.download()
