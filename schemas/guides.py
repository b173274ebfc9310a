"""The guide (办事指南): one immutable version of the standard procedure of a matter.

Fields are those of GB/T 39046-2020 table 4 and of the exchange tables of the national platform;
the eleven elements of 人社厅函〔2019〕113号 are the least that a guide must fill. `title` of each
field is its name in Chinese.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from schemas.base import Day, Flag, LongText, Request, Response, Text, Whole
from schemas.codes import BaseCode, CreditCode, DivisionCode
from schemas.forms import in_order

Phone = Annotated[str, StringConstraints(pattern=r"^[0-9][0-9-]{2,14}$")]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A code on the wire: lower snake case."""


class Delegation(StrEnum):
    """How much of a matter is let to an outlet."""

    D0 = "D0"
    """Consult: show the guide, check conditions."""
    D1 = "D1"
    """Collect (帮办代收): receive papers and forward them."""
    D2 = "D2"
    """Accept (委托受理): also accept in the agency's name."""
    D3 = "D3"
    """Complete (委托办结): also complete when every machine check passes."""


class ServiceClass(StrEnum):
    """Class of an outlet: 基础网点 and 优质网点 (DB32/T 5214-2025)."""

    BASIC = "basic"
    PREMIUM = "premium"


class Exemption(StrEnum):
    """Ways in which a material need not be handed in (免提交方式)."""

    CARD_READ = "card_read"
    E_LICENCE = "e_licence"
    DATA_SHARING = "data_sharing"
    COMMITMENT = "commitment"


