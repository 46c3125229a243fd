"""`caesura serve`: runs a server with the settings that flags and variables give."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Annotated

import typer

from caesura.cli.database import DatabaseFlag, default_database
from caesura.cli.engine_flags import model_names, models_folder, resolve_engines
from caesura.cli.errors import report_errors, require_server_extra
from caesura.cli.numbers import seconds, seconds_above_zero, whole
from caesura.cli.static_keys import VARIABLE, static_keys
from caesura.server.origin import parse_hosts, parse_origins
from caesura.server.settings import Settings

DEFAULTS = Settings()
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class LogLevel(StrEnum):
    """Log levels."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


Engines = Annotated[
    list[str],
    typer.Option(
        "--engine",
        envvar="CAESURA_ENGINE",
        metavar="NAME",
        help="moonshine for English; whisper:SIZE for many languages; onnx-asr:NAME for Parakeet and others; scripted "
        "plays a script, for tests. May be given again: the first is the default.",
    ),
]


def serve(
    host: Annotated[
        str,
        typer.Option(
            envvar="CAESURA_HOST", metavar="HOST", help="Address to listen on; others than loopback need keys."
        ),
    ] = DEFAULTS.host,
    port: Annotated[
        int, typer.Option(envvar="CAESURA_PORT", metavar="PORT", parser=whole(0, 65535), help="0 for any free port.")
    ] = DEFAULTS.port,
    engine: Engines = list(DEFAULTS.engines),  # noqa: B006  # typer wants a list and copies it
    model: Annotated[
        str | None,
        typer.Option(
            envvar="CAESURA_MODEL", metavar="SIZE", help="The model of --engine whisper or onnx-asr, such as small."
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(
            envvar="CAESURA_MODELS",
            metavar="FOLDER",
            show_default=False,
            help="Where `caesura models pull` put them; left out, the cache of this user.",
        ),
    ] = None,
    model_name: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CAESURA_MODEL_NAME",
            metavar="NAME=MODEL",
            show_default=False,
            help="What a name of the hosted service means, for example nova-2=whisper-small; may be given again.",
        ),
    ] = None,
    database: DatabaseFlag = None,
    prices: Annotated[
        str | None,
        typer.Option(
            envvar="CAESURA_PRICES",
            metavar="FILE",
            show_default=False,
            help="A table of list prices (TOML) in place of the one that comes along.",
        ),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            envvar=VARIABLE,
            metavar="KEY",
            show_default=False,
            help="API key that is valid beside those of the ledger; may be given again. Other users of this machine "
            "can see flags, so rather put keys into the variable, with blanks or commas between them.",
        ),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", envvar="CAESURA_NO_AUTH", help="Require no key, on any address.")
    ] = DEFAULTS.no_auth,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CAESURA_CORS_ORIGIN",
            metavar="URL",
            show_default=False,
            help="Origin of web pages that may use the server, for example https://app.example.org; may be given "
            "again. Without keys no other page may.",
        ),
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CAESURA_ALLOWED_HOST",
            metavar="NAME",
            show_default=False,
            help="Name by which a server without keys is reached, for example through a proxy; may be given again.",
        ),
    ] = None,
    idle_timeout: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_IDLE_TIMEOUT",
            parser=seconds_above_zero,
            metavar="SECONDS",
            help="Close a stream that sent neither audio nor text for so long.",
        ),
    ] = DEFAULTS.idle_timeout_s,
    workers: Annotated[
        int,
        typer.Option(
            envvar="CAESURA_WORKERS",
            metavar="COUNT",
            parser=whole(0, 1024),
            help="Engine processes; 0: one for each core.",
        ),
    ] = DEFAULTS.workers,
    interim_interval: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_INTERIM_INTERVAL",
            parser=seconds(0.3, 60),
            metavar="SECONDS",
            help="Seconds of audio between two interim results.",
        ),
    ] = DEFAULTS.interim_interval_s,
    first_response_timeout: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_FIRST_RESPONSE_TIMEOUT",
            parser=seconds(0),
            metavar="SECONDS",
            help="Close a stream that got no message for so long after its start; 0: never.",
        ),
    ] = DEFAULTS.first_response_timeout_s,
    drain_timeout: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_DRAIN_TIMEOUT",
            parser=seconds_above_zero,
            metavar="SECONDS",
            help="How long a closing stream may wait for its last results.",
        ),
    ] = DEFAULTS.drain_timeout_s,
    drain_delay: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_DRAIN_DELAY",
            parser=seconds(0),
            metavar="SECONDS",
            help="How long requests are still admitted after SIGTERM, where something polls /readyz.",
        ),
    ] = DEFAULTS.drain_delay_s,
    drain_within: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_DRAIN_WITHIN",
            parser=seconds(0),
            metavar="SECONDS",
            help="How long a stopping server then waits for a pause of each stream, and for recordings.",
        ),
    ] = DEFAULTS.drain_within_s,
    max_message_bytes: Annotated[
        int,
        typer.Option(
            envvar="CAESURA_MAX_MESSAGE_BYTES",
            metavar="BYTES",
            parser=whole(1024),
            help="Longest message that a client may send.",
        ),
    ] = DEFAULTS.max_message_bytes,
    max_recordings: Annotated[
        int,
        typer.Option(
            envvar="CAESURA_MAX_RECORDINGS",
            metavar="COUNT",
            parser=whole(1),
            help="Recordings transcribed at once; more are refused with 429.",
        ),
    ] = DEFAULTS.max_recordings,
    max_recording_bytes: Annotated[
        int,
        typer.Option(
            envvar="CAESURA_MAX_RECORDING_BYTES",
            metavar="BYTES",
            parser=whole(1024),
            help="Largest recording, uploaded or by URL.",
        ),
    ] = DEFAULTS.max_recording_bytes,
    stall_timeout: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_STALL_TIMEOUT",
            parser=seconds_above_zero,
            metavar="SECONDS",
            help="How long the body of a recording may stall.",
        ),
    ] = DEFAULTS.stall_timeout_s,
    allow_private_urls: Annotated[
        bool,
        typer.Option(
            "--allow-private-urls",
            envvar="CAESURA_ALLOW_PRIVATE_URLS",
            help="Allow URLs of callbacks and recordings on this machine, in its networks and on any port.",
        ),
    ] = DEFAULTS.allow_private_urls,
    url_connect_timeout: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_URL_CONNECT_TIMEOUT",
            parser=seconds_above_zero,
            metavar="SECONDS",
            help="How long name lookup and connect may take for the URL of a callback or recording.",
        ),
    ] = DEFAULTS.url_connect_timeout_s,
    url_response_timeout: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_URL_RESPONSE_TIMEOUT",
            parser=seconds_above_zero,
            metavar="SECONDS",
            help="How long it may take to respond, and between two parts of the response.",
        ),
    ] = DEFAULTS.url_response_timeout_s,
    log_level: Annotated[
        LogLevel, typer.Option(envvar="CAESURA_LOG_LEVEL", help="Lowest level that is logged to stderr.")
    ] = LogLevel.INFO,
    max_sessions: Annotated[
        int,
        typer.Option(
            envvar="CAESURA_MAX_SESSIONS",
            metavar="COUNT",
            parser=whole(1),
            help="Streams at once; more are refused with 429.",
        ),
    ] = DEFAULTS.max_sessions,
    capacity: Annotated[
        int,
        typer.Option(
            envvar="CAESURA_CAPACITY",
            metavar="COUNT",
            parser=whole(0),
            help="Streams that each engine can hold; more are refused with 429; 0: measured.",
        ),
    ] = DEFAULTS.capacity,
) -> None:
    """Run the server: live streams and recordings are transcribed on /v1/listen, and KeepAlive holds a pause."""
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT)
    # At INFO Alembic logs every plugin that it sets up.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with report_errors():
        engines = resolve_engines(engine, model, models_folder(models))
        names = model_names(model_name or ())
        origins, hosts = parse_origins(cors_origin or ()), parse_hosts(allowed_host or ())
        keys = static_keys(key or (), database)
    settings = Settings(
        host=host,
        port=port,
        engines=engines,
        model_names=names,
        database=database or default_database(),
        prices=prices,
        keys=keys,
        no_auth=no_auth,
        cors_origins=origins,
        allowed_hosts=hosts,
        idle_timeout_s=idle_timeout,
        first_response_timeout_s=first_response_timeout,
        drain_timeout_s=drain_timeout,
        drain_delay_s=drain_delay,
        drain_within_s=drain_within,
        workers=workers,
        interim_interval_s=interim_interval,
        max_message_bytes=max_message_bytes,
        max_sessions=max_sessions,
        capacity=capacity,
        max_recordings=max_recordings,
        max_recording_bytes=max_recording_bytes,
        stall_timeout_s=stall_timeout,
        allow_private_urls=allow_private_urls,
        url_connect_timeout_s=url_connect_timeout,
        url_response_timeout_s=url_response_timeout,
    )
    with require_server_extra():
        from caesura.server import run
    with report_errors():
        run.serve(settings, on_ready=_print_ready)


def _print_ready(url: str, room: int) -> None:
    typer.echo(f"Listening on {url}")
    typer.echo(f"Room for {room} live streams; more are refused with 429")
    typer.echo("Point any Deepgram SDK here, or try: caesura listen FILE   (Ctrl-C stops)")
