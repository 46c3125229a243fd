"""Commands `caesura models list`, `info` and `pull`: show engines and models, verify a model, download one."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from caesura.cli.engine_flags import models_folder
from caesura.cli.errors import FAILED, MISUSED, fail, report_errors
from caesura.engines.models.catalogue import WHISPER, CatalogueEntry, CpuCost, PublishedWer
from caesura.engines.models.families import CATALOGUES, FamilyCatalogue, find_any
from caesura.engines.models.runtime import library_version, not_installed
from caesura.engines.models.store import (
    Manifest,
    installed,
    integrity_errors,
    model_folder,
    read_manifest,
    size_errors,
)
from caesura.errors import CaesuraError, EngineError, UsageError

if TYPE_CHECKING:
    from caesura.engines.models.download import PulledModel

models = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List engines and models, show what one is, and download one.",
)

Folder = Annotated[
    str | None,
    typer.Option(
        "--models",
        envvar="CAESURA_MODELS",
        metavar="FOLDER",
        show_default=False,
        help="Folder of the models; otherwise ~/.cache/caesura/models.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", envvar="CAESURA_JSON", help="Print JSON instead of tables.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A name that `caesura models list` shows, or OWNER/NAME.")]


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One row of the table.

    `engine` is the value for `--engine`; `languages` is empty if only the model's files list them.
    """

    engine: str
    model: str
    languages: tuple[str, ...]
    size: int | None
    state: str
    licence: str


@models.command("list", short_help="List all engines and models, and which of them are here.")
def list_models(folder: Folder = None, as_json: AsJson = False) -> None:
    """List all engines and models: built in, already pulled, and available to pull."""
    with report_errors():
        store = models_folder(folder)
        rows = [*_engine_rows(), *(row for family in CATALOGUES.values() for row in _model_rows(family, store))]
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("--engine", "languages", "size", "here", "licence"):
        table.add_column(heading, justify="right" if heading == "size" else "left", overflow="fold")
    for row in rows:
        table.add_row(row.engine, _languages(row.languages), _size(row.size), row.state, row.licence)
    _screen().print(table)
    _note_missing_library(WHISPER)


@models.command(short_help="Show what a model is, and whether its files are intact.")
def info(name: Name, folder: Folder = None, as_json: AsJson = False) -> None:
    """Show what a model is, where it is stored, and whether its files are those that were pulled.

    Reads all its files to compare their checksums. Exits with 1 when one of them is wrong.
    """
    with report_errors():
        entry = _find(name)
        place = model_folder(models_folder(folder), entry.name, entry.family)
        manifest = read_manifest(place)
        errors = list(integrity_errors(place, manifest)) if manifest is not None else []
    fields = _info_fields(entry, place, manifest, errors)
    if as_json:
        typer.echo(json.dumps(fields, indent=2, ensure_ascii=False))
    else:
        _print_info(fields)
        _note_missing_library(entry.family)
    if errors:
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
        str | None,
        typer.Option(
            envvar="CAESURA_REVISION",
            metavar="NAME",
            show_default=False,
            help="Branch, tag or commit of the model; otherwise the one that this version knows, or the newest.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="CAESURA_JSON", help="Print what was pulled as JSON.")
    ] = False,
) -> None:
    """Download a model, and check every byte of it against the hub's checksums.

    An interrupted download resumes where it stopped; a model that is complete is not downloaded again.
    """
    # Read by huggingface_hub when it is imported: requests then carry only the library's version, and
    # no log lines get between the progress bar and the error.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    with report_errors():
        entry = _find(name)
    with _downloading_extra(entry.family):
        from caesura.engines.models import download
    with report_errors():
        hub = endpoint or os.environ.get("HF_ENDPOINT") or download.DEFAULT_ENDPOINT
        with _progress(entry.name) as report:
            pulled = download.pull(entry, models_folder(folder), endpoint=hub, revision=revision, report=report)
    _print_pulled(pulled, entry.family, as_json)


@contextmanager
def _downloading_extra(family: str) -> Iterator[None]:
    """Context in which a missing package that downloads need ends the command with how to install it."""
    try:
        yield
    except ModuleNotFoundError as missing:
        package = (missing.name or "").partition(".")[0]
        if package == "caesura":
            raise
        fail(str(not_installed(family, package.replace("_", "-"))), MISUSED)


def _find(name: str) -> CatalogueEntry:
    if name in {"moonshine", "scripted"}:
        raise UsageError(f"model: {name} comes with the extra 'server', and there is nothing to pull")
    # The name of an engine alone means its default model, as it does for `--engine`.
    return find_any(f"{name}:" if name in CATALOGUES else name)


