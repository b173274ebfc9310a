"""What can go wrong with papers."""

from kit.errors import DomainError, Kind, Words


class DocumentNotFound(DomainError):
    """The application has no such paper."""

    kind = Kind.NOT_FOUND
    code = "document-not-found"
    title = Words("该办件没有这份文书", "The application has no such paper")
    advice = Words(
        "先读 GET …/documents 列出的文书；同类有多份的，以 SUP-1、SUP-2 区分。",
        "Read the list of its papers; of several of a kind one is named as `SUP-1`.",
    )
