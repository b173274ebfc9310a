"""What can go wrong with banks, agreements and the life of outlets."""

from kit.errors import DomainError, Kind, Words

READ_AGAIN = Words(
    "重新读取后，以新的 version 重试。", "Read it again and send its new version in If-Match."
)
LISTED = Words("errors 一次列出全部问题。", "`errors` names everything at once.")
ACTIONS = Words("actions 列出您现在可做的操作。", "`actions` lists what you may do now.")


class BankNotFound(DomainError):
    """No such bank."""

    kind = Kind.NOT_FOUND
    code = "bank-not-found"
    title = Words("没有该银行", "No such bank")
    advice = Words("用 GET /v1/banks 查找银行代码。", "Look its code up with GET /v1/banks.")


class AgreementNotFound(DomainError):
    """No such agreement, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "agreement-not-found"
    title = Words("没有该服务协议", "No such agreement")
    advice = Words("用 GET /v1/agreements 查找协议编号。", "Look it up with GET /v1/agreements.")


class ProposalNotFound(DomainError):
    """No such proposal, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "proposal-not-found"
    title = Words("没有该变更申请", "No such proposal")
    advice = Words(
        "用 GET /v1/outlet-proposals 查找。", "Look it up with GET /v1/outlet-proposals."
    )


class RegistryStale(DomainError):
    """Someone changed it since the caller read it."""

    kind = Kind.STALE
    code = "registry-stale"
    title = Words("该记录已被他人更新", "It has changed since you read it")
    advice = READ_AGAIN


class RegistryActionNotAllowed(DomainError):
    """Its state does not permit the action, or not to this caller."""

    kind = Kind.CONFLICT
    code = "registry-action-not-allowed"
    title = Words("当前状态不允许此操作", "Its state does not permit this now")
    advice = ACTIONS


class OwnProposal(DomainError):
    """Who proposed something is to decide it."""

    kind = Kind.CONFLICT
    code = "own-proposal"
    title = Words("不能审批自己提出的申请", "Nobody decides what he proposed himself")
    advice = Words("请由另一位网点管理员审批。", "Let another outlet administrator decide.")


class RegistryInvalid(DomainError):
    """The body is well formed, and what it says is not right; everything is named."""

    kind = Kind.INVALID
    code = "registry-not-valid"
    title = Words("内容不完整或不正确", "What was sent is incomplete or wrong")
    advice = LISTED


class BankExists(DomainError):
    """There is a bank of this code."""

    kind = Kind.CONFLICT
    code = "bank-exists"
    title = Words("该银行代码已登记", "There is a bank of this code")
    advice = Words("改用其他代码，或查看已登记的银行。", "Use another code, or look at the bank.")


class AgreementExists(DomainError):
    """There is an agreement of this number."""

    kind = Kind.CONFLICT
    code = "agreement-exists"
    title = Words("该协议编号已登记", "There is an agreement of this number")
    advice = Words(
        "核对编号；补充协议用 PATCH 登记。", "Check the number; a supplement is told by PATCH."
    )


class AgreementOver(DomainError):
    """The agreement is over, or its end is settled."""

    kind = Kind.CONFLICT
    code = "agreement-over"
    title = Words(
        "该服务协议已终止或已约定提前终止", "The agreement is over, or its end is settled"
    )
    advice = Words(
        "续签请登记新协议，并用 replaces 指明原协议。", "Record a new one that `replaces` it."
    )


class AgreementReplaced(DomainError):
    """Another agreement takes its place already."""

    kind = Kind.CONFLICT
    code = "agreement-replaced"
    title = Words("原协议已由另一份协议接续", "Another agreement takes its place already")
    advice = Words("replaced_by 指明接续的协议。", "`replaced_by` names it.")


class DependedOn(DomainError):
    """Others depend on what is to be closed."""

    kind = Kind.CONFLICT
    code = "depended-on"
    title = Words("仍有网点或协议依赖于此", "Outlets or agreements still depend on it")
    advice = Words(
        "先处理 outlets、agreements 所列各项。", "See to what `outlets` and `agreements` name."
    )


class OutletKnown(DomainError):
    """The outlet is in the registry already."""

    kind = Kind.CONFLICT
    code = "outlet-known"
    title = Words("该网点已登记", "The outlet is known already")
    advice = Words(
        "同名同区划或同一许可证编码的网点见 outlets；请改用变更申请。",
        "`outlets` has the same name and place, or the same licence: propose a change of it.",
    )


class OutletNotReady(DomainError):
    """What an outlet needs before it works is not there."""

    kind = Kind.CONFLICT
    code = "outlet-not-ready"
    title = Words("网点尚不具备运行条件", "The outlet can't begin to work yet")
    advice = Words("reasons 说明所缺条件。", "`reasons` says what is missing.")


class ProposalPending(DomainError):
    """A change of the outlet waits for a decision already."""

    kind = Kind.CONFLICT
    code = "proposal-pending"
    title = Words("该网点已有待审批的变更", "A change of the outlet waits already")
    advice = Words(
        "先撤回或等待 proposal 所指的变更审批。", "Withdraw what `proposal` names, or wait for it."
    )


class ProposalSuperseded(DomainError):
    """What is proposed has been changed otherwise since."""

    kind = Kind.CONFLICT
    code = "proposal-superseded"
    title = Words("所申请变更的内容已另有变化", "What it would change has changed otherwise since")
    advice = Words(
        "fields 列出已变化的内容；请退回，由申请方重新提出。",
        "`fields` lists it; refuse the proposal, and let it be made anew.",
    )