class Necessity(StrEnum):
    """Whether a material must be there (必要性)."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    TOLERABLE = "tolerable"
    """May follow later when the applicant promises a day (容缺后补)."""


class LegalBasis(Request):
    """Why the matter, a limit or a material is lawful (设定依据)."""

    document: str = Field(
        "",
        max_length=60,
        title="文件编号",
        description="Entry of the register of documents: name and number are taken from it.",
    )
    law: Text = Field(title="法律法规名称")
    document_no: str = Field("", max_length=100, title="依据文号")
    article: str = Field("", max_length=100, title="条款号")
    text: str = Field("", max_length=2000, title="条款内容")


class Limit(Request):
    """A time limit in working days (办结时限)."""

    value: Whole = Field(ge=0, le=365, title="时限")
    unit: Literal["working_day"] = Field("working_day", title="单位")
    starts: Literal["received", "accepted"] = Field(
        title="起算点", description="Legal limits run from receipt, promised ones from acceptance."
    )
    basis: str = Field("", max_length=200, title="依据")
    note: str = Field("", max_length=500, title="说明")


class Material(Request):
    """A paper that is asked for (申请材料)."""

    code: Code = Field(title="材料编码")
    name: Text = Field(title="材料名称")
    material_type: Literal["certificate", "form", "other"] = Field(title="材料类型")
    media: Literal["paper", "electronic", "both"] = Field("both", title="材料形式")
    necessity: Necessity = Field(title="必要性")
    source: Literal["applicant", "government", "other"] = Field("applicant", title="来源渠道")
    source_explain: str = Field("", max_length=500, title="来源渠道说明")
    issuing_body: str = Field("", max_length=200, title="出具机构")
    issue_time_rule: str = Field("", max_length=200, title="出具时间要求")
    original_count: Whole = Field(1, ge=0, le=20, title="原件份数")
    copy_count: Whole = Field(0, ge=0, le=20, title="复印件份数")
    page_format: str = Field("", max_length=100, title="规格")
    blank_form: str = Field("", max_length=200, title="空白表格")
    example: str = Field("", max_length=200, title="示例样表")
    fill_note: str = Field("", max_length=1000, title="填报须知")
    accept_standard: str = Field("", max_length=1000, title="受理标准")
    legal_basis: Text = Field(
        title="要求提供材料的依据",
        description="No proof beyond ID without a basis (社会保险经办条例 31).",
    )
    exemptions: list[Exemption] = Field(default_factory=list, title="免提交方式")
    situations: list[Code] = Field(
        default_factory=list,
        title="适用情形",
        description="Options of the situations in which it is asked for; empty: always.",
    )
    remark: str = Field("", max_length=500, title="备注")


class SituationOption(Request):
    """One answer to a question that narrows the materials."""

    code: Code
    name: Text


class Situation(Request):
    """A question whose answer narrows the materials (情形引导)."""

    question: Text = Field(title="情形问题")
    options: list[SituationOption] = Field(min_length=2, title="情形选项")


class Basis(StrEnum):
    """What decides which agency does a step: the place that the application names."""

    INSURED_PLACE = "insured_place"
    HOUSEHOLD_PLACE = "household_place"
    RESIDENCE = "residence"
    WORK_PLACE = "work_place"
    OUTLET = "outlet"
    FORM_FIELD = "form_field"
    """The field of the form that the step names."""


class Level(StrEnum):
    """Level of the agency that does a step."""

    PROVINCE = "province"
    CITY = "city"
    COUNTY = "county"


class ArchiveDeed(StrEnum):
    """What is done with a personal archive (人事档案)."""

    SEND = "send"
    ARRIVE = "arrive"
    LEAVE = "leave"
    LEND = "lend"
    CONSULT = "consult"
    CERTIFY = "certify"


class ArchiveMove(Request):
    """What the end of a step does with the archive of whom it is about."""

    deed: ArchiveDeed = Field(title="档案变动")
    when: dict[str, list[Text]] = Field(
        default_factory=dict,
        max_length=10,
        title="适用条件",
        description="Fields of the form, and the values with which it is done; none: always.",
    )
    days: Code | None = Field(
        None, title="借阅天数栏目", description="Field of the form with the working days of a loan."
    )


class Step(Request):
    """What one agency does with an application; most matters have one."""

    name: Text = Field(title="环节名称")
    basis: Basis = Field(
        title="办理机构确定方式",
        description="The form field with this `x-routing` names the place.",
    )
    level: Level = Field(Level.COUNTY, title="办理机构层级")
    limit: Whole = Field(ge=0, le=365, title="办理时限", description="Working days.")
    risk_class: Whole = Field(
        ge=1,
        le=3,
        title="风险等级",
        description="1 one person, 2 a second person, 3 an approver too.",
    )
    field: Code | None = Field(
        None, title="区划栏目", description="Of the form, where `basis` is `form_field`."
    )
    is_legal: Flag = Field(
        False,
        title="时限是否法定",
        description="The limit is one of law: it runs from receipt in the first step, and past it "
        "the application is overdue.",
    )
    decides: Flag = Field(
        True,
        title="可否作出不予决定",
        description="Else it goes on or back, and is not denied here.",
    )
    letter: str = Field(
        "",
        max_length=40,
        title="随转函件",
        description="What goes on with it; its number is asked for.",
    )
    continues: Whole | None = Field(
        None,
        ge=1,
        title="延续环节",
        description="An earlier step of the same work: who did that may do this one too.",
    )
    archive: list[ArchiveMove] = Field(
        default_factory=list, max_length=10, title="人事档案变动",
        description="What passing the step does in the register of personal archives.",
    )  # fmt: skip


class FlowStep(Request):
    """What the guide tells people of the flow (办理流程)."""

    name: Text = Field(title="环节名称")
    actor: Text = Field(title="办理人员")
    limit: Whole = Field(0, ge=0, le=365, title="办理时限")
    standard: str = Field("", max_length=1000, title="审查标准")
    result: str = Field("", max_length=500, title="办理结果")


class SpecialProcedure(Request):
    """A procedure whose time is not counted (特别程序)."""

    name: Text = Field(title="名称")
    kind: Literal["1", "2"] = Field("2", title="种类", description="A.7: 1 延长审批, 2 其他")
    limit: Whole | None = Field(None, ge=1, le=365, title="时限")
    basis: Text = Field(title="依据")


class FeeItem(Request):
    """A fee; there is none in social insurance (经办条例 32)."""

    name: Text
    standard: Text
    basis: Text
    reducible: Flag = False


class GuideResult(Request):
    """What comes out (审批结果)."""

    type: Literal["licence", "document", "other"] = Field("other", title="结果类型")
    name: Text = Field(title="结果名称")
    sample: str = Field("", max_length=200, title="结果样本")


class FAQ(Request):
    """A question that people ask, and its answer (常见问题)."""

    question: Text
    answer: LongText


class OutletPart(Request):
    """What is let to outlets."""

    delegation: Delegation = Field(title="委托环节")
    classes: list[ServiceClass] = Field(min_length=1, title="可办网点等级")
    instant_when: dict[str, list[Text]] = Field(
        default_factory=dict,
        max_length=10,
        title="即时办结条件",
        description="Fields of the form, and the values with which it is completed at once (D3); none: always.",
    )


class GuideContent(Request):
    """The content of a guide in work: of the right shape, and not yet looked at further."""

    # A. Identity
    base_code: BaseCode = Field(title="基本编码")
    name: Text = Field(title="事项名称")
    short_name: Text = Field(title="事项简称")
    summary: LongText = Field(title="事项简述")
    handling_item_name: Text = Field(title="业务办理项名称")
    local_base_code: str = Field("", max_length=31, title="地方目录编码")
    local_implementation_code: str = Field("", max_length=31, title="地方实施编码")
    matter_type: Literal["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "20"] = Field(
        title="事项类型"
    )
    category: Code = Field(title="业务分类")
    insurance_kinds: list[Literal["110", "120", "170", "210", "410"]] = Field(
        default_factory=list, title="险种类型"
    )

    # B. Power and body
    legal_bases: list[LegalBasis] = Field(min_length=1, title="设定依据")
    power_source: Literal["1", "2", "3", "4", "5", "6"] = Field("1", title="权力来源")
    exercise_level: Literal["1", "2", "3", "4", "5", "6", "7"] = Field(title="行使层级")
    exercise_content: str = Field("", max_length=1000, title="行使内容")
    power_split: str = Field("", max_length=1000, title="权限划分")
    agency_name: Text = Field(title="实施主体")
    agency_code: CreditCode = Field(title="实施主体编码")
    agency_nature: Literal["1", "2", "3", "9"] = Field("2", title="实施主体性质")
    entrusted_department: str = Field("", max_length=200, title="委托部门")
    undertaking_body: str = Field("", max_length=200, title="承办机构")
    joint_departments: list[Text] = Field(default_factory=list, title="联办机构")
    administrative_jurisdiction: str = Field("", max_length=200, title="行政管辖")

    # C. Who and how
    service_objects: list[Literal["1", "2", "3", "4", "5", "6"]] = Field(
        min_length=1, title="服务对象"
    )
    topics: list[Text] = Field(default_factory=list, title="服务主题")
    case_kind: Literal["1", "2", "9"] = Field(
        title="办件类型", description="A.6: 1 即办件, 2 承诺件, 9 其他"
    )
    handling_forms: list[Literal["1", "2", "3", "4", "9"]] = Field(min_length=1, title="办理形式")
    online_depth: Literal["1", "2", "3", "4", "5", "6", "7"] = Field("4", title="网上办理深度")
    visits_required: Whole = Field(ge=0, le=9, title="到办事现场次数")
    visit_reason: str = Field("", max_length=500, title="必须现场办理原因")
    cross_area_scope: Literal["nation", "cross_province", "cross_city", "cross_county", "none"] = (
        Field("none", title="通办范围")
    )
    accept_conditions: list[Text] = Field(min_length=1, title="受理条件")
    quantity_limit: str = Field("", max_length=200, title="数量限制")
    flow: list[FlowStep] = Field(min_length=1, title="办理流程")
    special_procedures: list[SpecialProcedure] = Field(default_factory=list, title="特别程序")
    is_booking: Flag = Field(False, title="是否支持预约办理")
    is_pay_online: Flag = Field(False, title="是否支持网上支付")
    is_express: Flag = Field(False, title="是否支持物流快递")
    is_online: Flag = Field(True, title="是否网办")
    is_self_service_terminal: Flag = Field(False, title="是否支持自助终端办理")
    is_in_hall: Flag = Field(True, title="是否进驻政务大厅")

    # D. Time
    legal_limit: Limit | None = Field(title="法定办结时限", description="Null: none is set by law.")
    promised_limit: Limit = Field(title="承诺办结时限")
    accept_limit: Whole = Field(5, ge=0, le=30, title="受理时限", description="Working days.")

    # E, F. Materials and situations
    materials: list[Material] = Field(title="申请材料")
    situations: list[Situation] = Field(default_factory=list, title="情形引导")

    # G. Money and result
    is_charged: Flag = Field(False, title="是否收费")
    fee_items: list[FeeItem] = Field(default_factory=list, title="收费项目")
    result: GuideResult = Field(title="办理结果")
    delivery_ways: list[Literal["counter", "post", "electronic"]] = Field(
        min_length=1, title="结果送达方式"
    )

    # H. Places and ways to ask
    handle_address: Text = Field(title="办理地点")
    handle_time: Text = Field(title="办理时间")
    consult_ways: list[Text] = Field(min_length=1, title="咨询查询途径")
    consult_phone: Phone = Field(title="咨询电话")
    supervise_ways: list[Text] = Field(min_length=1, title="监督投诉渠道")
    supervise_phone: Phone = Field(title="监督投诉电话")
    online_url: str = Field("", max_length=300, title="网上办理地址")
    faqs: list[FAQ] = Field(default_factory=list, title="常见问题")
    remedy: LongText = Field(title="行政复议与行政诉讼")

    # How the service works with it
    steps: list[Step] = Field(min_length=1, title="办理步骤")
    form_schema: Annotated[dict[str, Any], AfterValidator(in_order)] = Field(
        title="申请表",
        description="JSON Schema 2020-12 with at least one valid form in `examples`.",
    )
    outlet: OutletPart = Field(title="网点办理")
    tolerant_acceptance: Flag = Field(False, title="是否支持容缺受理")
    extension_basis: str = Field("", max_length=300, title="延期依据")

    is_sample: Flag = Field(title="是否样例")
    source_note: LongText = Field(title="来源说明")

    @property
    def implementation_code(self) -> str:
        """Composition of 31 characters: body 18, exercise level 1, base code 12 (GB/T 39554)."""
        return f"{self.agency_code}{self.exercise_level}{self.base_code}"


class Guide(GuideContent):
    """The content of a guide, as the province publishes it."""

    @model_validator(mode="after")
    def _limits_agree(self) -> "Guide":
        """Refuse what no guide of the trade may say: a promise longer than the law allows."""
        legal, promised = self.legal_limit, self.promised_limit
        if legal is not None and promised.value > legal.value:
            raise ValueError("承诺办结时限不得超过法定办结时限")
        if self.case_kind == "1" and promised.value > 1:
            raise ValueError("即办件的承诺办结时限不得超过1个工作日")
        if self.is_charged or self.fee_items:
            raise ValueError("社会保险经办服务不收费")
        return self


class GuideView(Guide):
    """A guide as it is shown: its content, which version it is, and from where each field comes."""

    model_config = ConfigDict(extra="ignore")

    matter: BaseCode
    version: int
    state: Literal["in_force"]
    effective_from: date
    effective_to: date | None
    handling_item_code: str
    outlet_delegation: Delegation
    outlet_classes: list[ServiceClass]
    outlet_instant_when: dict[str, list[str]]
    provenance: dict[str, str] = Field(
        description="Field to the code of the division that wrote it."
    )


class PlaceAsked(Request):
    """For which place a guide is looked up."""

    division: DivisionCode | None = Field(None, description="For which place.")


class GuideAsked(PlaceAsked):
    """For which place and day a guide is looked up."""

    on: Day | None = Field(None, description="For which day; today.")


LAST_VERSION = 99_999
"""More than one a day for two hundred years."""


class GuideFile(Request):
    """A guide version as `syt load matters` takes it."""

    version: Whole = Field(ge=1, le=LAST_VERSION)
    effective_from: date
    effective_to: date | None = None
    guide: Guide


class GuideVersionView(Response):
    """A version of a matter's guide that is or was published."""

    version: int
    state: Literal["published", "withdrawn"]
    effective_from: date
    effective_to: date | None
