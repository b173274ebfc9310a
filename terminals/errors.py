"""What can go wrong with terminals and tellers."""

from kit.errors import DomainError, Kind, Words


class TerminalNotFound(DomainError):
    """No such terminal at this outlet."""

    kind = Kind.NOT_FOUND
    code = "terminal-not-found"
    title = Words("本网点没有该终端", "This outlet has no such terminal")
    advice = Words(
        "用 GET …/terminals 查看本网点的终端。", "List those of the outlet with GET …/terminals."
    )


class TellerNotFound(DomainError):
    """No such teller at this outlet."""

    kind = Kind.NOT_FOUND
    code = "teller-not-found"
    title = Words("本网点没有该柜员", "This outlet has no such teller")
    advice = Words(
        "用 GET …/tellers 查看本网点的柜员。", "List those of the outlet with GET …/tellers."
    )


class KeyUnusable(DomainError):
    """The key is none that a terminal may have."""

    kind = Kind.INVALID
    code = "key-unusable"
    title = Words("该公钥不可用", "This public key can't be used")
    advice = Words(
        "在终端上重新生成密钥，只提交公钥(P-256 或 Ed25519)；reason 指出是编码、曲线上的点还是签名证明不对。",
        "Make another key at the terminal; `reason` says whether encoding, point or proof is wrong.",
    )


class KeyTaken(DomainError):
    """The key is, or was, a terminal's."""

    kind = Kind.CONFLICT
    code = "key-taken"
    title = Words("该密钥已登记过", "This key is known already")
    advice = Words(
        "密钥一机一用、不得重复登记；请在终端上重新生成。",
        "A key is one terminal's and is taken once; make another at the terminal.",
    )


class EnrolmentInvalid(DomainError):
    """The code lets no device in: unknown, used or too old are not told apart."""

    kind = Kind.UNAUTHENTICATED
    code = "enrolment-invalid"
    title = Words("登记码无效", "The enrolment code is not valid")
    advice = Words(
        "登记码仅可使用一次且短时有效；请网点负责人重新生成。",
        "A code holds once and for minutes; let the outlet manager make another.",
    )


class TerminalsFull(DomainError):
    """The outlet has as many terminals, or tellers, as one may have."""

    kind = Kind.CONFLICT
    code = "outlet-full"
    title = Words("本网点的终端或柜员数量已达上限", "The outlet has as many as it may have")
    advice = Words(
        "先停用不再使用的终端或办理柜员离岗。", "Retire or let go those that are used no more."
    )


class StaffStale(DomainError):
    """Someone changed the terminal or teller since the caller read it."""

    kind = Kind.STALE
    code = "staff-stale"
    title = Words("该记录已被他人更新", "It has changed since you read it")
    advice = Words(
        "重新读取后，以新的 version 重试。", "Read it again and send its new version in If-Match."
    )


class StaffActionNotAllowed(DomainError):
    """The state of the terminal or teller does not permit the action."""

    kind = Kind.CONFLICT
    code = "staff-action-not-allowed"
    title = Words("当前状态不允许此操作", "Its state does not permit this now")
    advice = Words("actions 列出您现在可做的操作。", "`actions` lists what you may do now.")


class TellerExists(DomainError):
    """The code is a teller's already."""

    kind = Kind.CONFLICT
    code = "teller-exists"
    title = Words("该柜员编号已在用", "There is a teller of this code")
    advice = Words(
        "柜员同一时间只属于一个网点；调动请在原网点办理 move。",
        "A teller belongs to one outlet at a time; `move` there brings one here.",
    )


class StaffInvalid(DomainError):
    """The body is well formed, and what it says is not right; everything is named."""

    kind = Kind.INVALID
    code = "staff-not-valid"
    title = Words("内容不完整或不正确", "What was sent is incomplete or wrong")
    advice = Words("errors 一次列出全部问题。", "`errors` names everything at once.")
