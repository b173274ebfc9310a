"""The command `syt`.

What a command needs is imported in it: nobody is to wait for what another command needs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from access.policy import Role
from cli.home import (
    FILLED,
    Database,
    HomeTaken,
    NotServed,
    bring_up_to_date,
    database_for_command,
    say,
    served_database,
)
from cli.serve import StartFailed, Wanted
from cli.serve import serve as run_service
from kit.embedded import EmbeddedFailed
from kit.settings import Settings

if TYPE_CHECKING:
    from kit.db import Sessions

# ruff: noqa: PLC0415

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="社银通: the service and its tools.",
)

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)]
Workers = Annotated[int, typer.Option(help="API processes.", min=1, max=64)]
NoJobs = Annotated[bool, typer.Option("--no-jobs", help="Without the background process.")]
NoMigrate = Annotated[bool, typer.Option("--no-migrate", help="Take the tables as they are.")]

FAULTS = 5
"""As many are named of a file that has more."""

LOADS = (
    "divisions", "calendar", "agencies", "catalogue", "matters", "routing", "outlets", "banks", "cnaps-areas",
)  # fmt: skip


@contextmanager
def _plainly(status: int = 1) -> Iterator[None]:
    """Say in one line what is expected to go wrong, and exit with 1, or another status."""
    try:
        yield
    except Exception as error:
        words = _in_words(error)
        if words is None:
            raise
        say(f"syt: {words}")
        raise typer.Exit(status) from None


def _in_words(error: Exception) -> str | None:
    """Put an expected failure into words that hold no secret; nothing for one that is a fault of ours."""
    if isinstance(error, HomeTaken | NotServed | EmbeddedFailed | StartFailed | OSError):
        return str(error)
    if isinstance(error, ValidationError):
        return _faults(error, lambda name: f"SYT_{name.upper()}")
    return _in_words_of_others(error)


def _faults(error: ValidationError, name: Callable[[str], str] = str) -> str:
    """Say where it is wrong, and never what stands there: it may be a secret."""
    found = [f"{name('/'.join(map(str, f['loc'])))}: {f['msg']}" for f in error.errors()]
    more = f"; and {len(found) - FAULTS} more" if len(found) > FAULTS else ""
    return "; ".join(found[:FAULTS]) + more


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _in_words_of_others(error: Exception) -> str | None:
    """Know the errors of what takes long to load; whoever raised one has loaded it."""
    import asyncpg
    from sqlalchemy.exc import ArgumentError, DBAPIError

    from access.issuers import IssuersUnusable
    from cli.export import ExportFailed
    from cli.load import LoadFailed
    from cli.login import LoginFailed
    from evidence.retention import TooYoung
    from kit.crypto import KeysUnusable
    from kit.errors import DomainError
    from migrations.runner import DatabaseUnfit

    ours = (
        DatabaseUnfit, KeysUnusable, LoadFailed, ExportFailed, LoginFailed, TooYoung, IssuersUnusable,
    )  # fmt: skip
    if isinstance(error, ours):
        more = error.__cause__
        whole = isinstance(error, LoadFailed)  # Of a file, all that is wrong is told.
        return (str(error) if whole else _first_line(error)) + (
            f": {_faults(more)}" if isinstance(more, ValidationError) else ""
        )
    if isinstance(error, DomainError):
        return f"{error.title.zh} {error.title.en}. {error.advice.en}"
    if isinstance(error, ArgumentError):
        return "SYT_DATABASE_URL or SYT_OWNER_URL is no postgresql:// URL"
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig.__cause__ or error.orig
        return f"the database says: {_first_line(cause)}"
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return f"the database says: {_first_line(error)}"
    return None


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    no_jobs: NoJobs = False,
    no_migrate: NoMigrate = False,
) -> None:
    """Migrate if needed, and run the API and the background process."""
    wanted = Wanted(host, port, workers, not no_jobs, not no_migrate)
    with _plainly():
        run_service(Settings(), wanted, None, lambda: say(f"ready at {wanted.base_url}"))


@app.command()
def demo(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    no_jobs: NoJobs = False,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help="With people who act on the sample applicants.")
    ] = False,
) -> None:
    """Serve a demonstration: all divisions, sample outlets, guides and people."""
    wanted = Wanted(host, port, workers, not no_jobs, sandbox=sandbox)

    async def prepare(settings: Settings, database: Database) -> None:
        from cli import card
        from kit.crypto import load_keys

        known = card.key_file(settings.home).exists()
        if not (known and database.cluster is not None and FILLED.stands(database.cluster)):
            await _fill_demo(settings, database)
        card.write(settings.home, load_keys(settings), wanted.base_url)

    def greet() -> None:
        from cli import card

        say(card.first_application(settings.home, wanted.base_url))
        say(f"ready at {wanted.base_url}")

    with _plainly():
        settings = Settings()
        simulates = "cores" not in settings.model_fields_set
        settings = settings.model_copy(update={"local_issuer": True})
        run_service(settings, replace(wanted, simulates=simulates), prepare, greet)


async def _fill_demo(settings: Settings, database: Database) -> None:
    from cli import demo as demonstration

    async def fill(sessions: "Sessions") -> None:
        await demonstration.load_demo(sessions, settings.home)

    await _with_sessions(database.url, fill)
    if database.cluster is not None or "cores" not in settings.model_fields_set:
        await demonstration.make_core_schema(database)
    if database.cluster is not None:
        FILLED.put(database.cluster)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def terminal(context: typer.Context) -> None:
    """Work at a terminal of an outlet: search, guides, forms, handing in, following, delivering (中文)."""
    from cli.terminal import app as at_terminal

    at_terminal(args=context.args, prog_name="syt terminal")


@app.command(name="simulated-core")
def simulated_core(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8900,
) -> None:
    """Run the SIMULATED core system alone, with tables of its own in the database of a running service."""
    from cli import demo as demonstration
    from cli import simulated

    with _plainly():
        database = served_database(Settings())
        asyncio.run(demonstration.make_core_schema(database))
        say(f"simulated, for practice only; SYT_CORES='{simulated.line(f'http://{host}:{port}')}'")
        simulated.run(database.url, host, port)


@app.command()
def worker() -> None:
    """Run the background process alone, beside a service that runs."""
    from kit.logs import configure
    from worker.__main__ import work

    with _plainly():
        settings = Settings()
        configure(settings.log)
        database = served_database(settings)
        asyncio.run(work(settings.model_copy(update={"database_url": database.url})))


@app.command()
def migrate() -> None:
    """Bring the database up to date."""
    with _plainly(), database_for_command(Settings()) as database:
        bring_up_to_date(database)
        say("up to date")


@app.command()
def load(
    what: Annotated[str, typer.Argument(help=" | ".join(LOADS))],
    file: Annotated[Path, typer.Argument(help="CSV; for matters YAML or a folder of such.")],
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Divisions: show what would change, and whom it touches."),
    ] = False,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Divisions: do it. Where none are known it needs no asking."),
    ] = False,
    on: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], help="Divisions: first day of the list; default: today."
        ),
    ] = None,
    much: Annotated[
        bool,
        typer.Option("--much", help="Divisions: though it changes a fifth of a province or more."),
    ] = False,
) -> None:
    """Load reference data; loading twice changes nothing."""
    from cli import load as loading

    if what not in LOADS:
        raise typer.BadParameter(f"one of {', '.join(LOADS)}")
    if what == "divisions":
        _load_divisions(file, on.date() if on else None, (preview, apply), much)
        return
    if any((preview, apply, on, much)):
        raise typer.BadParameter("--preview, --apply, --on and --much are for divisions")

    async def fill(sessions: "Sessions") -> None:
        try:
            changed = await getattr(loading, f"load_{what.replace('-', '_')}")(sessions, file)
        except KeyError as error:
            raise loading.LoadFailed(f"{file}: there is no column {error}") from error
        except (ValueError, TypeError, AttributeError) as error:
            raise loading.LoadFailed(
                f"{file}: not what is expected: {_first_line(error)}"
            ) from error
        say(f"{what}: {changed} changed")
        if what == "calendar" and changed:
            waiting = await loading.waiting_for_calendar(sessions)
            say(f"{waiting} open applications: the worker dates them anew")

    with _plainly(), database_for_command(Settings()) as database:
        asyncio.run(_with_sessions(database.url, fill))


def _load_divisions(file: Path, on: date | None, said: tuple[bool, bool], much: bool) -> None:
    """Show what a list changes; do it if that is said, or if nothing is known that it could take away."""
    from cli import divisions
    from cli import load as loading

    if all(said):
        raise typer.BadParameter("either --preview or --apply")

    async def show_and_do(sessions: "Sessions") -> None:
        seen = await divisions.look(sessions, file, on, much=much)
        for line in divisions.told(seen):
            typer.echo(line)
        if said == (False, True) or (said == (False, False) and seen.only_adds):
            changed = await loading.load_divisions(sessions, file, on, much=much)
            say(f"divisions: {changed} changed")
        else:
            wrote = seen.plan.writes.size
            say(f"divisions: {'nothing was changed; do it with --apply' if wrote else '0 changed'}")

    with _plainly(), database_for_command(Settings()) as database:
        asyncio.run(_with_sessions(database.url, show_and_do))


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="matters")],
    to: Annotated[Path, typer.Option(help="Folder; made if it is missing.")] = Path("data/matters"),
) -> None:
    """Write the published guides as files: loading what was written changes nothing."""
    from cli.export import export_matters

    if what != "matters":
        raise typer.BadParameter("only matters")

    async def write(sessions: "Sessions") -> None:
        say(f"matters: {await export_matters(sessions, to)} files changed in {to}")

    with _plainly(), database_for_command(Settings()) as database:
        asyncio.run(_with_sessions(database.url, write))


@app.command()
def token(
    role: Role,
    scope: Annotated[str, typer.Argument(help="Code of an agency, division, bank or outlet.")],
    subject: Annotated[str | None, typer.Option(help="Whose; default: local-ROLE-SCOPE.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=24 * 30)] = 8,
) -> None:
    """Print a person's token of the local issuer; makes the grant if it is missing."""
    from access import service as access
    from access.tokens import Tokens
    from kit.crypto import load_keys
    from kit.db import transaction

    if role is Role.TELLER:
        raise typer.BadParameter("tellers come with their terminal's assertion")
    if subject is not None and ":" in subject:
        raise typer.BadParameter("a subject with a colon is another issuer's")
    who = subject or f"local-{role}-{scope}"

    async def grant(sessions: "Sessions") -> None:
        async with transaction(sessions) as session:
            await access.ensure_grant(session, who, role, scope, by="person:syt-token")

    with _plainly():
        settings = Settings()
        with database_for_command(settings) as database:
            asyncio.run(_with_sessions(database.url, grant))
        made = Tokens(load_keys(settings), local_people=True)
        typer.echo(made.for_person(who, seconds=hours * 3600))


