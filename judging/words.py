"""Words that stand in columns of few values, and what they mean."""

from collections.abc import Mapping

SYSTEMS = {"": "cgcs2000", "cgcs2000": "cgcs2000", "国家2000": "cgcs2000", "wgs84": "wgs84",
           "gcj02": "gcj02", "高德": "gcj02", "腾讯": "gcj02", "bd09": "bd09", "百度": "bd09"}  # fmt: skip
KINDS = {
    "": "bank_branch", "银行网点": "bank_branch", "银行": "bank_branch", "自助": "self_service",
    "便民服务点": "convenience_point", "自助网点": "self_service", "经办大厅": "agency_hall",
    "基层平台": "grassroots",
}  # fmt: skip
CLASSES = {
    "": "basic",
    "基础": "basic",
    "基础网点": "basic",
    "优质": "premium",
    "优质网点": "premium",
}
STATUSES = {
    "": "applied", "申请": "applied", "申报": "applied", "运行": "active", "正常": "active",
    "营业": "active", "整改": "rectifying", "验收": "site_acceptance", "暂停": "suspended",
    "停业": "suspended", "退出": "exited", "撤销": "exited",
}  # fmt: skip
PROCEEDINGS = frozenset({"rectifying", "site_acceptance"})
"""States that only a proceeding leads to: no new outlet begins in one."""

CHOSEN = (
    ("kind", KINDS, "kind_unknown"), ("service_class", CLASSES, "class_unknown"),
    ("status", STATUSES, "status_unknown"),
)  # fmt: skip
"""Columns that hold one of a few words, said in Chinese or by our code."""

ALL_MATTERS = "全部"
"""In place of codes: all of the bank's agreement."""


def chosen(words: Mapping[str, str], said: str) -> str | None:
    """Give the code of a word of a column; None where it is none. A code stands for itself."""
    return words.get(said, said if said in words.values() else None)
