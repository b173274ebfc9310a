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
