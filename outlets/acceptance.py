"""The sheet of site acceptance and inspection: what is looked at, for how many points, and what ends it.

Data and one pure function. A hundred points in seven parts, and vetoes that no points make good.
"""

from collections.abc import Mapping
from typing import NamedTuple

from kit.errors import Words
from schemas.outlets import Grade


class Item(NamedTuple):
    """One line of the sheet."""

    code: str
    points: int
    words: Words
    in_business: bool = False
    """Seen only once the outlet works: a site acceptance leaves it out."""


class Part(NamedTuple):
    """Lines that belong together."""

    code: str
    words: Words
    items: tuple[Item, ...]

    @property
    def points(self) -> int:
        """The most it can have."""
        return sum(item.points for item in self.items)


SHEET = (
    Part("premises", Words("场所与标识", "Premises and signs"), (
        Item("own_window", 6, Words("独立窗口或专区", "A window or zone of its own")),
        Item("uniform_sign", 5, Words("统一标识", "The uniform sign")),
        Item("barrier_free", 4, Words("无障碍", "Access without barriers")),
    )),
    Part("equipment", Words("设备", "Equipment"), (
        Item("card_reader", 3, Words("读卡器", "Card reader")),
        Item("document_camera", 3, Words("高拍仪", "Document camera")),
        Item("printer", 3, Words("打印机", "Printer")),
        Item("rating_device", 3, Words("评价器", "Rating device")),
        Item("private_network", 3, Words("专网", "Private network")),
    )),
    Part("staff", Words("人员", "Staff"), (
        Item("two_persons", 8, Words("专/兼职不少于2人(A/B岗)", "Two persons at least, for cover")),
        Item("trained", 6, Words("培训合格", "Trained and examined")),
        Item("certified", 6, Words("持证上岗", "Certificates held")),
    )),
    Part("guides", Words("指南公示", "Guides on show"), (
        Item("as_master", 10, Words("与省级母版一致", "As the province's master has them")),
    )),
    Part("quality", Words("业务质量", "Quality of work"), (
        Item("correction_rate", 5, Words("补正率", "Rate of corrections"), in_business=True),
        Item("return_rate", 5, Words("退件率", "Rate of returns"), in_business=True),
        Item("overdue_rate", 5, Words("超期率", "Rate of overdue cases"), in_business=True),
        Item("accuracy", 5, Words("数据准确率", "Accuracy of data"), in_business=True),
    )),
    Part("security", Words("安全", "Security"), (
        Item("own_accounts", 4, Words("账号专人专用", "An account for each person")),
        Item("nothing_kept", 3, Words("材料不留存", "No papers kept")),
        Item("logs", 3, Words("日志完整", "Logs complete")),
    )),
    Part("satisfaction", Words("满意度", "Satisfaction"), (
        Item("poor_ratings", 4, Words("差评率", "Rate of poor ratings"), in_business=True),
        Item("mended", 3, Words("差评整改率", "Poor ratings made good"), in_business=True),
        Item("complaints", 3, Words("投诉", "Complaints"), in_business=True),
    )),
)  # fmt: skip

ITEMS: Mapping[str, Item] = {item.code: item for part in SHEET for item in part.items}

VETOES: Mapping[str, Words] = {
    "fee_charged": Words("收费", "A fee was charged"),
    "product_tied": Words("搭售", "A bank's product was forced on people"),
    "data_leaked": Words("泄露信息", "Data were leaked"),
    "card_kept": Words("代客保管卡或密码", "Cards or passwords of people were kept"),
    "impersonation": Words("冒名办理", "Something was done in another's name"),
}

GRADES: tuple[tuple[int, Grade], ...] = (
    (90, "excellent"), (80, "good"), (70, "qualified"), (0, "rectify"),
)  # fmt: skip
PASSES = 70
RECTIFY_DAYS = 30


class Verdict(NamedTuple):
    """What a sheet says."""

    total: int
    grade: Grade
    passed: bool


def judge(points: Mapping[str, int | None], vetoes: list[str]) -> Verdict:
    """Add up a sheet.

    Items that could not be seen yet are left out, and the others count for a hundred: an outlet that has not
    begun has no rate of corrections. Rounded down: nobody passes by a rounding. A veto fails it whatever
    the points.
    """
    seen = {code: given for code, given in points.items() if given is not None}
    best = sum(ITEMS[code].points for code in seen)
    total = sum(seen.values()) * 100 // best if best else 0
    passed = total >= PASSES and not vetoes
    grade = next(name for least, name in GRADES if total >= least) if passed else "rectify"
    return Verdict(total, grade, passed)
