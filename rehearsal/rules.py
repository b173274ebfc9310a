"""What a terminal has to keep to, rule by rule: whether a session shows that it was, or where it was not.

A rule reads the journal and nothing else. What never came about is `unseen`: it proves nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote_plus

import orjson

from rehearsal import faults
from rehearsal.journal import KEYS, SUBMISSIONS, TOKENS, Exchange, Journal, number_of
from schemas.samples import SAMPLES, Outcome, Sample

EARLY = 0.9
"""Share of the seconds told after which a repeat is no longer early: clocks tick."""

AGAIN_AND_AGAIN = 3
LONGEST_ASSERTION = 300
TOKENS_AT_LEAST, CALLS_A_TOKEN = 5, 4
HOPELESS = frozenset({400, 403, 404, 409, 422})
BY_SHAPE = frozenset({
    "request-invalid", "json-malformed", "json-too-deep", "json-too-many", "text-forbidden",
    "body-too-large", "not-found", "method-not-allowed",
})  # fmt: skip
PUBLIC = ("/v1/matters", "/v1/catalogue", "/v1/divisions", "/v1/outlets", "/v1/agencies", KEYS)


class Verdict(StrEnum):
    """How a session stands to a rule."""

    KEPT = "kept"
    BROKEN = "broken"
    UNSEEN = "unseen"


class Seen(NamedTuple):
    """A place where a rule came to bear."""

    call: int
    wrong: str = ""
    """What was wrong, in Chinese; nothing where it was kept."""


class Rule(NamedTuple):
    """A rule, what it is for, and how it is seen."""

    code: str
    title: str
    advice: str
    look: Callable[[Journal], Iterator[Seen]]


class Found(NamedTuple):
    """What a session shows of a rule."""

    rule: Rule
    verdict: Verdict
    wrong: Sequence[Seen]


def judge(rule: Rule, journal: Journal) -> Found:
    """Hold a session against a rule."""
    seen = list(rule.look(journal))
    wrong = [one for one in seen if one.wrong]
    verdict = Verdict.BROKEN if wrong else Verdict.KEPT if seen else Verdict.UNSEEN
    return Found(rule, verdict, wrong)


def _repeats(journal: Journal, exchange: Exchange) -> Iterator[Exchange]:
    """Give the later calls that are the same but for token and key."""
    return (later for later in journal.after(exchange) if later.same == exchange.same)


def _keys(journal: Journal) -> Iterator[Seen]:
    used: dict[str, bytes] = {}
    for exchange in journal.submissions():
        for key, application in exchange.handed_in():
            said = orjson.dumps(application, option=orjson.OPT_SORT_KEYS)
            wrong = "" if key else "提交办件未带 Idempotency-Key"
            if key and exchange.status < 400 and used.setdefault(key, said) != said:
                wrong = "同一 Idempotency-Key 用于不同的办件"
            if exchange.code == "idempotency-key-reused":
                wrong = "同一 Idempotency-Key 用于不同的办件"
            yield Seen(exchange.call, wrong)


def _same_key(journal: Journal) -> Iterator[Seen]:
    """After an answer that never came, came late, or said "later": the same application by the same key."""
    doubtful = {faults.LOST, faults.SLOW, faults.AWAY, faults.RUNNING, faults.EXPIRED}
    for exchange in journal.submissions():
        if exchange.fault in doubtful:
            for person, key in _by_person(exchange):
                yield from _again(journal, exchange, person, key)


def _again(
    journal: Journal, exchange: Exchange, person: tuple[str, str], key: str
) -> Iterator[Seen]:
    """Look at the next time that the same is handed in for the same person."""
    for later in journal.after(exchange):
        found = dict(_by_person(later)).get(person)
        if found is not None:
            yield Seen(
                later.call, "" if found == key else "重发同一办件时换了 Idempotency-Key，会重复办理"
            )
            return


def _by_person(exchange: Exchange) -> Iterator[tuple[tuple[str, str], str]]:
    for key, application in exchange.handed_in():
        yield (number_of(application), str(application.get("matter"))), key


def _not_given_up(journal: Journal) -> Iterator[Seen]:
    doubtful = {faults.LOST, faults.AWAY, faults.RUNNING, faults.EXPIRED, faults.BUSY}
    for exchange in journal:
        if exchange.fault in doubtful:
            again = any(
                later.method == exchange.method and later.path == exchange.path
                and (exchange.method == "GET" or set(_people(later)) & set(_people(exchange)))
                for later in journal.after(exchange)
            )  # fmt: skip
            yield Seen(exchange.call, "" if again else "中断或被告知稍后重试后，没有再试：结果不明")


def _people(exchange: Exchange) -> Iterator[tuple[str, str]]:
    return (person for person, _ in _by_person(exchange))


def _waits(journal: Journal) -> Iterator[Seen]:
    for exchange in journal:
        told = exchange.answer_headers.get("retry-after", "")
        if exchange.status < 400 or not told.isdigit():
            continue
        until = exchange.answered_at + int(told) * EARLY
        for later in _repeats(journal, exchange):
            early = later.at < until
            yield Seen(later.call, f"未等满 Retry-After 的 {told} 秒就重试" if early else "")
            break


def _assertions(journal: Journal) -> Iterator[Seen]:
    used: set[str] = set()
    for exchange in journal:
        if exchange.path != TOKENS or exchange.method != "POST":
            continue
        claims = exchange.assertion()
        identity = str(claims.get("jti", ""))
        yield Seen(exchange.call, _of_assertion(exchange, claims, again=identity in used))
        used.add(identity)


def _of_assertion(exchange: Exchange, claims: dict[str, object], *, again: bool) -> str:
    if not claims:
        return "令牌请求没有可读的 client_assertion"
    if again or not claims.get("jti"):
        return "断言的 jti 重复或缺失：每次都要重新签一份断言"
    if claims.get("iss") != claims.get("sub"):
        return "断言的 iss 与 sub 须同为终端号"
    return f"断言被拒：{exchange.code}" if exchange.status in (400, 401) else ""


def _renews(journal: Journal) -> Iterator[Seen]:
    for exchange in journal:
        if exchange.status != 401 or exchange.path == TOKENS:
            continue
        later = list(journal.after(exchange))
        renewed = next((e for e in later if e.path == TOKENS), None)
        stubborn = [e for e in later if e.token and e.token == exchange.token]
        if len(stubborn) >= AGAIN_AND_AGAIN:
            yield Seen(stubborn[-1].call, "401 之后仍反复使用同一个失效令牌")
        else:
            yield Seen(exchange.call, "" if renewed else "401 之后没有用新断言换取新令牌")


def _keeps_token(journal: Journal) -> Iterator[Seen]:
    asked = [e for e in journal if e.path == TOKENS and e.status == 200]
    calls = [e for e in journal if e.token]
    if asked:
        often = len(asked) >= TOKENS_AT_LEAST and len(asked) * CALLS_A_TOKEN > len(calls)
        yield Seen(
            asked[-1].call,
            f"{len(calls)} 次调用换了 {len(asked)} 个令牌：令牌在有效期内应重复使用"
            if often
            else "",
        )


def _conditions(journal: Journal) -> Iterator[Seen]:
    known: dict[str, set[str]] = {}
    for exchange in journal:
        if exchange.is_action:
            given = exchange.headers.get("if-match", "")
            wrong = "" if given else "办件动作未带 If-Match"
            if given and given not in known.get(exchange.number, {given}):
                wrong = f"If-Match {given} 不是读到过的版本"
            yield Seen(exchange.call, wrong)
        for shown in exchange.shown():
            known.setdefault(shown["number"], set()).add(f'"{shown.get("version")}"')


def _reads_again(journal: Journal) -> Iterator[Seen]:
    for exchange in journal:
        if exchange.is_action and exchange.status == 412:
            for later in journal.after(exchange):
                if later.number == exchange.number and later.method == "GET" and later.status < 400:
                    yield Seen(exchange.call)
                    break
                if later.is_action and later.number == exchange.number:
                    yield Seen(later.call, "412 之后没有重新读取办件就再次提交动作")
                    break


def _offered(journal: Journal) -> Iterator[Seen]:
    for exchange in journal:
        if exchange.is_action and exchange.fault is None:
            wrong = "做了 actions 里没有的动作" if exchange.code == "action-not-allowed" else ""
            yield Seen(exchange.call, wrong)


def _shape(journal: Journal) -> Iterator[Seen]:
    for exchange in journal:
        wrong = exchange.code in BY_SHAPE and exchange.fault is None
        yield Seen(exchange.call, f"请求格式不对：{exchange.code}" if wrong else "")


def _secrets(journal: Journal) -> frozenset[str]:
    """Gather what is personal: of the sample applicants, and of whoever was handed in."""
    found = {text for s in SAMPLES for text in (s.name, s.id_number, s.phone)}
    for exchange in journal.submissions():
        for _, application in exchange.handed_in():
            for role in ("applicant", "subject", "proxy"):
                person = application.get(role)
                if isinstance(person, dict):
                    found |= {str(person.get(n) or "") for n in ("name", "id_number", "phone")}
    return frozenset(text for text in found if len(text) > 1)


def _addresses(journal: Journal) -> Iterator[Seen]:
    secrets = _secrets(journal)
    for exchange in journal:
        others = (v for n, v in exchange.headers.items() if n != "authorization")
        said = unquote_plus(" ".join((exchange.path, exchange.query, *others)))
        wrong = any(secret in said for secret in secrets)
        yield Seen(exchange.call, "地址或请求头里有姓名、证件号码或电话" if wrong else "")


def in_logs(texts: Sequence[str]) -> Callable[[Journal], Iterator[Seen]]:
    """Make the look at a client's own logs."""

    def look(journal: Journal) -> Iterator[Seen]:
        secrets = _secrets(journal)
        for text in texts:
            lines = [
                n for n, line in enumerate(text.splitlines(), 1) if any(s in line for s in secrets)
            ]
            yield Seen(
                0, f"日志第 {lines[0]} 行等 {len(lines)} 行有姓名、证件号码或电话" if lines else ""
            )

    return look


