"""What can go wrong with matters and guides."""

from kit.errors import DomainError, Kind, Words


class MatterNotFound(DomainError):
    """No such matter."""

    kind = Kind.NOT_FOUND
    code = "matter-not-found"
    title = Words("没有该事项", "No such matter")
    advice = Words(
        "用 GET /v1/matters 查找事项的12位基本编码。", "Look the base code up with GET /v1/matters."
    )


class GuideNotFound(DomainError):
    """The matter has no guide in force on that day."""

    kind = Kind.NOT_FOUND
    code = "guide-not-found"
    title = Words("该事项当日没有生效的办事指南", "No guide of this matter is in force on that day")
    advice = Words(
        "换一个日期，或联系事项管理员。", "Ask for another day, or tell the matter administrator."
    )


class GuideSuperseded(DomainError):
    """The version named is not the one in force."""

    kind = Kind.CONFLICT
    code = "guide-superseded"
    title = Words("办事指南已更新", "The guide has been superseded")
    advice = Words(
        "取 guide_version 指出的新版本，核对表单和材料后重新提交。",
        "Fetch the version that `guide_version` names, check form and materials, and send again.",
    )


class GuideOverlaps(DomainError):
    """Another version is in force within the period."""

    kind = Kind.CONFLICT
    code = "guide-overlaps"
    title = Words("与已发布版本的生效期重叠", "The period overlaps another published version")
    advice = Words(
        "调整生效日期，或先终止前一版本。", "Choose another period, or end the version before."
    )


class GuideImmutable(DomainError):
    """A published version can't be written over."""

    kind = Kind.CONFLICT
    code = "guide-immutable"
    title = Words("已发布的版本不可更改", "A published version can't be changed")
    advice = Words("以新的版本号发布。", "Publish it under a new version number.")


class GuideNotValid(DomainError):
    """A draft says what no draft may say."""

    kind = Kind.INVALID
    code = "guide-not-valid"
    title = Words("办事指南草稿内容有误", "The draft can't be kept")
    advice = Words(
        "errors 列出全部位置和规则：生效期、基本编码或申请表定义。",
        "`errors` names every place and rule: period, base code, or the form's definition.",
    )


class GuideBreaksRules(DomainError):
    """A version breaks rules that a published guide keeps."""

    kind = Kind.INVALID
    code = "guide-breaks-rules"
    title = Words(
        "办事指南不符合编制规则，不得发布", "The guide breaks rules and can't be published"
    )
    advice = Words(
        "errors 列出全部问题；退回修改后重新提交。GET …/lint 可事先检查。",
        "`errors` names all of it; send it back, mend it, submit it again. GET …/lint tells before.",
    )


class LayerNotAllowed(DomainError):
    """A local layer touches what is the same everywhere, or goes in the wrong direction."""

    kind = Kind.INVALID
    code = "layer-not-allowed"
    title = Words("地方不得这样改动办事指南", "A place can't change the guide like this")
    advice = Words(
        "只可写地点、时间、电话，缩短承诺时限，减少材料和到场次数；errors 逐项列出。",
        "Places, hours, telephones, a shorter promise, fewer materials and visits; `errors` names each fault.",
    )


class LayersInTheWay(DomainError):
    """Published layers would not be legal under what is to be published."""

    kind = Kind.CONFLICT
    code = "layers-in-the-way"
    title = Words(
        "已发布的地方内容与新版本不符", "Published layers would not be legal under this version"
    )
    advice = Words(
        "layers 列出各地及栏目；先由各地撤回或调整后再发布。",
        "`layers` names places and fields; let them be withdrawn or adapted, then publish.",
    )


class GuideActionNotAllowed(DomainError):
    """The version is in no state for this action."""

    kind = Kind.CONFLICT
    code = "guide-action-not-allowed"
    title = Words("当前状态不能进行此操作", "Its state does not permit this now")
    advice = Words("actions 列出您现在可做的操作。", "`actions` lists what you may do now.")


class GuideSamePerson(DomainError):
    """Who wrote it wants to publish it."""

    kind = Kind.FORBIDDEN
    code = "guide-same-person"
    title = Words("编写人不得自行发布", "Who wrote it can't publish it")
    advice = Words("由另一名事项管理员审核发布。", "Let another matter administrator publish it.")


class GuideStale(DomainError):
    """Someone changed the version since the caller read it."""

    kind = Kind.STALE
    code = "guide-stale"
    title = Words("该版本已被他人更新", "It has changed since you read it")
    advice = Words(
        "重新读取，以新的 ETag 重试。", "Read it again and send its new ETag in If-Match."
    )


class VersionNotFound(DomainError):
    """No such version, or a draft that the caller does not see."""

    kind = Kind.NOT_FOUND
    code = "guide-version-not-found"
    title = Words("没有该版本", "No such version")
    advice = Words(
        "GET /v1/matters/{matter} 列出版本。", "GET /v1/matters/{matter} lists versions."
    )


class LayerNotFound(DomainError):
    """The place has no layer of this matter."""

    kind = Kind.NOT_FOUND
    code = "layer-not-found"
    title = Words("该地没有这一事项的地方内容", "The place has no layer of this matter")
    advice = Words("用 PUT 起草。", "PUT drafts one.")