def _engine_rows() -> Iterator[EngineRow]:
    yield EngineRow("moonshine", "moonshine-tiny-en", ("en",), None, "built in", "MIT")
    yield EngineRow("scripted", "scripted", ("en",), None, "built in", "MIT")
    try:
        from caesura.engines.registry import declared, engine_info
    except ImportError:
        return  # without the server no engine can be loaded, built in or not
    for name, package in declared().items():
        try:
            engine = engine_info(name)
            yield EngineRow(name, engine.name, engine.languages, None, f"comes with {package}", "see its package")
        except CaesuraError as error:
            yield EngineRow(name, "?", (), None, f"broken: {error}", "see its package")


def _model_rows(family: FamilyCatalogue, folder: Path) -> Iterator[EngineRow]:
    manifests = {place: read_manifest(place) for place in installed(folder, family.name)}
    for entry in family.entries.values():
        place = model_folder(folder, entry.name, family.name)
        manifest = manifests.pop(place, None)
        size = manifest.size if manifest is not None else entry.size
        state = _state(place, manifest)
        yield EngineRow(f"{family.name}:{entry.name}", entry.name, entry.languages, size, state, entry.licence)
    for place, manifest in manifests.items():
        if manifest is not None:
            state = _state(place, manifest)
            name = f"{family.name}:{manifest.name}"
            yield EngineRow(name, manifest.name, (), manifest.size, state, manifest.licence)


def _state(place: Path, manifest: Manifest | None) -> str:
    if manifest is None:
        return "no"
    return "not whole" if any(size_errors(place, manifest)) else "yes"


def _info_fields(entry: CatalogueEntry, place: Path, manifest: Manifest | None, errors: list[str]) -> dict[str, object]:
    fields: dict[str, object] = {
        "name": entry.name,
        "aliases": [alias for alias, name in CATALOGUES[entry.family].aliases.items() if name == entry.name],
        "engine": f"{entry.family}:{entry.name}",
        "repo": entry.repo,
        "revision": manifest.revision if manifest is not None else entry.revision,
        "languages": list(entry.languages),
        "size": manifest.size if manifest is not None else entry.size,
        "licence": manifest.licence if manifest is not None else entry.licence,
        "published_wer": _wer(entry.wer),
        "cpu": _cpu(entry.cpu),
        "folder": str(place),
        "here": manifest is not None,
        "wrong": errors,
    }
    if manifest is not None:
        fields["endpoint"] = manifest.endpoint
        fields["files"] = [asdict(file) for file in manifest.files]
    return fields


def _wer(wer: PublishedWer | None) -> str:
    return f"{wer.percent:g} %, {wer.test} ({wer.source})" if wer is not None else "unknown"


def _cpu(cost: CpuCost | None) -> str:
    return cost.value if cost is not None else "unknown"


def _print_info(fields: dict[str, object]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for key, value in fields.items():
        match key, value:
            case "size", int() | None:
                table.add_row(key, _size(value))
            case "files", list():
                for file in value:
                    table.add_row("file", f"{file['name']}  {file['size']:,} bytes  sha256 {file['sha256']}")
            case "here", bool():
                table.add_row(key, "yes" if value else f"no; `caesura models pull {fields['name']}` downloads it")
            case "wrong", list():
                hint = f"; `caesura models pull {fields['name']}` repairs it"
                if fields["here"]:
                    table.add_row(key, ", ".join(value) + hint if value else "nothing")
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
        # Hidden until the hub has answered: a bar that never moves would distract from the error.
        task = bar.add_task(name, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _print_pulled(pulled: PulledModel, family: str, as_json: bool) -> None:
    if as_json:
        fields = asdict(pulled.manifest) | {"folder": str(pulled.folder), "fresh": pulled.fresh}
        typer.echo(json.dumps(fields, indent=2))
        return
    model = f"{pulled.manifest.name} ({_size(pulled.manifest.size)})"
    typer.echo(f"{model} is {'now' if pulled.fresh else 'already'} in {pulled.folder}")
    typer.echo(f"caesura serve --engine {family}:{pulled.manifest.name}")
    _note_missing_library(family)


def _note_missing_library(family: str) -> None:
    # On stderr, but not an error: models can be listed and checked without the library.
    try:
        library_version(family, CATALOGUES[family].library)
    except EngineError as error:
        typer.echo(f"Note: {error}", err=True)


def _languages(languages: tuple[str, ...]) -> str:
    return " ".join(languages) if len(languages) < 6 else f"{len(languages)} languages"


def _size(size: int | None) -> str:
    return f"{size / 1e6:,.0f} MB" if size is not None else ""


def _screen() -> Console:
    return Console(highlight=False, soft_wrap=True)
