"""`syt terminal`: a terminal of an outlet at the command line, on the SDK and nothing else.

Without a further word it leads by menus; the words below it show one thing each.
"""

import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from cli import screens, supplying
from cli.asking import Asker, Left, ask_application, show_faults
from cli.practice import ask_correction, decide
from client import Client, ClientError, KeyFile, Patience, Queue, Store, TerminalKey, enrol
from client.errors import NotComplete, Refused
from client.guides import LocalGuide
from kit.settings import Settings
from schemas.applications import ApplicationDetail

app = typer.Typer(
    help="A terminal at the command line: look up, fill in, hand in, follow, deliver; also without a line.",
    invoke_without_command=True,
)
PURPOSE = "交付申请人"
TITLES = {
    "catalogue": "更新办事指南",
    "numbers": "预留办件编号",
    "scans": "上传扫描件",
    "applications": "提交办件",
}
MENU = {
    "look_up": "查指南、办理事项", "waiting": "本机待办（离线采集、退回、待核对）",
    "handed_in": "已交办件（进度、送达）", "sync": "联网同步", "line": "切换离线 / 联网", "quit": "退出",
}  # fmt: skip


class NoTerminal(Exception):
    """This device is no terminal yet."""


@dataclass
class Desk:
    """A terminal in use."""

    console: Console
    client: Client
    queue: Queue
    asker: Asker
    tokens: dict[str, str]
    """Of the demonstration's people; a real terminal has none."""
    is_offline: bool = False

    @contextmanager
    def watching(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show bars while something is under way."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=self.console) as progress:
            bars: dict[str, Any] = {}

            def watch(what: str, done: int, total: int) -> None:
                if what not in bars or (what == "scans" and done == 0):
                    bars[what] = progress.add_task(TITLES[what], total=total)
                progress.update(bars[what], completed=done, total=total)

            yield watch

    def say(self, *what: RenderableType) -> None:
        """Print."""
        for one in what:
            self.console.print(one)

    @property
    def names(self) -> dict[str, str]:
        """Names of the matters in the copy."""
        return {found.guide.matter: found.guide.name for found in self.queue.search()}


# Opening


def folder_of(home: Path) -> Path:
    """Give the terminal's own folder; only its user may look into it."""
    folder = home / "terminal"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _identity(home: Path) -> tuple[dict[str, Any], TerminalKey]:
    """Find out which terminal this is: one that was enrolled here, else the demonstration's.

    Raises:
        NoTerminal: neither.
    """
    own, card = folder_of(home) / "terminal.json", home / "demo.json"
    if own.exists():
        return json.loads(own.read_text()), KeyFile(folder_of(home) / "terminal.key").load()
    if not card.exists():
        raise NoTerminal("本机尚未登记：先运行 syt demo，或者 syt terminal enrol 登记本机")
    known = json.loads(card.read_text())
    terminal = known["terminal"]
    identity = {"url": known["base_url"], "terminal": terminal["id"], "teller": known["teller"]}
    return identity | {"tokens": known["tokens"]}, TerminalKey.from_jwk(terminal["private_jwk"])


def _store_key(folder: Path) -> bytes:
    """Give the key of the terminal's store, made at the first start.

    It lies beside the store, so that the demonstration needs nothing: a bank keeps it where devices keep keys.
    """
    path = folder / "store.key"
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32))
    return path.read_bytes()


@contextmanager
def opened(*, offline: bool = False) -> Iterator[Desk]:
    """Open the terminal of this home; a fault that is expected is said in one line."""
    console, home = Console(highlight=False), Settings().home
    try:
        identity, key = _identity(home)
        folder = folder_of(home)
        store = Store(folder / f"{identity['terminal']}.db", _store_key(folder))
        patience = Patience(tries=3, first=0.2, longest=1.0, answer=15)
        with Client(
            identity["url"], identity["terminal"], key, identity["teller"], patience=patience
        ) as client:
            tokens = identity.get("tokens", {})
            asker = Asker(console, samples=bool(tokens))
            try:
                yield Desk(console, client, Queue(client, store), asker, tokens, offline)
            finally:
                store.close()
    except NoTerminal as error:
        console.print(Text(f"✗ {error}", "red"))
        raise typer.Exit(1) from None
    except ClientError as error:
        console.print(Text(f"✗ {screens.stopped_words(error)}", "red"))
        raise typer.Exit(1) from None