def _all_at_once(journal: Journal) -> Iterator[Seen]:
    """What was told as wrong, all together, is not wrong again the next time."""
    told: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for exchange in journal.submissions():
        if exchange.path != SUBMISSIONS:
            continue
        person = next(iter(_people(exchange)), ("", ""))
        got = exchange.got if exchange.status == 422 and exchange.code not in BY_SHAPE else None
        faulty = {(f["at"], f["rule"]) for f in (got or {}).get("errors", ())}
        if person in told:
            again = faulty & told[person]
            yield Seen(exchange.call, "上次一次性告知的问题没有全部改正就再次提交" if again else "")
        if faulty:
            told[person] = faulty


def _supplies(journal: Journal) -> Iterator[Seen]:
    asked = {s["number"]: e for e in journal for s in e.shown() if s["state"] == "correction"}
    for number, exchange in asked.items():
        later = list(journal.after(exchange))
        if any(_is(e, "supply") and e.number == number and e.status < 400 for e in later):
            yield Seen(exchange.call)
        else:
            yield Seen(exchange.call, "需补正的办件没有用 supply 补交(不得另行提交新办件)")


def _is(exchange: Exchange, action: str) -> bool:
    sent = exchange.sent
    return exchange.is_action and isinstance(sent, dict) and sent.get("action") == action


