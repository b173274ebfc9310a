"""What a sheet says for each code of a guide. Code lists: GB/T 39046-2020 annex A."""

from schemas.guides import Delegation, Exemption, Necessity, ServiceClass

SERVICE_OBJECTS = {
    "1": "个人", "2": "企业", "3": "事业单位", "4": "社会组织", "5": "行政机关", "6": "其他组织",
}  # fmt: skip
CASE_KINDS = {"1": "即办件", "2": "承诺件", "9": "其他"}
HANDLING_FORMS = {"1": "窗口", "2": "电脑端", "3": "移动端", "4": "快递", "9": "其他方式"}
SCOPES = {
    "nation": "全国通办", "cross_province": "跨省通办", "cross_city": "跨市通办",
    "cross_county": "跨县通办", "none": "",
}  # fmt: skip
DELIVERY = {"counter": "窗口领取", "post": "邮寄", "electronic": "电子送达"}
MATERIAL_TYPES = {"certificate": "证件证明", "form": "申请表", "other": "其他"}
STARTS = {"received": "自收到申请之日起", "accepted": "自受理之日起"}
EXEMPTIONS = {
    Exemption.CARD_READ: "读卡核验",
    Exemption.E_LICENCE: "电子证照",
    Exemption.DATA_SHARING: "部门数据共享",
    Exemption.COMMITMENT: "书面承诺",
}
NECESSITY = {
    Necessity.REQUIRED: "必须",
    Necessity.OPTIONAL: "视情况",
    Necessity.TOLERABLE: "可以后补",
}
CLASSES = {ServiceClass.BASIC: "基础网点", ServiceClass.PREMIUM: "优质网点"}
DELEGATION = {
    Delegation.D0: "可以咨询、查看指南，不收件",
    Delegation.D1: "可以帮办代收，材料转交经办机构办理",
    Delegation.D2: "可以受委托受理，由经办机构审核决定",
    Delegation.D3: "可以受委托受理，核验全部通过的当场办结",
}
WORKDAYS = "时限按工作日计算：周六、周日和国家规定的节假日不算，调休上班日要算。"
