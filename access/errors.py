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


class ScopeInvalid(DomainError):
    """A role can't be held within that scope."""

    kind = Kind.INVALID
    code = "scope-invalid"
    title = Words("该角色不能授予此范围", "The role can't be held within this scope")
    advice = Words(
        "范围须为角色所属类别的代码：机构、区划、银行或网点；县级不设权限管理员。",
        "Name an agency, division, bank or outlet as the role asks; counties have no rights administrator.",
    )