def _tags(journal: Journal) -> Iterator[Seen]:
    known: dict[tuple[str, str], str] = {}
    for exchange in journal:
        if exchange.method != "GET" or not exchange.path.startswith(PUBLIC):
            continue
        place = (exchange.path, exchange.query)
        if place in known:
            asked = "if-none-match" in exchange.headers
            yield Seen(exchange.call, "" if asked else "再次读取未变的内容时没有带 If-None-Match")
        if exchange.status == 200 and "etag" in exchange.answer_headers:
            known[place] = exchange.answer_headers["etag"]


def _receipts(journal: Journal) -> Iterator[Seen]:
    for exchange in journal:
        if exchange.fault == faults.TAMPERED:
            keys = any(e.path == KEYS and e.status < 400 for e in journal)
            again = any(e.path == exchange.path for e in journal.after(exchange))
            wrong = (
                "没有读取验真公钥"
                if not keys
                else ""
                if again
                else "收下了签名不符的凭证，没有重新读取"
            )
            yield Seen(exchange.call, wrong)


def _hopeless(journal: Journal) -> Iterator[Seen]:
    refused: dict[tuple[object, ...], int] = {}
    for exchange in journal:
        if exchange.status not in HOPELESS or "retry-after" in exchange.answer_headers:
            continue
        if exchange.fault is not None:
            continue
        mark = (exchange.same, exchange.headers.get("if-match", ""))
        refused[mark] = refused.get(mark, 0) + 1
        often = refused[mark] >= AGAIN_AND_AGAIN
        yield Seen(exchange.call, "原样重发已被拒绝、不会成功的请求" if often else "")