@app.command()
def verify(
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Day in China.")
    ] = None,
    roots: Annotated[
        Path | None, typer.Option(help="Roots that were handed out, as `syt roots` wrote them.")
    ] = None,
    trust: Annotated[
        Path | None, typer.Option(help="Public keys in PEM whose signatures are believed.")
    ] = None,
    sealed: Annotated[
        bool, typer.Option(help="Open every sealed value and every file too.")
    ] = False,
) -> None:
    """Check the chain of evidence: 0 whole, 1 altered (the first place is told), 3 it can't be checked."""
    from cli.evidence import Asked, verify_all

    asked = Asked(since.date() if since else None, roots, trust, sealed)
    with _plainly(3), database_for_command(Settings()) as database:
        broken = asyncio.run(verify_all(Settings(), database.url, asked))
    if broken is not None:
        say(f"broken: {broken}")
        raise typer.Exit(1)


@app.command()
def roots(
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Day in China.")
    ] = None,
    key: Annotated[bool, typer.Option(help="The public key in PEM instead.")] = False,
) -> None:
    """Print the last signed root of each day, one JSON object a line: hand them out, keep them elsewhere."""
    from cli.evidence import roots_since
    from kit.signing import load_signer, public_pem

    with _plainly():
        settings = Settings()
        if key:
            typer.echo(public_pem(load_signer(settings).public), nl=False)
            return
        with database_for_command(settings) as database:
            for line in asyncio.run(roots_since(database.url, since.date() if since else None)):
                typer.echo(line)


