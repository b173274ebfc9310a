"""What can go wrong with outlets."""

from kit.errors import DomainError, Kind, Words


class OutletNotFound(DomainError):
    """No such outlet."""

    kind = Kind.NOT_FOUND
    code = "outlet-not-found"
    title = Words("没有该网点", "No such outlet")
    advice = Words("用 GET /v1/outlets 查找网点编号。", "Look the number up with GET /v1/outlets.")


class OutletClosed(DomainError):
    """The outlet takes no applications now."""

    kind = Kind.FORBIDDEN
    code = "outlet-closed"
    title = Words("本网点目前不能受理业务", "This outlet takes no applications now")
    advice = Words(
        "网点未运行、协议未生效或已终止；reasons 说明原因，请联系网点管理员。",
        "The outlet is not active or has no agreement in force; `reasons` says why.",
    )


class MatterNotOpen(DomainError):
    """The outlet may not hand in this matter."""

    kind = Kind.FORBIDDEN
    code = "matter-not-open"
    title = Words("本网点不能代办该事项", "This outlet may not hand in this matter")
    advice = Words(
        "reasons 逐条说明原因；可引导群众到能办的网点或经办机构。",
        "`reasons` names each reason; send the person to an outlet or agency that can do it.",
    )


class CountyFull(DomainError):
    """A county has no number left for an outlet."""

    kind = Kind.CONFLICT
    code = "county-full"
    title = Words("该区县的网点编号已用完", "The county has no number left for an outlet")
    advice = Words("请联系运维人员。", "Tell whoever runs the service.")
