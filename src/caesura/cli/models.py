"""Commands about models in; a table of them, what one is, or its files on disk, out."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from caesura.cli.choosing import models_folder
from caesura.cli.errors import FAILED, report_errors, require_server_extra
from caesura.engines.models.catalogue import ALIASES, OFFERS, Offer, offered
from caesura.engines.models.runtime import library_version
from caesura.engines.models.shelf import Manifest, faults, installed, read_manifest, shelf, wrong_sizes
from caesura.errors import CaesuraError, EngineError, UsageError

if TYPE_CHECKING:
    from caesura.engines.models.pull import Pulled

models = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Say which models there are, what one is, and bring one here.",
)

Folder = Annotated[
    str | None,
    typer.Option(
        "--models",
        envvar="CAESURA_MODELS",
        metavar="FOLDER",
        show_default=False,
        help="Where models lie; otherwise ~/.cache/caesura/models.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", envvar="CAESURA_JSON", help="Print JSON instead of tables.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `caesura models list` shows, or OWNER/NAME.")]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `engine` is what `--engine` takes, `languages` is empty where only its files tell."""

    engine: str
    model: str
    languages: tuple[str, ...]
    size: int | None
    state: str
    licence: str


@models.command("list", short_help="All engines and models, and which of them are here.")
def list_models(folder: Folder = None, as_json: AsJson = False) -> None:
    """List all engines and models: those that come along, those that were pulled, and those that can be."""
    with report_errors():
        rows = [*_engines(), *_whispers(models_folder(folder))]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("--engine", "languages", "size", "here", "licence"):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
    for row in rows:
        table.add_row(row.engine, _languages(row.languages), _size(row.size), row.state, row.licence)
    _screen().print(table)
    _note_missing_library()


