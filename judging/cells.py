"""What people and their programs do to a cell, and how it is undone. Pure functions."""

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from schemas.telephones import LANDLINE_FORM

SPACE = r"[\s\u00a0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff\x00-\x1f\x7f]"
ENDS = re.compile(f"^{SPACE}+|{SPACE}+$")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What no database of ours holds, and nobody sees."""

INNER = re.compile(f"{SPACE}+")
DATE = re.compile(
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}月\d{1,2}日|\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*",
    re.I,
)
SCIENTIFIC = re.compile(r"(\d)(?:\.(\d+))?[eE]\+?(\d{1,2})")
ERROR = re.compile(r"#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)", re.I)
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
FORMULA = ("=", "+", "-", "@", "\t", "\r")

TRADITIONAL = dict(zip(*[iter(
    "銀银農农業业國国聯联區区縣县鎮镇鄉乡橋桥東东營营業业處处總总貿贸際际廣广場场龍龙門门馬马陽阳陰阴陳陈"
    "長长張张華华葉叶蘇苏蕭萧劉刘趙赵黃黄黨党協协會会議议醫医學学園园圓圆團团塊块壩坝塢坞塗涂壇坛壺壶"
    "夾夹奧奥婁娄嶺岭島岛峽峡崗岗嵐岚帶带廠厂廟庙廳厅廬庐張张彌弥後后從从復复徑径慶庆應应懷怀戰战戶户"
    "擴扩擔担據据揚扬換换數数斷断時时曉晓暉晖書书會会條条楊杨楓枫樂乐樓楼樣样樹树機机檔档檢检權权歐欧"
    "歲岁歷历殺杀氣气漢汉湯汤溝沟滬沪漁渔漸渐潔洁澤泽潤润濟济濱滨瀾澜灘滩灣湾災灾為为無无煙烟熱热爾尔"
    "牆墙獨独獅狮獻献環环現现瓊琼畫画異异當当發发監监盤盘眾众碼码確确礦矿禮礼種种積积穀谷窪洼筆笔節节"
    "築筑簡简糧粮紀纪約约紅红紙纸級级紡纺細细終终組组結结絡络給给統统絲丝經经綜综綠绿維维網网緣缘線线"
    "縉缙縱纵織织繡绣繼继續续羅罗聖圣聞闻聲声職职腦脑臨临興兴舊旧艦舰艙舱蒼苍蓋盖蓮莲蔣蒋藍蓝藝艺蘆芦"
    "蘭兰處处號号補补裝装裏里見见規规視视覽览觀观觸触計计訂订託托記记設设許许詢询話话該该詳详認认語语"
    "誠诚說说調调談谈請请諸诸謝谢證证識识護护變变豐丰財财貢贡貨货貫贯貴贵買买費费資资賓宾質质賬账購购"
    "贊赞車车軍军軒轩軟软輝辉輪轮輸输轉转農农運运過过達达遠远適适選选遷迁還还邊边郵邮鄧邓鄭郑鄰邻醬酱"
    "釐厘針针鈔钞鉅巨銅铜銘铭銷销鋒锋鋼钢錢钱錦锦鍋锅鎖锁鐘钟鐵铁鑄铸鑑鉴鑫鑫開开閑闲間间閘闸閣阁閩闽"
    "關关隊队階阶際际隨随險险雙双雜杂雞鸡離离電电雲云靈灵韓韩頂顶項项順顺須须預预領领頭头題题願愿類类"
    "顧顾風风飛飞飯饭飼饲館馆駐驻駱骆騎骑體体髮发魚鱼鮮鲜鳥鸟鳳凤鴻鸿鵝鹅鶴鹤鹽盐麗丽麥麦黃黄點点齊齐"
    "龜龟倉仓側侧個个們们倫伦偉伟備备傑杰傳传債债傷伤儀仪億亿優优儲储兒儿兩两內内冊册凍冻劃划則则剛刚"
    "創创劇剧勁劲動动務务勝胜勞劳勢势勵励勻匀匯汇單单厲厉參参員员問问啟启嚴严喬乔嘆叹嘗尝堅坚報报執执"
    "塵尘壘垒壯壮壽寿夠够夢梦妝妆娛娱孫孙寧宁實实審审寫写寬宽寶宝將将專专尋寻對对導导尷尴屆届層层屬属"
    "嶼屿幣币幹干幾几庫库廢废廣广彙汇徵征徹彻恆恒愛爱態态慮虑憑凭憲宪擇择擁拥擬拟攝摄攤摊敗败敵敌斬斩"
    "昇升晉晋暢畅曆历朧胧枧枧槍枪槳桨檯台櫃柜櫻樱欄栏歡欢決决沒没況况滅灭滾滚滿满漲涨瀏浏爐炉爭争牽牵"
)] * 2, strict=True))  # fmt: skip
"""Traditional characters that stand in names of banks and places, with the simplified ones."""

TABLE = str.maketrans(TRADITIONAL)

BACK_OFFICE = re.compile(
    r"(清算|核算|处理|运营|作业|账务|数据|票据|档案|培训|灾备|研发|客服|电话银行|现金|金库|后台|后勤)"
    r"(中心|部)|金库|后台|库房"
)
DOUBLED = re.compile(r"(银行|支行|分行|分理处|有限公司|营业部)\1")
CUT = {"分理": "分理处"}
CUT_AT = 30
"""Characters at which the payments list cuts names off."""

CUT_MAYBE = re.compile(r"(分|支|营业|储蓄|有限公|股份)$")


class Tidy(NamedTuple):
    """A cell put right, and the fault that it had."""

    value: str
    fault: str | None = None


def stripped(text: str) -> Tidy:
    """Take blanks of any kind off both ends; an apostrophe that our own reports put before a formula, too."""
    value = CONTROL.sub("", ENDS.sub("", text))
    if value[:1] == "'" and value[1:2] in FORMULA:
        return Tidy(value[1:])
    return Tidy(value, "whitespace" if value != text else None)


def unbroken(text: str) -> Tidy:
    """Take blanks out of the middle, where Chinese has none."""
    value = INNER.sub("", text)
    return Tidy(value, "inner_whitespace" if value != text else None)


def halfwidth(text: str) -> Tidy:
    """Turn full-width digits, letters and signs into those of ASCII."""
    if text.isascii():
        return Tidy(text)
    value = unicodedata.normalize("NFKC", text).translate({0x2013: "-", 0x2014: "-", 0x2212: "-"})
    return Tidy(value, "fullwidth_digits" if value != text else None)


def simplified(text: str) -> Tidy:
    """Turn traditional characters into simplified ones."""
    value = text.translate(TABLE)
    return Tidy(value, "traditional_characters" if value != text else None)


PLAIN = re.compile(r"[0-9A-Za-z\u4e00-\u9fff\u3400-\u4dbf（）：；，:;,./·#-]*")
"""Nothing but what stands in a cell that nobody spoiled."""

STRANGE = re.compile(
    "[\ufffd\ue000-\uf8ff]|[\x80-\xb6\xb8-\u024f].*[\x80-\xb6\xb8-\u024f]|[?？]{3,}"
)


def is_plain(text: str) -> bool:
    """Tell at a glance that there is nothing to put right about blanks, width or encoding."""
    return PLAIN.fullmatch(text) is not None and text[0] not in FORMULA


def is_mojibake(text: str) -> bool:
    """Tell whether a text was read by the wrong encoding somewhere on its way."""
    return STRANGE.search(text) is not None or (not text.isascii() and _reads_as_utf8(text))


def _reads_as_utf8(text: str) -> bool:
    """Tell whether a text of some length, as bytes of GBK, is UTF-8: by chance that never happens."""
    if len(text) < 5:
        return False
    try:
        return not text.encode("gbk").decode("utf-8").isascii()
    except UnicodeError:
        return False


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet would run a cell; numbers and telephones with a sign are none."""
    if text[:1] not in FORMULA or not text:
        return False
    return NUMBER.fullmatch(re.sub(r"[ -]", "", text[1:])) is None or text[0] in "=@"