# What is done


def sync(desk: Desk) -> bool:
    """Hand in what waits and bring the copy up to date; tell whether the service was reached."""
    if desk.is_offline:
        desk.say(Text("离线模式：未联网", "yellow"))
        return False
    with desk.watching() as watch:
        report = desk.queue.flush(watch)
    desk.say(screens.report_text(report))
    return report.stopped is None


def begin(desk: Desk) -> None:
    """Fill the copy of a terminal that was never in contact: without one it has nothing to show."""
    if desk.queue.contact is None and not desk.is_offline:
        sync(desk)


def status(desk: Desk) -> None:
    """Say who and where this is, and how long it may go on without a line."""
    queue, counts = desk.queue, desk.queue.store.count
    limits, contact, now = queue.limits, queue.contact, queue.now()
    days = (
        None
        if limits is None or contact is None
        else limits.days_without_contact - (now - contact).days
    )
    mode = Text("离线", "yellow") if desk.is_offline else Text("联网", "green")
    desk.say(Panel(screens.pairs([
        ("服务", desk.client.base_url), ("网点", queue.store.fact("outlet")), ("柜员", desk.client.teller),
        ("状态", mode),
        ("最近联系", f"{contact:%Y-%m-%d %H:%M:%S}" if contact else Text("从未", "red")),
        ("可离线", f"还可离线 {days} 天，上限 {limits.queue_length} 件" if limits else None),
        ("本机", f"待提交 {counts('waiting', 'sending')} · 待核对 {counts('review')} · 退回 {counts('refused')}"
                 f" · 可用编号 {queue.store.numbers_left(now.date())}"),
    ]), title="[bold]社银通 · 网点终端[/bold]", border_style="magenta", padding=(1, 2)))  # fmt: skip


def find(desk: Desk, text: str) -> list[LocalGuide]:
    """Find guides: by the service's search, which knows pinyin too, or in the copy."""
    if desk.is_offline or not text:
        return desk.queue.search(text)
    try:
        page = desk.client.matters(text, has_guide=True, limit=20)
    except ClientError:
        return desk.queue.search(text)
    held = {found.guide.matter: found for found in desk.queue.search()}
    return [held[entry.matter] for entry in page.items if entry.matter in held]


def show_found(desk: Desk, found: list[LocalGuide]) -> None:
    """List guides."""
    if not found:
        desk.say(Text("没有找到事项", "yellow"))
        return
    desk.say(screens.guides_table(
        (g.guide.name, g.guide.matter, g.guide.outlet_delegation, f"{g.guide.promised_limit.value} 个工作日")
        for g in found
    ))  # fmt: skip


def look_up(desk: Desk) -> None:
    """Search, show the guide, and fill an application in."""
    text = desk.asker.text("搜索（名称、编码、拼音首字母，回车列出全部）", needed=False) or ""
    found = find(desk, text)
    show_found(desk, found)
    if not found:
        return
    said = _pick(desk, _numbers(found))
    if said is None:
        return
    guide = found[int(said) - 1]
    desk.say(screens.guide_page(guide.guide))
    if guide.guide.outlet_delegation == "D0":
        desk.say(Text("本事项网点仅提供咨询，请引导到经办机构办理。", "yellow"))
    elif desk.asker.yes("现在办理", default=True):
        apply(desk, guide)


def apply(desk: Desk, guide: LocalGuide) -> None:
    """Fill in, look over, keep, hand in."""
    desk.queue.check_may_take()
    desk.say(Text(f"随时输入 {':q'} 返回；方括号内是默认值，回车采用。", "dim"))
    answers = ask_application(desk.asker, guide)
    try:
        receipt = desk.queue.take(answers.body, answers.scans)
    except NotComplete as fault:
        show_faults(desk.console, fault.errors)
        return
    sync(desk)
    desk.say(screens.receipt_panel(receipt, guide.guide.name, desk.client.base_url))
    for one in desk.queue.applications():
        if one.id == receipt.id:
            desk.say(screens.waiting_page(one) if one.outcome is None else outcome_of(one.outcome))


