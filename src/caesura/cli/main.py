"""The `caesura` command and its subcommands."""

from __future__ import annotations

from typing import Annotated

import typer

from caesura import __version__
from caesura.cli.demo import demo
from caesura.cli.doctor import doctor
from caesura.cli.keys import keys_app
from caesura.cli.listen import listen
from caesura.cli.models import models
from caesura.cli.projects import projects_app
from caesura.cli.serve import serve
from caesura.cli.usage import usage

app = typer.Typer(
    name="caesura",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's tables truncate the names of variables at 80 columns
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(requested: bool) -> None:
    if requested:
        typer.echo(f"caesura {__version__}")
        raise typer.Exit


@app.callback()
def caesura(
    _show_version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Live speech-to-text that can pause: a self-hosted server for Deepgram's live wire.

    Every flag can also be given as the variable that its help names.
    """


app.command(short_help="Run the server on /v1/listen.")(serve)
app.command(short_help="Stream a file to a server and print the transcript.")(listen)
app.command(short_help="See a pause held by KeepAlive, in half a minute.")(demo)
app.command(short_help="Check what works on this machine.")(doctor)
app.add_typer(keys_app, name="keys", short_help="Make, list and revoke API keys.")
app.add_typer(projects_app, name="projects", short_help="Make and list projects, limit and credit them.")
app.command(short_help="Show usage and what it would have cost.")(usage)
app.add_typer(models, name="models", short_help="List models, and download one.")


def main() -> None:
    """Run the command that the arguments name."""
    app()
