"""What papers say, as offices write it. Data only. 〔…〕 of the source are the fields in braces."""

from types import MappingProxyType

TITLES = MappingProxyType({
    "REC": "收件凭证", "ACP": "受理通知书", "SGZ": "材料补正告知书", "NGA": "不予受理通知书",
    "TOL": "容缺受理承诺书", "COM": "告知承诺书", "SPE": "特别程序告知书", "EXT": "延期告知书",
    "STL": "办结通知书", "NST": "不予办理决定书", "RCH": "送达回证", "SUP": "材料补交通知",
    "DAZ": "人事档案转递通知单", "DAH": "人事档案转递回执", "DAM": "存档证明", "DAJ": "人事档案查(借)阅通知",
})  # fmt: skip
"""Papers by their codes, in the order in which they are issued together."""

REMEDY = "如不服本决定，可自收到之日起60日内申请行政复议，或6个月内提起行政诉讼。"

CORE = MappingProxyType({
    "REC": (
        "现收到你(单位)提交的{matter}申请材料(清单附后)。本凭证仅表示已接收材料，"
        "是否受理将于{accept}个工作日内告知。"
    ),
    "ACP": (
        "你(单位)于{received}提出的{matter}申请，经审查符合受理条件，现予受理。"
        "承诺办结时限为{promised}个工作日，预计于{due}前办结(不含补正、特别程序时间)。"
    ),
    "SGZ": (
        "经审查，你(单位)提交的材料不齐全/不符合法定形式，现一次性告知需补正的全部内容：{items}"
        "请于{by}前补正；逾期不补正的，视为放弃申请，本机构将退回申请材料。"
    ),
    "NGA": "你(单位)于{received}提出的{matter}申请，因{reason}，依据{basis}，决定不予受理。" + REMEDY,
    "TOL": "本人已知晓尚缺{missing}；逾期未补齐的，愿承担由此产生的后果。",
    "COM": "办理{matter}，申请人以书面承诺替代下列证明。",
    "SPE": "你(单位)申请的{matter}，需进行{procedure}，{time}不计入办理时限。",
    "EXT": "你(单位)申请的{matter}，经本机构负责人批准，办理期限延长{days}个工作日，理由：{reason}。",
    "STL": "你(单位)于{received}提出的{matter}申请，现已办结。",
    "NST": "你(单位)于{received}提出的{matter}申请，经审查：{facts}，属于{reason}，依据{basis}，决定不予办理。"
    + REMEDY,
    "RCH": "下列文书已经送达。",
    "SUP": "现收到你(单位)补交的{matter}申请材料(清单附后)。",
    "DAZ": "现将{person}的人事档案转去，请查收，并退回回执。档案由机构之间转递，不得由个人携带。",
    "DAH": "{from_}转来的{person}的人事档案已收到入库。",
    "DAM": "经查，{person}的人事档案自{since}起由本机构保管。特此证明。",
    "DAJ": "准予{unit}查(借)阅{person}的人事档案。",
})  # fmt: skip

DEEMED = "收到申请材料后未在规定期限内告知，自{accepted}起视为受理。"
ELSEWHERE = "该事项由{agency}办理，咨询电话{phone}。"
PROMISED = "{name}，承诺于{day}前补齐"
DUE_NOW = "延期后预计于{due}前办结。"

REASONS = MappingProxyType({
    "BZ01": "缺少必要材料", "BZ02": "材料不清晰", "BZ03": "表格填写不完整", "BZ04": "签字或盖章缺失",
    "BZ05": "证件已过有效期", "BZ06": "信息前后不一致", "BZ07": "委托手续不全",
    "BZ08": "账户信息与本人不符", "BZ09": "照片不合格",
    "BS01": "不属于本机构职权范围", "BS02": "不符合受理条件", "BS03": "依法无需办理",
    "BS04": "重复申请", "BS05": "材料虚假", "BS06": "逾期申请",
    "BY01": "参保状态不符", "BY02": "缴费年限不足", "BY03": "年龄不符",
    "BY04": "已在其他地区/制度享受待遇", "BY05": "已就业", "BY06": "未通过资格核验",
})  # fmt: skip
"""Coded reasons of correction, refusal and denial."""

PROCEDURES = MappingProxyType({
    "hearing": "听证", "test": "检验", "inspection": "检测", "quarantine": "检疫", "appraisal": "鉴定",
    "expert_review": "专家评审", "other_place": "异地核查",
})  # fmt: skip
WAYS = MappingProxyType({"counter": "窗口", "post": "邮寄", "electronic": "电子"})

COMMITMENT = (
    ("承诺效力", "申请人作出书面承诺的，经办机构不再索要该证明，依据书面承诺办理。"),
    (
        "不实承诺的后果",
        "承诺不实的，经办机构终止办理、撤销决定，追回已经发放的待遇，并依法处理。",
    ),
    ("核查权", "经办机构可以通过部门数据共享、协助核查、现场核查等方式，对承诺内容进行核查。"),
)
COMMITTED = "本人已知晓上述告知内容，所作承诺真实、准确，是本人真实意思表示，愿承担不实承诺的后果。"

EXEMPTIONS = MappingProxyType({
    "card_read": "读卡核验", "e_licence": "电子证照", "data_sharing": "部门数据共享", "commitment": "书面承诺",
})  # fmt: skip
