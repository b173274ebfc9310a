"""Which column of a spreadsheet means what: headings as people write them, wherever in the sheet they stand."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

HEADINGS: Mapping[str, str] = {
    "outlet": "登记编号 登记簿编号 社银网点编号",
    "row_no": "序号 编号 行号序号 no",
    "bank": "银行 银行名称 所属银行 开户银行 法人机构 法人名称 合作银行 所属机构 legal_entity",
    "outlet_name": "网点名称 网点全称 机构名称 网点 支行名称 行名 名称 name",
    "cnaps_code": "支付系统行号 行号 联行号 支付行号 大额行号 人行行号 cnaps cnaps_no",
    "city": "市 地市 地级市 所在市 所属市 设区市 city_name",
    "county": "县 区县 县市区 县(市、区) 区 所在县 所属县 所在区县 county_name",
    "township": "乡镇 街道 乡镇街道 镇街 乡镇(街道) 所在乡镇 所属乡镇 township_name",
    "township_code": "乡镇代码 区划代码 行政区划代码 乡镇街道代码 镇街代码 街道代码 division",
    "county_code": "区县代码 县代码",
    "city_code": "市代码 地市代码",
    "address": "地址 详细地址 网点地址 营业地址 通讯地址",
    "lng": "经度 longitude lon",
    "lat": "纬度 latitude",
    "coordinate_system": "坐标系 坐标系统",
    "phone": "电话 联系电话 网点电话 服务电话 咨询电话 telephone",
    "hours": "营业时间 服务时间 办公时间 开放时间",
    "matters": "事项 可办事项 办理事项 业务事项 事项代码 代办事项",
    "kind": "网点类型 网点类别 类型",
    "service_class": "网点等级 服务等级 等级 class",
    "status": "状态 网点状态",
    "windows": "窗口数 窗口数量",
    "licence": "金融许可证 金融许可证号 许可证号",
    "contact_name": "联系人 联络员 负责人",
    "contact_phone": "联系人电话 联络员电话 负责人电话",
    "parent": "所属网点 上级网点 主网点 归属网点 挂靠网点 依托网点 所属网点编号 上级网点编号",
    "bank_class": "行别代码 行别",
    "cnaps_area": "地区代码",
}
"""Columns by the name that reports use, and what else people call them. Their own name counts too."""

RETURNED = ("line", "verdict", "fault", "field", "detail", "value", "fixed_value")
"""Columns of a report that comes back mended: passed over."""

PLACES = frozenset({"township_code", "township", "county", "county_code", "city", "city_code"})
ORDER = (
    "row_no", "bank", "outlet_name", "cnaps_code", "city", "county", "township", "township_code",
    "address", "lng", "lat", "phone", "hours", "matters",
)  # fmt: skip
"""Columns of the form that is handed out."""


def plain(heading: str) -> str:
    """Reduce a heading to what it says: no blanks, stars, units or remarks in brackets at its end."""
    text = unicodedata.normalize("NFKC", heading).strip("\ufeff").lower()
    text = re.sub(r"[\s*:_\-/、]+", "", text)
    return re.sub(r"\((必填|选填|全称|可选|如有|9位|12位|度)[^)]*\)$", "", text)


KNOWN: Mapping[str, str] = {
    plain(said): name for name, words in HEADINGS.items() for said in (name, *words.split())
}


class Columns(NamedTuple):
    """Where each column stands."""

    at: Mapping[str, tuple[int, ...]]
    """By name; two places where a heading stands twice."""
    width: int
    unknown: tuple[str, ...]

    @property
    def is_register(self) -> bool:
        """Tell a list of a bank's branches by number and name from a list of what is to do business."""
        return "matters" not in self.at and {"cnaps_code", "outlet_name", "bank_class"} <= {
            *self.at
        }

    def missing(self, *, own_bank: bool) -> list[str]:
        """Name the columns without which no row can be judged."""
        wanted = ["outlet_name", *([] if own_bank else ["bank"])]
        if "kind" not in self.at:
            wanted.append("cnaps_code")
        found = [name for name in wanted if name not in self.at]
        return found if PLACES & {*self.at} else [*found, "township_code"]


def known(cells: Iterable[str]) -> int:
    """Count the headings that a line holds."""
    return sum(plain(cell) in KNOWN for cell in cells)


def is_heading(cells: Sequence[str]) -> bool:
    """Tell whether a line holds headings and nothing else that could be a row's."""
    filled = [cell for cell in cells if cell.strip()]
    found = known(filled)
    return found >= 3 and found * 2 >= len(filled)


def columns(lines: Sequence[Sequence[str]]) -> Columns:
    """Read the headings of one line, or of two that stand one below the other."""
    at: dict[str, list[int]] = {}
    unknown = []
    width = max(map(len, lines))
    for n in range(width):
        said = [line[n] for line in lines if n < len(line) and line[n].strip()]
        names = [KNOWN[plain(one)] for one in reversed(said) if plain(one) in KNOWN]
        if names:
            at.setdefault(names[0], []).append(n)
        elif said and plain(said[-1]) not in RETURNED:
            unknown.append(said[-1].strip()[:40])
    if "row_no" in at:
        at["row_no"] = at["row_no"][:1]
    return Columns({name: tuple(places) for name, places in at.items()}, width, tuple(unknown))
