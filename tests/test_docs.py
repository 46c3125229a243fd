"""The documentation compared with the code: examples are the tested ones, every flag and event is documented."""

from __future__ import annotations

import dataclasses
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl

import pytest
import typer
from prometheus_client.parser import text_string_to_metric_families

import caesura
from caesura.cli.main import app
from caesura.client.config import Tuning
from caesura.client.events import Event
from caesura.formatting.dictation import COMMANDS
from caesura.formatting.itn import TextFormatter
from caesura.formatting.redaction import PII_KINDS
from caesura.formatting.searching import search_words
from caesura.protocol import closing
from caesura.protocol.catalogue import Catalogue, Offer
from caesura.protocol.closing import Refusal
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import parse_options
from caesura.server.metrics import FAULT, EngineFigures, Metrics, ServerLoad, close_labels
from caesura.server.origin import OriginPolicy, Pass, Preflight, RequestHead, parse_hosts, parse_origins
from caesura.server.stream_config import style
from tests.source_tree import ROOT, expect_none
from tests.spoken_words import text, words_of

README = (ROOT / "README.md").read_text()
CLIENT = (ROOT / "docs" / "client.md").read_text()
EXAMPLE = ROOT / "tests" / "client" / "test_documented.py"


def test_the_example_in_the_docs_is_the_one_that_is_run() -> None:
    run = EXAMPLE.read_text().split("# docs: begin\n")[1].split("\n\n# docs: end")[0].strip()
    assert f"```python\n{run}\n```" in CLIENT


PAGES = {"keys": "docs/ledger.md", "projects": "docs/ledger.md", "models": "docs/engines.md"}
"""Pages that document the flags of commands with subcommands; README documents all others."""


def flags() -> list[tuple[str, str, str, str]]:
    """Every flag of every command: command, flag, variable, and the page that has to name it."""
    group = typer.main.get_command(app)
    commands = {(name,): command for name, command in group.commands.items()}  # type: ignore[attr-defined]
    for names, command in list(commands.items()):
        commands |= {(*names, name): below for name, below in getattr(command, "commands", {}).items()}
    return [
        (" ".join(names), flag, parameter.envvar, PAGES.get(names[0], "README.md"))
        for names, command in commands.items()
        for parameter in command.params
        for flag in (*parameter.opts, *parameter.secondary_opts)
        if flag.startswith("--") and flag != "--help"
    ]


def test_every_flag_of_every_command_is_in_the_docs() -> None:
    texts = {page: (ROOT / page).read_text() for page in {"README.md", *PAGES.values()}}
    wanted = [(command, name, page) for command, flag, variable, page in flags() for name in (f"`{flag}", variable)]
    expect_none(f"{page} lacks {name} of {command}" for command, name, page in wanted if name not in texts[page])


def test_the_readme_names_every_command() -> None:
    group = typer.main.get_command(app)
    assert all(f"`caesura {name}" in README for name in group.commands)  # type: ignore[attr-defined]


def test_flags_are_searched_in_every_command() -> None:
    commands = {command.split()[0] for command, *_ in flags()}
    assert commands == {"serve", "listen", "demo", "doctor", "usage", "keys", "projects", "models"}


def test_every_event_is_in_the_docs_and_public() -> None:
    events = {each.__name__ for each in get_args(Event)}
    assert not {event for event in events if f"`{event}`" not in CLIENT}
    assert events <= set(dir(caesura))


def test_every_field_of_tuning_is_documented() -> None:
    """Each has a docstring."""
    source = (ROOT / "src" / "caesura" / "client" / "config.py").read_text()
    documented = set(re.findall(r'^    (\w+): .*\n    """.+"""$', source, re.MULTILINE))
    assert {each.name for each in dataclasses.fields(Tuning)} <= documented


LINKED = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples/README.md"]


def broken_links(page: Path) -> Iterator[str]:
    """The links of a page that lead to no file, or to no heading of it."""
    text = page.read_text()
    for match in re.finditer(r"\]\(([^)#:]*)(?:#([^)]+))?\)", text):
        link, heading = match.groups()
        target = page.parent / link if link else page
        if not target.exists() or (heading and heading not in headings(target)):
            yield f"{page}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"


