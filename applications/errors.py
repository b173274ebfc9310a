"""What can go wrong with applications."""

from kit.errors import DomainError, Kind, Words


class ApplicationNotFound(DomainError):
    """No such application, or none that the caller may see: the two are not told apart."""

    kind = Kind.NOT_FOUND
    code = "application-not-found"
    title = Words("没有该办件", "No such application")
    advice = Words(
        "核对办件编号；只能看到本网点或本机构的办件。", "Check the number; only your own are seen."
    )


class ContentInvalid(DomainError):
    """The body is well formed, and what it says is not right; everything is named."""

    kind = Kind.INVALID
    code = "content-invalid"
    title = Words("申请内容不完整或不正确", "What was handed in is incomplete or wrong")
    advice = Words(
        "errors 一次列出全部问题：按 at 指出的位置逐项补正后，用新的 Idempotency-Key 重新提交。",
        "`errors` names everything at once: mend each place and send again with a new key.",
    )


class QueueFull(DomainError):
    """More submissions wait than can be written soon."""

    kind = Kind.UNAVAILABLE
    code = "busy"
    title = Words("系统繁忙，请稍后重试", "Too busy to take more now")
    advice = Words(
        "稍后以同一 Idempotency-Key 重试。", "Repeat later with the same Idempotency-Key."
    )
    retry_after = 1


class ActionNotAllowed(DomainError):
    """The application's state does not permit the action."""

    kind = Kind.CONFLICT
    code = "action-not-allowed"
    title = Words("办件当前状态不允许此操作", "The application can't take this action now")
    advice = Words("actions 列出您现在可做的操作。", "`actions` lists what you may do now.")


class StaleVersion(DomainError):
    """Someone changed the application since the caller read it."""

    kind = Kind.STALE
    code = "version-stale"
    title = Words("办件已被他人更新", "The application has changed since you read it")
    advice = Words(
        "重新读取后，以新的 version 重试。", "Read it again and send its new version in If-Match."
    )


class ClaimedByOther(DomainError):
    """Another person is working on it."""

    kind = Kind.CONFLICT
    code = "claimed-by-other"
    title = Words("该办件由他人办理中", "Another person is working on it")
    advice = Words("领取其他办件，或待其释放。", "Claim another, or wait until it is released.")


class CoreAsked(DomainError):
    """The agency's core system may just be completing it: until it has answered nobody else decides."""

    kind = Kind.CONFLICT
    code = "core-asked"
    title = Words("业务系统正在办理该件", "The agency's core system is at it")
    advice = Words(
        "稍候重新读取办件：业务系统应答后即可办结，或转由经办人员办理。",
        "Read it again in a while: it is completed once the core has answered, or a person decides.",
    )
    retry_after = 10


class NotClaimed(DomainError):
    """The caller has not claimed it."""

    kind = Kind.CONFLICT
    code = "not-claimed"
    title = Words("请先签收该办件", "Claim it first")
    advice = Words("先用 POST /v1/tasks/claim 领取。", "Claim it with POST /v1/tasks/claim.")


class SamePerson(DomainError):
    """One person may not do two of accepting, reviewing, second review and approval."""

    kind = Kind.FORBIDDEN
    code = "separation-of-duties"
    title = Words(
        "同一人不得办理同一办件的两个岗位环节", "One person may not do two steps of one application"
    )
    advice = Words("由另一名有权限的人员办理。", "Let another person do it.")


class NumbersExhausted(DomainError):
    """The terminal has reserved as many numbers today as it may, or its outlet all there are."""

    kind = Kind.CONFLICT
    code = "numbers-exhausted"
    title = Words("今日可预留的编号已用完", "No more numbers can be reserved today")
    advice = Words(
        "先用完已预留的编号；明日可再取号。",
        "Use those that are reserved; tomorrow there are more.",
    )


class ProgressNotFound(DomainError):
    """No such application, or another code: the two are not told apart."""

    kind = Kind.NOT_FOUND
    code = "progress-not-found"
    title = Words("办件编号或者查询码不正确", "The number or the code is not right")
    advice = Words(
        "核对凭证上的办件编号和查询码；15分钟内输错5次将暂停查询。",
        "Compare both with the receipt; after 5 wrong codes in 15 minutes one has to wait.",
    )


class ProgressLocked(DomainError):
    """Five wrong codes for a number within a quarter of an hour."""

    kind = Kind.TOO_MANY
    code = "progress-locked"
    title = Words("查询码输错次数过多，请稍后再试", "Too many wrong codes for this number")
    advice = Words(
        "按 Retry-After 等待后再查；也可凭身份证到受理网点查询。",
        "Wait as Retry-After says, or ask at the outlet.",
    )

    def __init__(self, *, wait: int) -> None:
        super().__init__()
        self.retry_after = wait
