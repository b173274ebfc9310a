"""What is sent, one example for each operation that takes a body: data only. A test sends each of them.

Numbers of things are made up, and the test puts real ones in their place; everything else is sent as it stands.
Nobody is a person: the ID numbers are of a county that there is not.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

GUIDE = Path(__file__).parent.parent / "data" / "examples" / "guide.json"


class Example(NamedTuple):
    """A body as it is sent, and the answer that it gets."""

    words: str
    body: Any
    answer: int = 200


PLACES: Mapping[str, str] = MappingProxyType({
    "number": "SYT330106202611250000120000106", "matter": "332014901008", "outlet": "330106000012",
    "terminal": "01935d2e-7c00-7000-8000-000000000001", "teller": "330106000012-01", "bank": "SRCB",
    "agreement": "SRCB-2026-1", "division": "330106", "code": "330106", "document": "REC",
    "grant": "01935d2e-7c00-7000-8000-000000000002", "file": "01935d2e7c007000800000000000000300",
    "upload": "01935d2e-7c00-7000-8000-000000000004",
    "proposal": "01935d2e-7c00-7000-8000-000000000005",
    "subscription": "01935d2e-7c00-7000-8000-000000000006",
    "delivery": "01935d2e-7c00-7000-8000-000000000007", "order": "1001", "check": "1002",
    "rectification": "1003", "notice": "1004", "difference": "1005",
    "archive": "01935d2e-7c00-7000-8000-000000000008",
})  # fmt: skip
"""Names of things in addresses and bodies, by their parameter; a number or a code stands for no other."""

NUMBER, OUTLET, TERMINAL = PLACES["number"], PLACES["outlet"], PLACES["terminal"]
MATTER = PLACES["matter"]
TODAY, FIRST_DAY, LAST_DAY, LATER_DAY = "2026-11-25", "2027-01-01", "2027-11-24", "2028-12-31"
"""Days, which the test moves to where they are to come."""

ASSERTION = "eyJhbGciOiJFZERTQSJ9.eyJ0ZWxsZXIi.c2ln"
PROOF = "eyJhbGciOiJFZERTQSJ9.eyJqdGki.c2ln"
ENROLMENT, CODE = "7F3K-2M9Q-4HWX", "7F3K2M9Q"
SCAN = "%PDF-1.4\n%%EOF\n"
SHEET = "银行,网点名称,行号,区县\n"

PERSON = {
    "kind": "person", "name": "测试甲", "id_type": "resident_id", "id_number": "339900189901010018",
    "phone": "13900000001",
}  # fmt: skip
JWK = {"kty": "OKP", "crv": "Ed25519", "x": "AwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
"""A point of the curve whose private part nobody knows."""

APPLICATION = {
    "matter": MATTER, "applicant": PERSON,
    "form": {"insured_place": "330106", "certificate_kind": "insured_certificate"},
    "materials": [{"code": "id_card", "exemption": "card_read"}], "accept": True, "consent": True,
}  # fmt: skip


@cache
def guide() -> Any:
    """Give a whole guide, as it is drafted."""
    return orjson.loads(GUIDE.read_bytes())


EXAMPLES: Mapping[str, Example] = MappingProxyType({
    "issue_token": Example("终端以断言换令牌", {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": ASSERTION,
    }),
    "submit_application": Example("打印参保证明：读卡核验身份，当场受理", APPLICATION, 201),
    "submit_batch": Example("一次提交离线期间的办件", {
        "items": [{"key": "0d8c5e0e-0001", "application": APPLICATION}],
    }),
    "reveal_application": Example("核对身份时查看全部信息，留有记录", {"purpose": "电话核实申请人身份"}),
    "act_on_application": Example("受理", {"action": "accept"}),
    "rate_application": Example("窗口评价：1 最好", {"grade": 1, "tags": ["efficiency"]}, 201),
    "act_on_notice": Example("电话告知后登记", {"action": "told", "way": "phone"}),
    "print_document": Example("打印文书交给申请人", {"purpose": "当面交给申请人"}),
    "act_on_rectification": Example("已联系评价人", {"action": "contact"}),
    "reveal_rater": Example("回访前查看联系方式，留有记录", {"purpose": "差评回访"}),
    "preview_routing": Example("由哪个机构办理，依据哪条规则", {
        "matter": MATTER, "outlet": OUTLET, "form": {"insured_place": "330106"},
    }),
    "claim_tasks": Example("领取五件", {"limit": 5}),
    "upload_file": Example("上传扫描件", {"file": SCAN}, 201),
    "add_to_upload": Example("续传一段", SCAN, 204),
    "import_outlets": Example("导入网点表", {"file": SHEET}, 202),
    "draft_version": Example("起草办事指南的新版本", {"effective_from": FIRST_DAY}, 201),
    "redraft_version": Example("改写草稿", {"effective_from": LAST_DAY}),
    "act_on_version": Example("提交审核", {"action": "submit"}),
    "draft_layer": Example("本地只缩短承诺时限", {
        "effective_from": FIRST_DAY, "handle_address": "样例路1号政务服务中心三楼",
    }),
    "act_on_layer": Example("提交审核", {"action": "submit"}),
    "reserve_numbers": Example("预留离线用的编号", {"count": 10}, 201),
    "answer_supervision_order": Example("说明超期原因", {"text": "材料正在向原单位核实，预计两日内办结"}),
    "act_on_reconciliation": Example("核实差异", {"action": "settle", "text": "核心系统已补记，双方一致"}),
    "act_on_spot_check": Example("抽查无误", {"action": "confirm"}),
    "enrol_terminal": Example("登记终端公钥", {"name": "2号窗口终端", "public_jwk": JWK}, 201),
    "allow_enrolment": Example("取一次性登记码", {"name": "3号窗口终端"}, 201),
    "use_enrolment": Example("终端凭登记码交出公钥", {
        "code": ENROLMENT, "public_jwk": JWK, "proof": PROOF,
    }, 201),
    "act_on_terminal": Example("改名", {"action": "rename", "name": "1号窗口终端"}),
    "add_teller": Example("登记柜员", {"code": "330106000012-09"}, 201),
    "act_on_teller": Example("暂停", {"action": "suspend", "reason": "leave"}),
    "propose_bank": Example("提出合作银行", {
        "bank": "YBRCB", "name": "样例农村商业银行股份有限公司", "bank_class": "402",
    }, 201),
    "act_on_bank": Example("另一人批准", {"action": "approve"}),
    "record_agreement": Example("登记服务协议", {
        "agreement": "SRCB-2027-1", "bank": "SRCB", "division": "330106", "max_delegation": "D2",
        "valid_from": FIRST_DAY, "valid_to": LATER_DAY,
    }, 201),
    "change_agreement": Example("补充协议延长期限", {"reason": "补充协议第2号", "valid_to": LATER_DAY}),
    "act_on_agreement": Example("提前终止", {"action": "end", "reason": "双方协商一致"}),
    "apply_for_outlet": Example("申请设立网点", {
        "name": "样例支行", "bank": "SRCB", "kind": "bank_branch", "service_class": "basic",
        "division": "330106014", "address": "样例路1号",
    }, 201),
    "change_outlet": Example("银行提出变更，待审核", {"reason": "门牌更正", "address": "样例路2号"}, 202),
    "put_outlet_contact": Example("登记网点联系人，加密保存", {"name": "测试乙", "phone": "0571-80000001"}),
    "act_on_outlet": Example("暂停网点", {"action": "suspend", "reason": "装修停业"}),
    "act_on_outlet_proposal": Example("同意变更", {"action": "approve"}),
    "apply_for_grant": Example("为某人申请网点负责人", {
        "subject": "hr:zhang", "role": "outlet_manager", "scope": OUTLET, "valid_from": TODAY,
        "valid_to": LAST_DAY,
    }, 201),
    "act_on_grant": Example("内控核对", {"action": "check"}),
    "make_subscription": Example("订阅本行网点的事件", {
        "name": "办件状态推送", "url": "https://hooks.bank.example/syt", "bank": "SRCB",
        "kinds": ["application.completed", "application.denied"],
    }, 201),
    "change_subscription": Example("改名", {"name": "办件状态推送(新)"}),
    "act_on_delivery": Example("重新投递一条", {"action": "redeliver"}),
    "act_on_subscription": Example("暂停推送", {"action": "pause"}),
    "enter_archive": Example("登记本机构一直保管的档案", {
        "agency": "330106", "kept_since": "2020-01-02",
        "person": {k: PERSON[k] for k in ("name", "id_type", "id_number")},
    }, 201),
    "search_archives": Example("按证件号码找档案，留有记录", {
        "id_number": PERSON["id_number"], "purpose": "核对存档地",
    }),
    "act_on_archive": Example("借出的档案已归还", {"action": "return", "note": "专人送回"}),
    "search_access_records": Example("查谁看过某人的信息，留有记录", {
        "id_number": PERSON["id_number"], "purpose": "核查投诉",
    }),
    "revoke": Example("终端丢失，令牌立即失效", {"kind": "terminal", "value": TERMINAL, "reason": "lost"}, 201),
    "ask_progress": Example("群众凭编号和查询码查进度", {"number": NUMBER, "code": CODE}),
    "rate_by_code": Example("群众凭查询码评价", {"number": NUMBER, "code": CODE, "grade": 1}, 201),
    "show_progress": Example("网页查进度", {"code": CODE}),
    "rate_on_page": Example("网页评价", {"code": CODE, "grade": 1}),
})  # fmt: skip

WITH_GUIDE = frozenset({"draft_version", "redraft_version"})


def body_of(operation: str) -> Any:
    """Give an example's body; a guide is put in where one is sent."""
    body = EXAMPLES[operation].body
    return {**body, "guide": guide()} if operation in WITH_GUIDE else body