@models.command(short_help="What a model is, and whether its files are whole.")
def info(name: Name, folder: Folder = None, as_json: AsJson = False) -> None:
    """Say what a model is, where it lies, and whether its files are those that were pulled.

    Reads all its files to compare their checksums. Leaves with 1 when one of them is wrong.
    """
    with report_errors():
        offer = offered(_model(name))
        place = shelf(models_folder(folder), offer.name)
        manifest = read_manifest(place)
        wrong = list(faults(place, manifest)) if manifest is not None else []
    told = _told(offer, place, manifest, wrong)
    if as_json:
        typer.echo(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _print_info(told)
        _note_missing_library()
    if wrong:
        raise typer.Exit(FAILED)


@models.command(short_help="Download a model.")
def pull(
    name: Name,
    folder: Folder = None,
    endpoint: Annotated[
        str | None,
        typer.Option(
            envvar="CAESURA_ENDPOINT",
            metavar="URL",
            show_default=False,
            help="The hub to pull from, for example a mirror; otherwise HF_ENDPOINT, or https://huggingface.co.",
        ),
    ] = None,
    revision: Annotated[
        str, typer.Option(envvar="CAESURA_REVISION", metavar="NAME", help="Branch, tag or commit of the model.")
    ] = "main",
    as_json: Annotated[
        bool, typer.Option("--json", envvar="CAESURA_JSON", help="Print what was pulled as JSON.")
    ] = False,
) -> None:
    """Download a model, and check every byte of it against the hub's checksums.

    What was broken off goes on where it stopped; a model that is whole is not downloaded again.
    """
    with require_server_extra():
        from caesura.engines.models import hub
        from caesura.engines.models.pull import pull as pull_model
    with report_errors():
        offer = offered(_model(name))
        where = endpoint or os.environ.get("HF_ENDPOINT") or hub.DEFAULT_ENDPOINT
        with hub.Hub(where) as source, _progress(offer.name) as told:
            pulled = pull_model(offer, models_folder(folder), source, wait=time.sleep, told=told, revision=revision)
    _say_pulled(pulled, as_json)


def _model(name: str) -> str:
    # `whisper:small` is what `--engine` takes; here the bare name is enough.
    from caesura.engines.models.catalogue import DEFAULT_MODEL

    family, colon, model = name.partition(":")
    if family == "whisper":
        return model or DEFAULT_MODEL
    if not colon and name in {"moonshine", "scripted"}:
        raise UsageError(f"model: {name} comes with the extra 'server', and there is nothing to pull")
    return name


def _engines() -> Iterator[Row]:
    yield Row("moonshine", "moonshine-tiny-en", ("en",), None, "built in", "MIT")
    yield Row("scripted", "scripted", ("en",), None, "built in", "MIT")
    try:
        from caesura.engines.registry import declared, engine_info
    except ImportError:
        return  # without the server no engine can be loaded, whoever declares one
    for name, package in declared().items():
        try:
            about = engine_info(name)
            yield Row(name, about.name, about.languages, None, f"comes with {package}", "see its package")
        except CaesuraError as error:
            yield Row(name, "?", (), None, f"broken: {error}", "see its package")


def _whispers(folder: Path) -> Iterator[Row]:
    here = {place: read_manifest(place) for place in installed(folder)}
    for offer in OFFERS.values():
        place = shelf(folder, offer.name)
        manifest = here.pop(place, None)
        size = manifest.size if manifest is not None else offer.size
        yield Row(f"whisper:{offer.name}", offer.name, offer.languages, size, _state(place, manifest), offer.licence)
    for place, manifest in here.items():
        if manifest is not None:
            state = _state(place, manifest)
            yield Row(f"whisper:{manifest.name}", manifest.name, (), manifest.size, state, manifest.licence)


def _state(place: Path, manifest: Manifest | None) -> str:
    if manifest is None:
        return "no"
    return "not whole" if any(wrong_sizes(place, manifest)) else "yes"


def _told(offer: Offer, place: Path, manifest: Manifest | None, wrong: list[str]) -> dict[str, object]:
    aliases = [alias for alias, name in ALIASES.items() if name == offer.name]
    told: dict[str, object] = {
        "name": offer.name,
        "aliases": aliases,
        "engine": f"whisper:{offer.name}",
        "repo": offer.repo,
        "languages": list(offer.languages),
        "size": manifest.size if manifest is not None else offer.size,
        "licence": manifest.licence if manifest is not None else offer.licence,
        "folder": str(place),
        "here": manifest is not None,
        "wrong": wrong,
    }
    if manifest is not None:
        told |= {"revision": manifest.revision, "endpoint": manifest.endpoint}
        told["files"] = [asdict(piece) for piece in manifest.files]
    return told


def _print_info(told: dict[str, object]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in told.items():
        match key, value:
            case "size", int() | None:
                table.add_row(key, _size(value))
            case "files", list():
                for piece in value:
                    table.add_row("file", f"{piece['name']}  {piece['size']:,} bytes  sha256 {piece['sha256']}")
            case "here", bool():
                table.add_row(key, "yes" if value else f"no; `caesura models pull {told['name']}` downloads it")
            case "wrong", list():
                mend = f"; `caesura models pull {told['name']}` mends it"
                if told["here"]:
                    table.add_row(key, ", ".join(value) + mend if value else "nothing")
            case _, list():
                if value:
                    table.add_row(key, " ".join(value))
            case _:
                table.add_row(key, str(value))
    _screen().print(table)


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        # Not before the hub has answered: a bar that never moves would only hide what is wrong.
        task = bar.add_task(name, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _say_pulled(pulled: Pulled, as_json: bool) -> None:
    if as_json:
        told = asdict(pulled.manifest) | {"folder": str(pulled.folder), "fresh": pulled.fresh}
        typer.echo(json.dumps(told, indent=2))
        return
    what = f"{pulled.manifest.name} ({_size(pulled.manifest.size)})"
    typer.echo(f"{what} is {'now' if pulled.fresh else 'already'} in {pulled.folder}")
    typer.echo(f"caesura serve --engine whisper:{pulled.manifest.name}")
    _note_missing_library()


def _note_missing_library() -> None:
    # On stderr, and no error: a model may be pulled for another machine.
    try:
        library_version()
    except EngineError as error:
        typer.echo(f"Note: {error}", err=True)


def _languages(languages: tuple[str, ...]) -> str:
    return " ".join(languages) if len(languages) < 6 else f"{len(languages)} languages"


def _size(size: int | None) -> str:
    return f"{size / 1e6:,.0f} MB" if size is not None else ""


def _screen() -> Console:
    return Console(highlight=False, soft_wrap=True)