def outcome_of(state: str) -> Text:
    """Say how an application stands that was handed in."""
    return Text(f"✓ 已提交，当前状态：{screens.STATES[state]}", "bold green")


def waiting(desk: Desk) -> None:
    """Look after what is in the terminal's own store."""
    found = desk.queue.applications("waiting", "sending", "review", "refused")
    if not found:
        desk.say(Text("本机没有待办的件", "green"))
        return
    desk.say(screens.waiting_table(found))
    ids = {str(one.id): one for one in found}
    said = _pick(desk, ids)
    if said is None:
        return
    one = ids[said]
    desk.say(screens.waiting_page(one))
    options = {"mend": "重新填写", "confirm": "按现行指南原样提交", "drop": "放弃", "back": "返回"}
    if one.state == "sending":
        desk.say(Text("已发出、未收到答复：联网后自动确认，不能修改。", "yellow"))
        return
    mend(desk, one.id, one.matter, desk.asker.choice("如何处理", options, default="back"))


def _pick(desk: Desk, names: Collection[str]) -> str | None:
    """Ask for one of those that are listed; nothing goes back."""

    def check(said: str) -> str | None:
        return None if said in names else "没有这个序号"

    return desk.asker.text("序号（回车返回）", check=check, needed=False)


def _numbers(found: Sequence[object]) -> list[str]:
    return [str(nth) for nth in range(1, len(found) + 1)]


def mend(desk: Desk, id_: int, matter: str, what: str | None) -> None:
    """Mend, confirm or drop one of them."""
    if what == "mend":
        answers = ask_application(desk.asker, desk.queue.guide(matter))
        desk.queue.mend(id_, answers.body, answers.scans)
    elif what == "confirm":
        desk.queue.confirm(id_)
    elif what == "drop" and desk.asker.yes("内容将删除且不能恢复，确定放弃", default=False):
        desk.queue.drop(id_)
    if what in ("mend", "confirm"):
        sync(desk)


def handed_in(desk: Desk) -> None:
    """Follow what the service has."""
    if desk.is_offline:
        desk.say(Text("离线模式下不能查看已交办件", "yellow"))
        return
    found = desk.client.applications(limit=20).items
    desk.say(screens.applications_table(found, desk.names))
    said = _pick(desk, _numbers(found)) if found else None
    if said is not None:
        follow(desk, found[int(said) - 1].number)


def show(desk: Desk, number: str) -> ApplicationDetail:
    """Show an application and what happened to it."""
    one = desk.client.application(number)
    events = desk.client.history(number).items
    desk.say(screens.application_page(one, events, desk.names.get(one.matter, one.matter)))
    return one


def follow(desk: Desk, number: str) -> None:
    """Show an application, and do with it what the teller may."""
    while True:
        one = show(desk, number)
        options = {name: words for name, words in screens.FACTS.items() if name in one.actions}
        if one.documents:
            options["paper"] = "打印文书"
        if desk.tokens:
            options |= _of_practice(one)
        what = desk.asker.choice("操作", {**options, "back": "返回"}, default="back")
        if what in (None, "back"):
            return
        act(desk, one, what or "")


def _of_practice(one: ApplicationDetail) -> dict[str, str]:
    """Offer what the demonstration's people do for who tries the terminal out."""
    asks = {"ask": "（演示）请经办机构一次告知补正"} if one.state == "received" else {}
    return asks | ({"decide": "（演示）请经办机构办结"} if one.state in PENDING else {})


PENDING = frozenset({"received", "accepted", "in_review", "in_second_review", "in_approval"})