def test_all_links_of_the_docs_lead_to_files_and_headings() -> None:
    expect_none(broken for page in LINKED for broken in broken_links(page))


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n\n[Above](#a-page), [below](#below),\n[beside](other.md), [there](page.md#a-page)\n")
    assert list(broken_links(page)) == [f"{page}:3: ](#below)", f"{page}:4: ](other.md)"]


@cache
def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub names them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


# ---- the terms ----

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def unexplained(page: str, glossary: str) -> set[str]:
    """The terms in bold on a page that have no entry in the glossary."""
    entries = re.findall(r"^- \*\*(.+?)\*\*", glossary, re.MULTILINE)
    return {term.lower() for term in re.findall(r"\*\*(.+?)\*\*", page)} - {entry.lower() for entry in entries}


def test_every_bold_term_of_the_architecture_is_in_the_glossary() -> None:
    assert not unexplained(ARCHITECTURE, GLOSSARY)
    assert len(re.findall(r"\*\*(.+?)\*\*", ARCHITECTURE)) > 20


def test_a_bold_term_without_an_entry_is_found() -> None:
    glossary = "- **Final**: Words that are never revised, unlike an **interim**.\n"
    assert unexplained("A **final** follows an **interim**.", glossary) == {"interim"}


def test_the_glossary_is_linked_where_a_newcomer_begins() -> None:
    pages = ("README.md", "CONTRIBUTING.md", "docs/architecture.md")
    assert not [page for page in pages if "glossary.md)" not in (ROOT / page).read_text()]


def test_the_table_of_parameters_is_generated_from_the_rows_that_read_them() -> None:
    source = runpy.run_path(str(ROOT / "docs" / "parameters.py"))
    assert (ROOT / "docs" / "parameters.md").read_text() == source["page"](), "run: python docs/parameters.py"


# ---- formatting ----

FORMATTING = (ROOT / "docs" / "formatting.md").read_text()
CATALOGUE = Catalogue((Offer(ModelInfo("uuid", "an engine", "1", "none"), ("en",)),))


def tables(page: str, *head: str) -> list[tuple[str, ...]]:
    """The rows of all tables of a page that have these columns, as a reader sees them."""
    rows: list[tuple[str, ...]] = []
    for table in re.findall(rf"^\| {re.escape(' | '.join(head))} \|\n[|-]+\n((?:\|.*\n)+)", page, re.MULTILINE):
        for line in table.splitlines():
            cells = re.split(r"(?<!\\)\|", line.strip("|"))
            rows.append(tuple(cell.strip().replace("\\*", "*") for cell in cells))
    return rows


def writer(asked: str) -> TextFormatter:
    options = parse_options(parse_qsl(asked.strip("`"), keep_blank_values=True), catalogue=CATALOGUE)
    return TextFormatter(style(options))


@pytest.mark.parametrize(("asked", "said", "written"), tables(FORMATTING + README, "parameters", "spoken", "written"))
def test_words_are_formatted_as_documented(asked: str, said: str, written: str) -> None:
    assert text(writer(asked).format(words_of(said), final=True).words) == written.replace("\\n", "\n")


@pytest.mark.parametrize(("asked", "said", "told"), tables(FORMATTING, "parameters", "spoken so far", "interim"))
def test_interims_withhold_what_is_documented(asked: str, said: str, told: str) -> None:
    assert text(writer(asked).format(words_of(said), final=False).words) == told


@pytest.mark.parametrize(("said", "held"), tables(FORMATTING, "spoken", "held"))
def test_finals_are_held_as_documented(said: str, held: str) -> None:
    words = words_of(said)
    assert (writer("smart_format=true").incomplete_from(words) < len(words)) is (held == "yes")


@pytest.mark.parametrize(
    ("query", "said", "found", "confidence"), tables(FORMATTING, "query", "spoken", "found", "confidence")
)
def test_searches_find_what_is_documented(query: str, said: str, found: str, confidence: str) -> None:
    (search,) = search_words(words_of(said), [query])
    hits = [(hit.snippet, f"{hit.confidence:.2f}") for hit in search.hits]
    assert hits == ([(found, confidence)] if found else [])


def test_every_command_of_dictation_is_documented() -> None:
    for command in COMMANDS:
        assert command[0].rstrip("s") in FORMATTING or command[0] in {"newline", "semi", "semi-colon"}


def test_every_kind_of_formatting_has_examples() -> None:
    asked = " ".join(row[0] for row in tables(FORMATTING, "parameters", "spoken", "written"))
    for name in ("smart_format", "numerals", "dictation", "profanity_filter", "replace", *PII_KINDS):
        assert name in asked
    assert tables(FORMATTING, "parameters", "spoken so far", "interim")
    assert tables(FORMATTING, "spoken", "held")
    assert tables(FORMATTING, "query", "spoken", "found", "confidence")


# ---- running a server ----

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def metrics() -> dict[str, tuple[str, ...]]:
    """Every metric by the name that a dashboard shows, with its labels."""
    counts = Metrics()
    engines = (EngineFigures("engine", 0.1, 0.0),)
    counts.watch(lambda: ServerLoad(0, 0, 0, 0, 0, 0.0, 0.0, engines=engines))
    counts.closed(1000, "")
    counts.refused(401, "credentials")
    counts.recorded(200, 1.0)
    counts.lost("engine", 1.0)
    exposed, _ = counts.render()
    found: dict[str, tuple[str, ...]] = {}
    for family in text_string_to_metric_families(exposed.decode()):
        if not family.name.endswith("_created"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[family.name + ("_total" if family.type == "counter" else "")] = tuple(sorted(labels))
    return found


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    documented = {
        name.strip("`"): tuple(sorted(re.findall(r"\w+", labels)))
        for name, labels, _ in tables(OPERATIONS, "metric", "labels", "means")
    }
    assert documented == metrics()


def test_every_reason_of_a_close_is_documented() -> None:
    codes = [(close.code, close.reason) for close in vars(closing).values() if isinstance(close, closing.Close)]
    codes += [(code, "") for code in (*range(1000, 1016), 3000, 4000)]
    reasons = {close_labels(*code)[1] for code in codes} | {close_labels(None, "")[1]}
    reasons |= {close_labels(1011, FAULT)[1], close_labels(1006, "cut: it reads nothing")[1]}
    documented = [
        reason for cells, _ in tables(OPERATIONS, "`reason` of a close", "means") for reason in cells.split(", ")
    ]
    assert sorted(documented) == sorted(f"`{reason}`" for reason in reasons)


# ---- web pages ----

CASES = tables(OPERATIONS, "key needed", "flags", "`Host`", "`Origin`", "request", "answer")


def policy(flags: str) -> OriginPolicy:
    given = dict(re.findall(r"(--[a-z-]+) ([^-` ]+)", flags))
    origins = parse_origins([given.get("--cors-origin", "")])
    return OriginPolicy(given.get("--host", "127.0.0.1"), origins, parse_hosts([given.get("--allowed-host", "")]))


def request_head(host: str, origin: str, request: str) -> RequestHead:
    named = dict(pair.strip(" `").split(": ") for pair in request.split(",") if ": " in pair)
    return RequestHead(
        "OPTIONS" if request == "preflight" else "GET",
        host=None if host == "none" else host.strip("`"),
        origin=None if origin == "none" else origin.strip("`"),
        fetch_site=named.get("Sec-Fetch-Site"),
        fetch_dest=named.get("Sec-Fetch-Dest"),
        requested_method="POST" if request == "preflight" else None,
        upgrade=request == "upgrade",
    )


@pytest.mark.parametrize(("key_needed", "flags", "host", "origin", "request_", "answer"), CASES)
def test_origins_and_hosts_are_treated_as_documented(
    key_needed: str, flags: str, host: str, origin: str, request_: str, answer: str
) -> None:
    decision = policy(flags).decide(request_head(host, origin, request_), key_needed=key_needed == "yes")
    shares = {"access-control-allow-origin": origin.strip("`")}
    trusts = shares | {"access-control-allow-credentials": "true"}
    match decision:
        case Refusal(status, err_code):
            assert answer == f"{status} {err_code}"
        case Preflight(headers):
            assert answer == "204"
            assert headers.items() >= trusts.items()
        case Pass(headers):
            shared = {name: value for name, value in headers.items() if name in trusts}
            readable = {"admitted": {}, "admitted, readable by the page": trusts}
            assert shared == readable.get(answer, shares)
            assert answer in (*readable, "admitted, `access-control-allow-origin` repeats the origin")


def test_every_answer_to_an_origin_has_a_documented_case() -> None:
    answers = {case[-1] for case in CASES}
    assert answers >= {
        "admitted",
        "204",
        "403 ORIGIN_NOT_ALLOWED",
        "403 HOST_NOT_ALLOWED",
        "admitted, readable by the page",
    }
    assert len(CASES) > 30
