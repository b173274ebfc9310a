"""What can go wrong with subscriptions and their deliveries."""

from kit.errors import DomainError, Kind, Words


class SubscriptionNotFound(DomainError):
    """No such subscription, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "subscription-not-found"
    title = Words("没有该订阅", "No such subscription")
    advice = Words("核对编号；只能看到本单位的订阅。", "Only those of your own unit are seen.")


class DeliveryNotFound(DomainError):
    """No such delivery of this subscription."""

    kind = Kind.NOT_FOUND
    code = "delivery-not-found"
    title = Words("没有该投递记录", "No such delivery")
    advice = Words(
        "核对编号；投递记录保存30天。", "Check the id; deliveries are kept for thirty days."
    )


class SubscriptionStale(DomainError):
    """It has changed since the caller read it."""

    kind = Kind.STALE
    code = "subscription-stale"
    title = Words("该订阅或投递已有变化", "It has changed since you read it")
    advice = Words("重新读取后，以新的 version 重试。", "Read it again and send its new version.")


class SubscriptionActionNotAllowed(DomainError):
    """Not as it stands now."""

    kind = Kind.CONFLICT
    code = "subscription-action-not-allowed"
    title = Words("当前状态不能进行此操作", "The action is not possible as it stands now")
    advice = Words("actions 列出现在可进行的操作。", "`actions` lists what is possible now.")


class SubscriptionsFull(DomainError):
    """The unit has as many subscriptions as it may have."""

    kind = Kind.CONFLICT
    code = "subscriptions-full"
    title = Words("订阅数已达上限", "There are as many subscriptions as there may be")
    advice = Words("一家单位最多20个；先结束不用的订阅。", "Twenty for a unit: end one first.")


class SubscriptionInvalid(DomainError):
    """Content that can't be: `errors` names all of it."""

    kind = Kind.INVALID
    code = "subscription-invalid"
    title = Words("订阅内容不正确", "The subscription is not right")
    advice = Words(
        "errors 一次列出全部问题：订阅范围三选一；地址须为 https、不含查询参数和账号。",
        "`errors` names all of it: one of outlet, bank, agency; https without query or account.",
    )
