"""Imports and exports of outlets, on the wire; and the words by which a row is told what is wrong with it."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from schemas.base import Request, Response
from schemas.outlets import OutletNarrowed

Verdict = Literal["ok", "fixed", "rejected"]
ImportState = Literal["queued", "running", "done", "failed"]

REPORT = ("line", "row_no", "verdict", "fault", "field", "detail", "value", "fixed_value")
"""Columns of a report; after them come those of the form, so that it can be mended and sent again."""

FAULTS: Mapping[str, str] = MappingProxyType({
    # The line itself
    "line_encoding_gbk": "本行是GBK编码，文件其余部分不是；请将整个文件另存为UTF-8后重传本行",
    "line_encoding_utf8": "本行是UTF-8编码，文件其余部分不是；请将整个文件另存为一种编码后重传本行",
    "line_encoding_unknown": "本行文字无法识别编码；请在原系统中重新导出本行",
    "quote_unclosed": "引号没有成对；请补全引号，或删去多余的引号",
    "too_many_columns": "本行有{found}格，表头只有{wanted}格；地址等含逗号的内容须加引号",
    "too_few_columns": "本行只有{found}格，表头有{wanted}格；请补齐缺少的格",
    "columns_contradict": "表头“{heading}”出现多次，本行各处内容不一致；请只保留一列",
    # Any cell
    "mojibake": "文字已成乱码；请在原系统中以正确编码重新导出",
    "formula_injection": "以公式符号(= + - @)开头；请删去该符号或公式，只填文字",
    "cell_error": "单元格是公式错误值；请改填实际内容",
    "cell_is_date": "代码被表格软件改成了日期；请将该列设为文本格式后重填",
    "code_scientific": "代码成了科学计数法，末位已丢失；请将该列设为文本格式后重填",
    "too_long": "内容超过{most}个字；请缩短",
    "whitespace": "已去掉首尾空白",
    "inner_whitespace": "已去掉中间的空格或换行",
    "fullwidth_digits": "已将全角数字和符号改为半角",
    "traditional_characters": "已将繁体字改为简体",
    # Name and bank
    "name_missing": "没有填网点名称",
    "bank_missing": "没有填银行名称",
    "bank_not_yours": "不是您所在银行的网点；只能导入本行网点",
    "bank_closed": "该银行已停止合作；请联系省级网点管理员",
    "bank_proposed": "登记簿中没有该银行，已作为待确认的银行登记",
    "real_name_doubled_word": "名称中“{word}”重复；请核对全称",
    "real_name_truncated": "名称被截断，已补全",
    "name_cut": "名称似被截断(30字)；请填写全称",
    "not_a_service_outlet": "名称是后台机构({word})，不对外服务；如确为网点请核对名称",
    "name_differs_from_register": "该行号在登记簿中的名称为“{name}”；如已更名，请先办理变更",
    "bank_differs_from_register": "该行号在登记簿中属于另一家银行；请核对行号和银行",
    "name_in_register": "同一银行已有同名网点，行号不同；请核对",
    # CNAPS
    "cnaps_missing": "没有填支付系统行号",
    "cnaps_spreadsheet_form": "已去掉表格软件加上的符号(小数点、撇号或分隔空格)",
    "cnaps_not_digits": "行号只能是数字，现含“{found}”；请核对是否误将字母当作数字",
    "cnaps_length": "行号须为12位，现为{found}位；请核对是否漏填、多填",
    "cnaps_check_digit": "行号校验位不对：末位为{found}，按前11位应为{right}；请对照行名行号表核对",
    "cnaps_bank_mismatch": "行号前三位{found}是{bank}，与所填银行不符",
    "cnaps_area_mismatch": "行号中的地区{found}是{area}，与所填区县{county}不符",
    "real_area_mismatch": "所填区县与行号不符：行号中的地区是{area}；请核对所在区县",
    # Place
    "city_unknown": "没有名为“{found}”的设区市",
    "county_missing": "没有填区县",
    "county_unknown": "没有该区县；请核对名称",
    "county_not_in_city": "该区县属于{there}，与所填的市不符",
    "county_old_name": "区县已更名，已改为现名",
    "county_abolished": "该区县已撤销；已按乡镇改为现属区县",
    "county_split": "该区县已撤销并分入{there}；请按乡镇填写现属区县",
    "county_short_name": "已补全区县名称",
    "township_missing": "没有填乡镇(街道)；该区县设有乡镇",
    "township_unknown": "该区县没有此乡镇(街道)；请核对名称",
    "township_old_name": "该乡镇(街道)已更名或撤并，已改为现名",
    "township_split": "该乡镇(街道)已撤并入{there}；请填写现名",
    "township_short_name": "已补全乡镇(街道)名称",
    "township_code_filled": "已按乡镇名称补填区划代码",
    "township_code_12": "已将12位区划代码改为9位",
    "township_code_form": "区划代码须为9位或12位数字",
    "township_code_unknown": "没有该区划代码",
    "township_code_abolished": "区划代码已撤销，已改为现行代码",
    "township_code_gone": "区划代码已撤销，现为{there}；请填写现行代码",
    "township_code_of_statistics": "区划代码是统计用代码；民政部门的代码为{there}",
    "township_code_nbs": "区划代码是统计用代码，已改为民政部门的代码",
    "township_code_nbs_ambiguous": "区划代码是统计用代码；同一代码在民政部门是{other}，请改用正确的代码",
    "township_not_in_county": "{township}属于{there}，不属于所填区县",
    "township_name_mismatch": "区划代码是{other}，与所填乡镇名称不符",
    "outside_your_division": "网点所在地不在您的辖区之内",
    "outlet_not_yours": "该网点已登记在您的管理范围之外；请由其所属管理员变更",
    # The rest
    "coords_absent": "没有填坐标；附近网点查询不会包含本网点",
    "county_without_townships": "该县市没有乡镇，已登记到县级",
    "file_encoding_gbk": "整个文件是GBK(GB 18030)编码，已按此读取",
    "file_encoding_utf16": "整个文件是UTF-16编码，已按此读取",
    "coords_swapped": "经度和纬度写反了，已对调",
    "coords_incomplete": "经度和纬度须同时填写",
    "coords_not_number": "经纬度须为十进制度数，如120.11842",
    "coords_outside_china": "坐标在中国境外；请核对",
    "coords_outside_county": "坐标不在所填区县之内{there}；请核对坐标、坐标系和区县",
    "coordinate_system_unknown": "坐标系须为CGCS2000、WGS84、GCJ02或BD09",
    "phone_invalid": "不是电话号码；请填带区号的固定电话、手机号或服务热线",
    "phone_area_zero": "已补上区号前丢失的0",
    "hours_unread": "营业时间未能识别，已按原文保存；“现在营业”的查询不会包含本网点",
    "matters_missing": "没有填可办事项",
    "matter_separator": "已将事项之间的分隔符改为分号",
    "matter_unknown": "没有事项{found}；请填事项基本编码或本地编码",
    "kind_unknown": "没有该网点类型；请填银行网点、便民服务点或自助网点等",
    "class_unknown": "没有该网点等级；请填基础或优质",
    "status_unknown": "状态只能填申请、运行、暂停或退出",
    "status_set_by_authority": "新网点须经人社部门验收，已按申请登记",
    "status_kept": "网点已登记，导入不改变状态；请用网点的操作办理",
    "change_waits": "该网点已有他人提出的变更待审批；请等待审批，或由其撤回后重新导入",
    "outlet_unknown": "登记簿中没有该登记编号；新网点请不填",
    "outlet_has_left": "该网点已退出；如重新设立，请作为新网点申报(不填登记编号)",
    "parent_missing": "便民服务点须填写所属网点：在“所属网点”列填网点编号，或本区县同一银行的网点名称",
    "parent_unknown": "本区县没有该银行名为“{found}”的网点；请填网点编号，或核对名称",
    "parent_ambiguous": "本区县有多个同名网点；请改填网点编号({there})",
    "parent_refused": "所属网点在本文件第{row}行，该行未能导入；请先改正该行",
    "windows_invalid": "窗口数须为1至99的整数",
    "content_invalid": "{words}",
    # Within the file, and with others
    "duplicate_row": "与第{row}行是同一网点；请只保留一行",
    "duplicate_cnaps": "行号与第{row}行相同，名称不同；请核对",
    "duplicate_name": "名称与第{row}行相同，行号不同；请核对",
})  # fmt: skip
"""What may be said of a row, in words an administrator can act on."""

FAILURES: Mapping[str, str] = MappingProxyType({
    "empty": "文件是空的",
    "not_a_spreadsheet": "不是电子表格；请上传CSV、XLSX或XLS文件",
    "html": "文件其实是网页(HTML)；请用表格软件打开后另存为XLSX或CSV",
    "password": "文件有密码保护；请去掉密码后重传",
    "broken": "文件已损坏，或不是其扩展名所说的种类；请用表格软件打开后另存",
    "too_large_inside": "文件展开后过大；请删去空白的行和列，或另存为CSV",
    "too_many_rows": "超过1,048,576行；请分成几个文件",
    "no_headings": "没有找到表头；请使用模板的表头(银行、网点名称、支付系统行号、区县、乡镇代码等)",
    "columns_missing": "缺少必需的列：{columns}",
    "unreadable": "文件无法读取；请用表格软件打开后另存为CSV",
    "file_gone": "上传的文件已不在；请重新上传",
})  # fmt: skip
"""Why no row of a file could be judged."""

NOTES: Mapping[str, str] = MappingProxyType({
    "bank_list_absent": "未加载银行行别表，未核对行号与银行是否相符",
    "area_list_absent": "未加载行号地区表，未核对行号与区县是否相符",
    "nbs_codes_absent": "未加载统计用区划代码，不能识别统计用代码",
    "register_list": "文件是行名行号表：按名录登记，不要求地址、电话、事项和乡镇",
    "headings_twice": "表头有两行，已合并理解",
    "headings_repeated": "文件中间重复出现的表头行已跳过",
    "totals_skipped": "合计、备注、签章等非网点行已跳过",
    "columns_unknown": "有不认识的列，未导入",
    "sheet_hidden": "隐藏的工作表未读取",
    "sheet_ignored": "其他工作表未读取",
    "bank_proposes": "银行导入的是申报：新网点为申请状态，已登记网点的变更待人社部门批准",
})  # fmt: skip
"""What holds for the whole import."""


class ImportAsked(Request):
    """How a file is taken."""

    dry_run: bool = Field(False, description="Judge every row, change nothing.")


class Told(Response):
    """A code, and what it means."""

    code: str
    message: str


class ImportView(Response):
    """An import as it stands."""

    id: str
    state: ImportState
    dry_run: bool
    progress: float = Field(ge=0, le=1)
    rows: int
    ok: int
    fixed: int
    rejected: int
    created: int = Field(description="Outlets that were not there.")
    changed: int = Field(description="Outlets that were there, and otherwise.")
    proposed: int = Field(description="Changes that wait for the authority.")
    format: str | None
    encoding: str | None
    notes: list[Told]
    failure: Told | None
    created_at: datetime
    finished_at: datetime | None


Encoding = Literal["utf-8", "utf-8-sig", "gb18030"]
"""`utf-8-sig` is UTF-8 with the mark by which spreadsheets know it; `gb18030` they open by themselves."""


class ReportAsked(Request):
    """How a report is written."""

    encoding: Encoding = "utf-8"

    @property
    def charset(self) -> str:
        """Name the encoding as HTTP does."""
        return self.encoding.removesuffix("-sig")


class ExportAsked(OutletNarrowed):
    """What is exported, and how."""

    format: Literal["csv", "xlsx"] = "csv"
    encoding: Encoding = "utf-8"