def act(desk: Desk, one: ApplicationDetail, what: str) -> None:
    """Take an action."""
    if what == "deliver":
        who = desk.asker.text("领取人", default="测试甲" if desk.tokens else None)
        desk.client.act(one, "deliver", way="counter", received_by=who)
    elif what == "withdraw":
        desk.client.act(one, "withdraw", reason=desk.asker.text("撤回原因"))
    elif what == "supply":
        supply(desk, one)
    elif what == "paper":
        names = {code: code for code in one.documents}
        code = desk.asker.choice("文书", names, default=one.documents[0]) or one.documents[0]
        path = Path(f"{one.number}-{code}.pdf")
        path.write_bytes(desk.client.paper(one.number, code, PURPOSE))
        desk.say(Text(f"已保存 {path}", "green"))
    elif what in PRACTICE:
        for line in PRACTICE[what](desk.client.base_url, desk.tokens, one.number):
            desk.say(Text(f"  {line}", "dim"))


PRACTICE = {"decide": decide, "ask": ask_correction}


def supply(desk: Desk, one: ApplicationDetail) -> None:
    """Supply what the agency asked for, or what was promised."""
    guide = desk.queue.guide(one.matter)
    desk.say(supplying.page(one, guide))
    desk.client.act(one, "supply", **supplying.ask(desk.asker, desk.client, one, guide))


# Words


def _menu(desk: Desk) -> None:
    if not desk.is_offline:
        sync(desk)
    status(desk)
    while True:
        said = desk.asker.choice("\n请选择", MENU, default="look_up")
        if said == "quit":
            return
        try:
            _chosen(desk, said or "")
        except Left:
            desk.say(Text("已返回", "dim"))
        except ClientError as error:
            desk.say(Text(f"✗ {screens.stopped_words(error)}", "red"))
            if isinstance(error, Refused) and error.errors:
                show_faults(desk.console, error.errors)


def _chosen(desk: Desk, said: str) -> None:
    if said == "line":
        desk.is_offline = not desk.is_offline
        status(desk)
        return
    deeds: dict[str, Callable[[Desk], object]] = {
        "look_up": look_up, "waiting": waiting, "handed_in": handed_in, "sync": sync,
    }  # fmt: skip
    deeds[said](desk)


Offline = Annotated[bool, typer.Option("--offline", help="As if there were no line.")]


@app.callback()
def terminal(context: typer.Context, offline: Offline = False) -> None:
    """Work at the terminal, led by menus."""
    if context.invoked_subcommand is not None:
        return
    with opened(offline=offline) as desk:
        try:
            _menu(desk)
        except (EOFError, KeyboardInterrupt, Left):
            desk.say(Text("\n再见", "dim"))


@app.command(name="sync")
def sync_command() -> None:
    """Hand in what waits, and bring guides and numbers up to date."""
    with opened() as desk:
        if not sync(desk):
            raise typer.Exit(1)


@app.command(name="status")
def status_command() -> None:
    """Show who and where this is, and what waits."""
    with opened(offline=True) as desk:
        status(desk)


@app.command()
def search(text: Annotated[str, typer.Argument()] = "", offline: Offline = False) -> None:
    """Find matters by name, code, pinyin or initials."""
    with opened(offline=offline) as desk:
        begin(desk)
        show_found(desk, find(desk, text))


@app.command()
def guide(matter: str) -> None:
    """Show the guide of a matter out of the terminal's copy."""
    with opened() as desk:
        begin(desk)
        desk.say(screens.guide_page(desk.queue.guide(matter).guide))


@app.command()
def queue() -> None:
    """List what is in the terminal's own store."""
    with opened(offline=True) as desk:
        desk.say(screens.waiting_table(desk.queue.applications()))


@app.command(name="show")
def show_command(number: str) -> None:
    """Show an application that was handed in."""
    with opened() as desk:
        show(desk, number)


@app.command(name="enrol")
def enrol_command(url: str, code: str, teller: str) -> None:
    """Make this device a terminal, with the code that its outlet was given."""
    folder = folder_of(Settings().home)
    console = Console(highlight=False)
    try:
        made = enrol(url, code, KeyFile(folder / "terminal.key"))
    except ClientError as error:
        console.print(Text(f"✗ {screens.stopped_words(error)}", "red"))
        raise typer.Exit(1) from None
    identity = {"url": url, "terminal": made.terminal, "teller": teller}
    (folder / "terminal.json").write_text(json.dumps(identity))
    console.print(Text(f"✓ 已登记：网点 {made.outlet} · {made.name}", "green"))