def code_fault(text: str) -> str | None:
    """Tell what a spreadsheet made of a code: a date, or a number that lost its end."""
    if DATE.fullmatch(text):
        return "cell_is_date"
    return "code_scientific" if SCIENTIFIC.fullmatch(text) else None


def code(text: str) -> Tidy:
    """Undo what spreadsheets do to a code of digits: full width, `.0`, apostrophes, groups, exponents."""
    half = halfwidth(text)
    if DATE.fullmatch(half.value):
        return half
    value = re.sub(r"\.0+$", "", half.value.lstrip("'‘’`").rstrip("'’"))
    value = re.sub(r"(?<=\d)[ \u00a0,-](?=\d)", "", value)
    found = SCIENTIFIC.fullmatch(value)
    if found and len(found[2] or "") == int(found[3]):
        value = found[1] + found[2]  # Every digit is there: nothing was lost.
    if value != half.value:
        return Tidy(value, "cnaps_spreadsheet_form")
    return Tidy(value, half.fault)


NO_ZERO = re.compile(r"(?!400)[2-9]\d{1,2}-?\d{7,8}", re.ASCII)
"""A landline whose area code a spreadsheet took for a number."""


def phone(text: str) -> Tidy:
    """Write a telephone number as the trade does."""
    half = halfwidth(text)
    value = (
        re.sub(r"^\+?86[- ]?(?=0?[1-9]\d)", "", half.value)
        if "86" in half.value[:3]
        else half.value
    )
    value = re.sub(r"[()]", "-", value).strip("-").replace("--", "-")
    value = re.sub(r"^(\d{3,4}) (\d{7,8})$", r"\1-\2", value)
    if NO_ZERO.fullmatch(value) and LANDLINE_FORM.fullmatch(f"0{value}"):
        return Tidy(f"0{value}", "phone_area_zero")
    return Tidy(value, half.fault if value == half.value else half.fault or "whitespace")


SEPARATORS = re.compile(r"[;；,，、|/\s]+")


@lru_cache(2000)
def matters(text: str) -> tuple[tuple[str, ...], Tidy]:
    """Read codes of matters, whatever stands between them."""
    found = tuple(one for one in SEPARATORS.split(halfwidth(text).value) if one)
    value = ";".join(found)
    return found, Tidy(value, "matter_separator" if value != text.strip(";") else None)