@app.command()
def prune(
    before: Annotated[
        datetime, typer.Argument(formats=["%Y-%m-%d"], help="Whole months before this day go.")
    ],
) -> None:
    """Give up events and access records of more than three years ago; what remains can still be proved."""
    from cli.evidence import prune_before

    with _plainly():
        settings = Settings()
        with database_for_command(settings) as database:
            gone = asyncio.run(
                prune_before(settings, database.url, database.owner_url, before.date())
            )
        say(f"given up: {', '.join(gone) or 'no whole month of events'}")


keys_app = typer.Typer(
    no_args_is_help=True, help="The key ring, and sealing again under another key."
)
app.add_typer(keys_app, name="keys")


@keys_app.command(name="status")
def keys_status() -> None:
    """Show the keys, and how far what is sealed has been sealed again."""
    from cli import keys

    with _plainly():
        settings = Settings()
        with database_for_command(settings) as database:
            for line in asyncio.run(keys.status(settings, database.url)):
                typer.echo(line)


@keys_app.command(name="add")
def keys_add(key: Annotated[str, typer.Argument(help="Its id: 1 to 16 ASCII characters.")]) -> None:
    """Add a fresh key to the ring; it seals nothing until `use`. Every process is to know it before."""
    from cli import keys

    with _plainly():
        keys.change(Settings(), lambda ring, suite: ring.with_new(key, suite))
        say(f"{key} is in the ring: restart every process, then `syt keys use {key}`")


