"""What can go wrong with ratings."""

from kit.errors import DomainError, Kind, Words


class RatedBefore(DomainError):
    """An application is rated once."""

    kind = Kind.CONFLICT
    code = "rated-before"
    title = Words("该办件已经评价过", "It has been rated")
    advice = Words("每件只评价一次；有新的意见请拨打咨询电话。", "Once for each application.")


class RatingTooEarly(DomainError):
    """Nothing has come of it yet."""

    kind = Kind.CONFLICT
    code = "rating-too-early"
    title = Words("办件尚未办结，还不能评价", "It is not over yet")
    advice = Words("办结或者不予受理之后再评价。", "Rate it when it is completed or refused.")


class RectificationNotFound(DomainError):
    """No such rectification, or none that the caller may see."""

    kind = Kind.NOT_FOUND
    code = "rectification-not-found"
    title = Words("没有该整改", "No such rectification")
    advice = Words("核对编号；只能看到本网点或本机构的整改。", "Only your own are seen.")


class RectificationStale(DomainError):
    """Someone changed it since the caller read it."""

    kind = Kind.STALE
    code = "rectification-stale"
    title = Words("该整改已被他人更新", "It has changed since you read it")
    advice = Words("重新读取后，以新的 version 重试。", "Read it again and send its new version.")


class RectificationNotAllowed(DomainError):
    """It stands where this can't be done, or is another's to do."""

    kind = Kind.CONFLICT
    code = "rectification-not-allowed"
    title = Words("当前状态不允许此操作", "It can't be done now")
    advice = Words("actions 列出您现在可做的操作。", "`actions` lists what you may do now.")


class RaterSecret(DomainError):
    """Who handled an application is not told who rated it."""

    kind = Kind.FORBIDDEN
    code = "rater-secret"
    title = Words("经办人不得查看评价人", "Who handled it is not told who rated it")
    advice = Words("由没有经办该办件的人员回访。", "Let somebody call back who had no part in it.")