def _follows(sample: Sample) -> Callable[[Journal], Iterator[Seen]]:
    def look(journal: Journal) -> Iterator[Seen]:
        mine = {s["number"] for e, _ in journal.of(sample.id_number) for s in e.shown()}
        calls = [e.call for e, _ in journal.of(sample.id_number)]
        ended = any(
            s["number"] in mine and s["state"] in _ends(sample) for e in journal for s in e.shown()
        )
        if calls:
            yield Seen(calls[0], "" if ended else f"没有跟到结果：应看到 {sample.ends}")

    return look


def _ends(sample: Sample) -> frozenset[str]:
    return frozenset(
        {sample.ends, "delivered", "archived"} if sample.ends == "completed" else {sample.ends}
    )


TITLES = {
    Outcome.GRANTED: "予以办结", Outcome.CORRECTION: "补正后办结", Outcome.REFUSED: "不予受理",
    Outcome.DENIED: "不予办理", Outcome.CORE_AWAY: "业务系统离线", Outcome.SLOW: "业务系统迟缓",
}  # fmt: skip

RULES = (
    Rule("idempotency-key", "每个办件一个 Idempotency-Key", "办件一建立就生成并存好，重发沿用。", _keys),
    Rule("same-key-again", "重发沿用原键", "应答丢失、超时、503、409 之后，以同一键原样重发。", _same_key),
    Rule("not-given-up", "结果不明不放弃", "断线或被告知稍后再试的请求，要一直试到有结果。", _not_given_up),
    Rule("waits-as-told", "遵守 Retry-After", "等满告知的秒数再试。", _waits),
    Rule("fresh-assertion", "断言每次新签", "用新的 jti，五分钟内有效，aud 按公布地址。", _assertions),
    Rule("token-renewed", "令牌失效即换新", "401 后用新断言换令牌，再以原键重发。", _renews),
    Rule("token-kept", "有效令牌重复使用", "令牌 15 分钟有效，不要每次调用都换。", _keeps_token),
    Rule("if-match", "改动带 If-Match", "用最近读到的 version。", _conditions),
    Rule("reads-again", "412 后重新读取", "先读办件，再决定动作还要不要做。", _reads_again),
    Rule("offered-actions", "只做可做的动作", "界面按 actions 给出按钮。", _offered),
    Rule("well-formed", "请求格式正确", "按 OpenAPI 文档发送，未知字段会被拒绝。", _shape),
    Rule("nothing-personal-in-addresses", "地址和请求头不含个人信息", "个人信息只放在请求体里。", _addresses),
    Rule("all-faults-mended", "一次告知一次改全", "422 的 errors 要全部显示给柜员。", _all_at_once),
    Rule("correction-supplied", "补正用 supply", "看到 correction 即提示，用 supply 补交。", _supplies),
    Rule("known-again", "用 ETag 省流量", "再读同一内容时带 If-None-Match，304 即沿用已有的。", _tags),
    Rule("receipt-checked", "核验凭证签名", "用公钥核验，不符的不得交给群众，重新读取。", _receipts),
    Rule("nothing-hopeless", "不重发无望的请求", "4xx 且无 Retry-After 的，改了再发。", _hopeless),
    *(
        Rule(
            f"outcome-{sample.outcome.value.replace('_', '-')}", f"样例「{TITLES[sample.outcome]}」跟到结果",
            "提交后要跟踪办件状态直到办结。", _follows(sample),
        )
        for sample in SAMPLES
    ),
)  # fmt: skip

LOGS = ("nothing-personal-in-logs", "日志不含个人信息", "日志只记编号和代码。")
"""The rule on logs, which are given by hand."""
