"""Handing in what waits: contact, what it brings, and one round after another until nothing is left to send."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from client.calls import Calls, Outcome, fresh_key
from client.errors import LineDown, Refused
from client.faces import AsyncClient, Client
from client.guides import LOCAL
from client.problems import (
    GuideNotFound,
    GuideSuperseded,
    NumbersExhausted,
    OutletClosed,
    TellerInactive,
)
from client.store import Kept, Row, Store
from client.wire import AsyncFace, Steps, SyncFace, operation
from client.work import AHEAD, CONTACT, LIMITS, MARK, NUMBERS, OUTLET, SEEN, Told, Work

AT_ONCE = 100
"""Applications in a call."""

UNREADABLE = frozenset({400, 413, 422})
"""A whole call is refused so for what one of it holds."""

UNFIT = UNREADABLE | {415}
"""A scan is refused so."""

KEPT_FOR = timedelta(days=90)
"""How long the store remembers what was done with."""

Watching = Callable[[str, int, int], None]
"""Told of progress: of what (`catalogue`, `numbers`, `applications`, `scans` in bytes), done, and in all."""


class Report(NamedTuple):
    """What a flush brought about."""

    sent: int
    refused: int
    review: int
    left: int
    """What is still to be sent, and is held up by nothing but the line or what comes before it."""
    stopped: Exception | None
    """Why it ended before all was sent: the line, or what concerns all (the outlet is closed …)."""


class Handing(Work):
    """The steps that reach the service."""

    @operation
    def refresh(self, watching: Watching | None = None) -> Steps[None]:
        """Bring up to date what the terminal holds: limits, clock, the catalogue's copy, numbers.

        Raises:
            LineDown, Refused: as far as it came stays.
        """
        watch = watching or _quietly
        me = yield from Calls.me.steps(self.client)
        with self.store.change():
            self.store.note(CONTACT, me.server_time.isoformat())
            self.store.note(SEEN, me.server_time.isoformat())
            self.store.note(LIMITS, me.limits.model_dump_json())
            self.store.note(OUTLET, me.outlet)
            self.store.note(AHEAD, str(self.client.ahead))
            self.store.prune(me.server_time - KEPT_FOR)
        yield from self._copy(watch)
        yield from self._reserve(watch, me.limits.numbers_at_once)

    def _copy(self, watch: Watching) -> Steps[None]:
        """Take over what was published since; each page is one transaction, so it goes on where it stopped."""
        after, named, done = self.store.fact(MARK), set[str](), 0
        while True:
            page = yield from Calls.changes.steps(self.client, after)
            with self.store.change():
                for item in page.items:
                    self.store.put_turns(
                        item.matter,
                        [
                            (
                                turn.applies_from.isoformat(), turn.etag,
                                turn.guide.model_dump_json().encode() if turn.guide else None,
                            )
                            for turn in item.guides
                        ],
                    )  # fmt: skip
                named |= {item.matter for item in page.items}
                if page.whole and not page.more:
                    for matter in set(self.store.matters()) - named:
                        self.store.put_turns(matter, [])
                if not (page.whole and page.more):  # Half of a whole copy is begun anew.
                    self.store.note(MARK, page.next)
            done += len(page.items)
            if done:
                watch("catalogue", done, done + (1 if page.more else 0))
            if not page.more:
                return
            after = page.next

    def _reserve(self, watch: Watching, at_once: int) -> Steps[None]:
        """Fill up the numbers at hand."""
        day = self.now().date()
        while (lacking := self.stock - self.store.numbers_left(day)) > 0:
            try:
                found = yield from Calls.reserve_numbers.steps(
                    self.client, min(lacking, at_once), key=fresh_key()
                )
            except (NumbersExhausted, OutletClosed):
                return  # Tomorrow there are more, or none are wanted.
            with self.store.change():
                self.store.add_numbers(found)
            watch("numbers", self.store.numbers_left(day), self.stock)

    @operation
    def flush(self, watching: Watching | None = None) -> Steps[Report]:
        """Make contact, hold what waits against today's guides, and hand in what may be, in order.

        A line that breaks ends it without a loss: what is not settled is asked for again by the next flush.
        """
        watch, sent, refused = watching or _quietly, 0, 0
        stopped: Exception | None = None
        try:
            yield from Handing.refresh.steps(self, watch)
            self.review()
            while rows := self.store.next(AT_ONCE):
                made, not_made, stopped = yield from self._round(rows, watch)
                sent, refused = sent + made, refused + not_made
                watch("applications", sent, sent + self._left())
                if stopped is not None:
                    break
        except (LineDown, Refused) as error:
            stopped = error
        return Report(sent, refused, self.store.count("review"), self._left(), stopped)

    def _left(self) -> int:
        return self.store.count("waiting", "sending")

    def _round(self, rows: list[Row], watch: Watching) -> Steps[tuple[int, int, Exception | None]]:
        """Send some, each of another applicant, and settle each."""
        unfit = 0
        try:
            yield from self.client.token(rows[0].teller)
            ready, unfit = yield from self._ready(rows, watch)
            with self.store.change():
                for row, _ in ready:
                    self.store.update(row.id, state="sending", tries=row.tries + 1)
            if not ready:
                return 0, unfit, None
            rows = [row for row, _ in ready]
            outcomes = yield from Calls.submit_batch.steps(
                self.client, [(row.key, body) for row, body in ready], teller=rows[0].teller
            )
        except TellerInactive as refusal:
            return 0, self._without_teller(rows, refusal), self._own(rows[0], refusal)
        except Refused as refusal:
            if refusal.status not in UNREADABLE:
                raise
            if len(rows) > 1:
                return (yield from self._one_by_one(rows, watch))
            outcomes = [Outcome(None, refusal, replayed=False)]
        made, not_made, stopped = 0, unfit, None
        for row, outcome in zip(rows, outcomes, strict=True):
            state, stop = yield from self._settle(row, outcome)
            made, not_made = made + (state == "sent"), not_made + (state == "refused")
            stopped = stopped or stop
        return made, not_made, stopped

    def _one_by_one(
        self, rows: list[Row], watch: Watching
    ) -> Steps[tuple[int, int, Exception | None]]:
        """Find out which of many can't be read: that one alone is refused."""
        made, not_made, stopped = 0, 0, None
        for row in rows:
            one, other, stopped = yield from self._round([self.store.get(row.id)], watch)
            made, not_made = made + one, not_made + other
            if stopped is not None:
                break
        return made, not_made, stopped

    def _own(self, row: Row, refusal: Refused) -> Refused | None:
        return refusal if row.teller == self.client.teller else None

    def _without_teller(self, rows: list[Row], refusal: Refused) -> int:
        """Deal with what was taken by a teller who may not hand in any more: another has to look at it.

        What may have reached the service goes on under the one who is here: the key is the terminal's.
        """
        refused, own = 0, self._own(rows[0], refusal) is not None
        with self.store.change():
            for row in rows:
                self.store.update(row.id, state=row.state)  # Nothing of this round was looked at.
                if own:
                    continue
                if row.state == "sending":
                    self.store.update(row.id, teller=self.client.teller)
                else:
                    self._refuse(row, refusal)
                    refused += 1
        return refused

    def _ready(
        self, rows: list[Row], watch: Watching
    ) -> Steps[tuple[list[tuple[Row, dict[str, Any]]], int]]:
        """Send the scans of some; one whose scan is no scan is refused, and the others go on."""
        ready, unfit = [], 0
        for row in rows:
            try:
                body = yield from self._with_files(row, watch)
            except Refused as refusal:
                if refusal.status not in UNFIT:
                    raise
                self._refuse(row, refusal)
                unfit += 1
            else:
                ready.append((row, body))
        return ready, unfit

    def _with_files(self, row: Row, watch: Watching) -> Steps[dict[str, Any]]:
        """Send the scans of an application, and name them in its body."""
        body = self.store.body(row)
        files: dict[str, str] = {}
        for scan in self.store.scans(row.id):
            files[scan.material] = scan.file or (
                yield from self._send_scan(scan.id, Kept(self.store, scan), scan.upload, watch)
            )
        for material in body["materials"]:
            if str(material.get("file", "")).startswith(LOCAL):
                material["file"] = files[material["code"]]
        return body

    def _send_scan(self, scan: int, kept: Kept, upload: str | None, watch: Watching) -> Steps[str]:
        made = yield from Calls.upload.steps(
            self.client, kept, resume=upload,
            begun=lambda begun: self.store.update_scan(scan, upload=begun),
            progress=lambda done, size: watch("scans", done, size),
        )  # fmt: skip
        self.store.update_scan(scan, file=made.file)
        return made.file

    def _settle(self, row: Row, outcome: Outcome) -> Steps[tuple[str, Exception | None]]:
        """Put down what became of an application; tell too what stops all others."""
        refusal = outcome.refusal
        if outcome.made is not None:
            return self._done(row, outcome.made.state), None
        assert refusal is not None  # noqa: S101
        if refusal.passes or refusal.status >= 500:
            return "sending", refusal  # Nothing is known of it: it is sent again as it is.
        rules = {(error.at.rpartition("/")[2], error.rule) for error in refusal.errors}
        if ("number", "used") in rules:
            return (yield from self._look_up(row, refusal)), None
        if isinstance(refusal, OutletClosed):
            self.store.update(row.id, state="waiting")
            return "waiting", refusal
        if ("file", "file-removed") in rules:
            return self._without_files(row), None
        if isinstance(refusal, GuideSuperseded | GuideNotFound):
            return self._superseded(row), None
        with self.store.change():
            self._refuse(row, refusal)
        return "refused", None

    def _done(self, row: Row, outcome: str) -> str:
        with self.store.change():
            told = Told(outcome=outcome)
            self.store.update(row.id, state="sent", told=told.dump())
            self.store.forget(row.id)
        return "sent"

    def _look_up(self, row: Row, refusal: Refused) -> Steps[str]:
        """Ask after an application whose number is used: by itself, since nobody else has the number."""
        try:
            found = yield from Calls.application.steps(self.client, row.number)
        except Refused as unknown:
            if unknown.passes:
                raise
            self._refuse(row, refusal)
            return "refused"
        return self._done(row, found.state)

    def _without_files(self, row: Row) -> str:
        """Send scans again that waited at the service for too long; the body is another then."""
        with self.store.change():
            for scan in self.store.scans(row.id):
                self.store.update_scan(scan.id, file=None, upload=None)
            self.store.update(row.id, state="waiting", key=fresh_key())
        return "waiting"

    def _superseded(self, row: Row) -> str:
        """Let a refused version be looked at; where the copy knows no other yet, the next contact does."""
        with self.store.change():
            self.store.update(row.id, state="waiting", key=fresh_key())
            self._review(self.store.get(row.id))
            state = self.store.get(row.id).state
            if state == "waiting" and self.store.get(row.id).guide == row.guide:
                self._tell(
                    row.id,
                    "review",
                    Told("该指南版本已停用，请联网更新后确认", GuideSuperseded.code),
                )
        return self.store.get(row.id).state


class Queue(SyncFace, Handing):
    """Work without a line, for a plain `Client`."""

    client: Client

    def __init__(self, client: Client, store: Store, *, numbers: int = NUMBERS) -> None:
        super().__init__(client, store, numbers=numbers)


class AsyncQueue(AsyncFace, Handing):
    """Work without a line, for an `AsyncClient`."""

    client: AsyncClient

    def __init__(self, client: AsyncClient, store: Store, *, numbers: int = NUMBERS) -> None:
        super().__init__(client, store, numbers=numbers)


def _quietly(*_: Any) -> None:
    return None