@keys_app.command(name="use")
def keys_use(key: str) -> None:
    """Seal under another key of the ring from the next start on."""
    from cli import keys

    with _plainly():
        keys.change(Settings(), lambda ring, _: ring.with_current(key))
        say(f"{key} is the current key: restart every process, then `syt keys rotate`")


@keys_app.command(name="rotate")
def keys_rotate() -> None:
    """Seal everything again under the current key, beside the running service; stopped, it goes on."""
    from cli import keys

    with _plainly():
        settings = Settings()
        with database_for_command(settings) as database:
            asyncio.run(keys.rotate(settings, database.url))


@keys_app.command(name="give-up")
def keys_give_up(key: str) -> None:
    """Note that a key is lost for good: what it sealed can't be read any more, and starts go on without it."""
    from cli import keys

    with _plainly(), database_for_command(Settings()) as database:
        asyncio.run(keys.give_up(database.url, key))
        say(f"{key} is given up")


@app.command()
def appoint(
    role: Role,
    scope: Annotated[str, typer.Argument(help="Code of an agency, division, bank or outlet.")],
    subject: Annotated[str, typer.Argument(help="As tokens name people: ISSUER:SUB.")],
) -> None:
    """Give the first of the posts by which all others are given; those that follow go by the chain."""
    from access import service as access
    from kit.db import transaction

    async def grant(sessions: "Sessions") -> None:
        async with transaction(sessions) as session:
            await access.appoint(session, subject, role, scope, by="person:syt-appoint")

    with _plainly(), database_for_command(Settings()) as database:
        asyncio.run(_with_sessions(database.url, grant))
        say(f"{subject} is {role} of {scope}")


@app.command()
def conformance(
    base_url: Annotated[str, typer.Argument(help="Address of the sandbox.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="After --: the client's own program; SYT_BASE_URL tells it where to call."
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="HOST:PORT that the client is pointed at.")
    ] = "127.0.0.1:8100",
    report: Annotated[Path | None, typer.Option(help="File for the report as JSON.")] = None,
    log: Annotated[
        list[Path] | None,
        typer.Option(help="A log of the client's, to be searched for personal data."),
    ] = None,
) -> None:
    """Try a bank's terminal against a sandbox: 0 all rules kept, 1 some broken, 3 not all came about."""
    from cli.conformance import Asked, rehearse

    asked = Asked(base_url, listen, report, log or (), command or ())
    with _plainly(2):
        ended, text = asyncio.run(rehearse(asked))
    typer.echo(text)
    raise typer.Exit(ended)


@app.command(name="check-receipt")
def check_receipt(
    text: Annotated[str, typer.Argument(help="What the code on the paper holds: SYT1:…")],
    keys: Annotated[Path, typer.Option(help="Saved answer of GET /v1/receipt-keys, or PEM.")],
    words: Annotated[
        Path | None, typer.Option(help="Saved answer of GET …/documents/{code}.json.")
    ] = None,
) -> None:
    """Check a receipt without asking the service: 0 it is ours, 1 it is not to be believed, 3 no keys."""
    from cli import receipts
    from kit.receipts import ReceiptFalse

    with _plainly(3):
        try:
            typer.echo(receipts.in_words(receipts.check(text, keys, words)))
        except ReceiptFalse as false:
            typer.echo(f"验真不通过：{receipts.REASONS[false.why]}")
            raise typer.Exit(1) from None


@app.command(name="demo-login")
def demo_login() -> None:
    """Print a token of the demonstration's teller, got as a terminal gets it: by an assertion."""
    from cli.login import sign_in

    with _plainly():
        typer.echo(sign_in(Settings().home))


async def _with_sessions(url: str, work: "Callable[[Sessions], Awaitable[None]]") -> None:
    from kit.db import make_engine, make_sessions

    engine = make_engine(url, pool_size=2, unhurried=True)
    try:
        await work(make_sessions(engine))
    finally:
        await engine.dispose()


if __name__ == "__main__":
    app()
