"""The command `syt`."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated

import typer

from access import service as access
from access.policy import Role
from access.tokens import Tokens
from cli import demo as demonstration
from cli import load as loading
from cli.home import Database, HomeTaken, database_of, say
from cli.login import LoginFailed, sign_in
from cli.serve import StartFailed, Wanted
from cli.serve import serve as run_service
from kit.crypto import KeysUnusable, load_keys
from kit.db import Sessions, make_engine, make_sessions, transaction
from kit.embedded import EmbeddedFailed
from kit.settings import Settings
from migrations.runner import DatabaseUnfit, migrate

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="社银通: the service and its tools.")

EXPECTED = (
    HomeTaken, EmbeddedFailed, DatabaseUnfit, StartFailed, KeysUnusable, loading.LoadFailed,
    LoginFailed,
)  # fmt: skip

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)]
Workers = Annotated[int, typer.Option(help="API processes.", min=1, max=64)]
NoJobs = Annotated[bool, typer.Option("--no-jobs", help="Without the background process.")]


def _run(work: Callable[[], None]) -> None:
    """Say in one line what is expected to go wrong, and exit with 1."""
    try:
        work()
    except EXPECTED as error:
        say(f"syt: {error}")
        raise typer.Exit(1) from None


@app.command()
def serve(
    host: Host = "127.0.0.1", port: Port = 8000, workers: Workers = 1, no_jobs: NoJobs = False
) -> None:
    """Migrate if needed, and run the API and the background process."""
    settings, wanted = Settings(), Wanted(host, port, workers, not no_jobs)
    _run(lambda: run_service(settings, wanted, None, lambda: say(f"ready at {wanted.base_url}")))


@app.command()
def demo(
    host: Host = "127.0.0.1", port: Port = 8000, workers: Workers = 1, no_jobs: NoJobs = False
) -> None:
    """Serve a demonstration: all divisions, sample outlets, guides and people."""
    settings = Settings().model_copy(update={"local_issuer": True})
    wanted = Wanted(host, port, workers, not no_jobs)

    async def prepare(settings: Settings, database: Database) -> None:
        async def fill(sessions: Sessions) -> None:
            who = await demonstration.load_demo(sessions, settings.home)
            demonstration.write_card(settings.home, load_keys(settings), wanted.base_url, who)

        await _with_sessions(database.url, fill)

    def greet() -> None:
        say("local issuer is ON: people's tokens of our own making are believed. Never in production.")
        say(demonstration.first_application(settings.home, wanted.base_url))
        say(f"ready at {wanted.base_url}")

    _run(lambda: run_service(settings, wanted, prepare, greet))


@app.command()
def worker() -> None:
    """Run the background process alone; `SYT_DATABASE_URL` names the database."""
    from worker.__main__ import work  # noqa: PLC0415 -- nothing else here needs it

    settings = Settings()
    _run(lambda: asyncio.run(work(_settled(settings))))


def _settled(settings: Settings) -> Settings:
    """Name the database in the settings, also where it is the embedded one that `serve` runs."""
    return settings.model_copy(update={"database_url": database_of(settings, start=False).url})


@app.command(name="migrate")
def migrate_() -> None:
    """Bring the database up to date."""
    settings = Settings()

    def work() -> None:
        database = database_of(settings, start=True)
        asyncio.run(migrate(database.owner_url, database.url))
        say("up to date")

    _run(work)


LOADERS: dict[str, Callable[[Sessions, Path], Awaitable[int]]] = {
    "divisions": loading.load_divisions,
    "calendar": loading.load_calendar,
    "agencies": loading.load_agencies,
    "matters": loading.load_matters,
    "outlets": loading.load_outlets,
}


@app.command()
def load(
    what: Annotated[str, typer.Argument(help=" | ".join(LOADERS))],
    file: Annotated[Path, typer.Argument(exists=True, readable=True)],
) -> None:
    """Load reference data; loading twice changes nothing."""
    if what not in LOADERS:
        raise typer.BadParameter(f"one of {', '.join(LOADERS)}")

    async def fill(sessions: Sessions) -> None:
        say(f"{what}: {await LOADERS[what](sessions, file)} changed")

    _run(lambda: _in_database(Settings(), fill))


@app.command()
def token(
    role: Role,
    scope: Annotated[str, typer.Argument(help="Code of an agency, division, bank or outlet.")],
    subject: Annotated[str | None, typer.Option(help="Whose; default: local-ROLE-SCOPE.")] = None,
    hours: Annotated[int, typer.Option(min=1, max=24 * 30)] = 8,
) -> None:
    """Print a person's token of the local issuer; makes the grant if it is missing."""
    settings = Settings()
    if role is Role.TELLER:
        raise typer.BadParameter("tellers come with their terminal's assertion")
    who = subject or f"local-{role}-{scope}"

    async def grant(sessions: Sessions) -> None:
        async with transaction(sessions) as session:
            await access.ensure_grant(session, who, role, scope, by="person:syt-token")

    def work() -> None:
        _in_database(settings, grant)
        made = Tokens(load_keys(settings), local_people=True)
        typer.echo(made.for_person(who, seconds=hours * 3600))

    _run(work)


@app.command(name="demo-login")
def demo_login() -> None:
    """Print a token of the demonstration's teller, got as a terminal gets it: by an assertion."""
    _run(lambda: typer.echo(sign_in(Settings().home)))


def _in_database(settings: Settings, work: Callable[[Sessions], Awaitable[None]]) -> None:
    """Do something in the database; an embedded one that does not run is started for it."""
    cluster = None
    database = database_of(settings, start=False)
    if database.cluster is not None and not database.cluster.running():
        cluster = database.cluster
        cluster.start()
        asyncio.run(migrate(database.owner_url, database.url))
    try:
        asyncio.run(_with_sessions(database.url, work))
    finally:
        if cluster is not None:
            cluster.stop()


async def _with_sessions(url: str, work: Callable[[Sessions], Awaitable[None]]) -> None:
    engine = make_engine(url, pool_size=2)
    try:
        await work(make_sessions(engine))
    finally:
        await engine.dispose()


if __name__ == "__main__":
    app()
