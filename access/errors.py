"""What can go wrong with callers and their rights."""

from kit.errors import DomainError, Kind, Words


class TokenMissing(DomainError):
    """No bearer token."""

    kind = Kind.UNAUTHENTICATED
    code = "token-missing"
    title = Words("需要有效令牌", "A token is needed")
    advice = Words(
        "在 Authorization 头中带上 Bearer 令牌；终端用断言到 /v1/oauth/token 换取。",
        "Send `Authorization: Bearer …`; a terminal gets its token from /v1/oauth/token.",
    )


class TokenInvalid(DomainError):
    """A token that we did not make, or that has expired."""

    kind = Kind.UNAUTHENTICATED
    code = "token-invalid"
    title = Words("令牌无效或已过期", "The token is not valid, or has expired")
    advice = Words("重新取得令牌。", "Get a new token.")


class Forbidden(DomainError):
    """No role of the caller grants what the operation needs."""

    kind = Kind.FORBIDDEN
    code = "forbidden"
    title = Words("您的角色无权进行此操作", "Your role does not permit this")
    advice = Words(
        "由具备相应岗位权限的人员办理，或按流程申请权限。",
        "Let a person with the right post do it, or apply for the right.",
    )


class StrongerProofNeeded(DomainError):
    """The role is held, and asks for a stronger proof than the token tells of."""

    kind = Kind.FORBIDDEN
    code = "stronger-proof-needed"
    title = Words(
        "该岗位须以更强的身份验证登录", "The role asks for a stronger proof of who you are"
    )
    advice = Words(
        "用双因素等规定方式重新登录后再试。",
        "Sign in again with the second factor that is demanded.",
    )


class ClientInvalid(DomainError):
    """The assertion proves no terminal of ours."""

    kind = Kind.UNAUTHENTICATED
    code = "client-invalid"
    title = Words("终端断言无效", "The assertion does not prove a terminal")
    advice = Words(
        "检查断言的签名、iss、sub、aud、exp(不超过5分钟)和 teller；facts 中的 reason 指出哪一项。",
        "Check the signature, iss, sub, aud, exp (5 minutes at most) and teller; `reason` says which.",
    )


class AssertionReused(DomainError):
    """The assertion's `jti` was used before."""

    kind = Kind.UNAUTHENTICATED
    code = "assertion-reused"
    title = Words("断言已被使用过", "The assertion was used before")
    advice = Words(
        "每次换取令牌都用新的 jti 签发断言。", "Sign a new assertion, with a new jti, each time."
    )


class TerminalSuspended(DomainError):
    """The terminal may do nothing now."""

    kind = Kind.FORBIDDEN
    code = "terminal-suspended"
    title = Words("该终端已停用", "This terminal is suspended")
    advice = Words("联系网点管理员。", "Ask the outlet administrator.")


class TellerInactive(DomainError):
    """The teller does not belong to the terminal's outlet, or has left."""

    kind = Kind.FORBIDDEN
    code = "teller-inactive"
    title = Words("该柜员不在岗或不属于本网点", "The teller is not active at this outlet")
    advice = Words("由在岗柜员登录。", "Let a teller of this outlet sign in.")


class MemoryStale(DomainError):
    """This process has not heard from the database for too long to trust what it knows of rights."""

    kind = Kind.UNAVAILABLE
    code = "rights-not-current"
    title = Words("暂时无法核对权限，请稍后重试", "Rights can't be checked right now")
    advice = Words("稍后重试；办事指南仍可查询。", "Try again soon; guides can still be looked up.")
    retry_after = 2


class TooManyRequests(DomainError):
    """The terminal calls faster than is allowed."""

    kind = Kind.TOO_MANY
    code = "too-many-requests"
    title = Words("请求过于频繁", "Too many requests")
    advice = Words("按 Retry-After 等待后重试。", "Wait as Retry-After says, then try again.")
    retry_after = 1


class TooManyStreams(DomainError):
    """As many answers of the feed are held back for the caller as may be."""

    kind = Kind.TOO_MANY
    code = "too-many-streams"
    title = Words("同时等待的事件请求过多", "Too many calls are waiting for events")
    advice = Words(
        "关闭不用的事件流或长轮询，每个调用方在一个进程上最多8个。",
        "Close those that are not needed: 8 at most for a caller in one process.",
    )
    retry_after = 5


class DoorLocked(DomainError):
    """Too many tries of one kind that failed, or too many tokens."""

    kind = Kind.TOO_MANY
    code = "too-many-attempts"
    title = Words("尝试次数过多，请稍后再试", "Too many tries; wait")
    advice = Words(
        "按 Retry-After 等待；检查终端时钟、密钥和柜员编号。",
        "Wait as Retry-After says; check the terminal's clock, its key and the teller's code.",
    )
    retry_after = 60


class ScopeInvalid(DomainError):
    """A role can't be held within that scope."""

    kind = Kind.INVALID
    code = "scope-invalid"
    title = Words("该角色不能授予此范围", "The role can't be held within this scope")
    advice = Words(
        "范围须为角色所属类别的代码：机构、区划、银行或网点；县级不设权限管理员。",
        "Name an agency, division, bank or outlet as the role asks; counties have no rights administrator.",
    )


class GrantNotFound(DomainError):
    """No such grant, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "grant-not-found"
    title = Words("没有该授权", "No such grant")
    advice = Words(
        "核对编号；只显示本辖区、本机构或本行的授权。", "Check its id; yours only are shown."
    )


class GrantStale(DomainError):
    """Someone changed the grant since the caller read it."""

    kind = Kind.STALE
    code = "grant-stale"
    title = Words("该授权已被他人处理", "It has changed since you read it")
    advice = Words("重新读取后再办理。", "Read it again and send its new version in If-Match.")


class GrantActionNotAllowed(DomainError):
    """Not a step that the caller may take of a grant in this state."""

    kind = Kind.CONFLICT
    code = "grant-action-not-allowed"
    title = Words("该授权当前不能进行此操作", "The grant can't take this step now")
    advice = Words("actions 列出您现在可以进行的操作。", "`actions` lists what you may do now.")


class GrantSamePerson(DomainError):
    """Applying, checking, approving and granting take four persons, and none is the holder."""

    kind = Kind.FORBIDDEN
    code = "grant-same-person"
    title = Words(
        "申请、审核、核准、赋权须由四人分别办理，且不得为本人",
        "Applying, checking, approving and granting take four persons, none of them the holder",
    )
    advice = Words("由另一名有权限的人员办理。", "Let another person do it.")


class GrantHeld(DomainError):
    """The person holds the role there, or it is applied for."""

    kind = Kind.CONFLICT
    code = "grant-held"
    title = Words("该人员已持有或正在申请此权限", "The role is held, or applied for, already")
    advice = Words("查询该人员现有授权。", "List the person's grants.")


class PostsExclude(DomainError):
    """The person holds a post of another kind: business, control, rights and direction don't mix."""

    kind = Kind.CONFLICT
    code = "posts-exclude"
    title = Words("与该人员现有岗位不相容", "The person holds a post that excludes this one")
    advice = Words(
        "先终止 roles 列出的岗位，或换人；业务、管理、内控、权限等岗位不得由一人兼任。",
        "End the posts in `roles` first, or name another person.",
    )


class GrantInvalid(DomainError):
    """What is applied for can't be given."""

    kind = Kind.INVALID
    code = "grant-invalid"
    title = Words("权限申请内容不正确", "The application for a right is not right")
    advice = Words("errors 一次列出全部问题。", "`errors` names all that is wrong.")
