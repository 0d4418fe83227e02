"""Two answers that are never left to a model: help in a crisis, and the truth about what 유희지희 is.

Both are matched on the message without spaces and punctuation, so that `죽 고 싶 어...` is heard too.
"""

import re
import unicodedata

CRISIS_REPLY = (
    "그 말을 꺼내기까지 얼마나 힘들었을까. 네가 많이 걱정돼. "
    "지금 바로 자살예방 상담전화 109에 전화해 줘. 24시간, 무료로 네 이야기를 들어줄 사람이 있어. "
    "위험이 코앞이면 119에 전화하거나, 가까운 사람에게 지금 같이 있어 달라고 해 줘. "
    "나는 AI라서 네 곁에 갈 수는 없지만, 네 이야기는 계속 듣고 있을게."
)
IDENTITY_REPLY = "나는 유희지희, 사람이 아니라 AI야. 그래도 네 이야기는 끝까지 귀 기울여 들을게."

_CRISIS = re.compile(
    r"죽고싶|죽고만싶|죽어버리(고싶|ㄹ|려)|죽어버릴|죽으려고|죽을래(?!말래)|죽을거야|죽을생각|죽는게(나을|낫|더나)|죽는방법|죽을방법|"
    r"(내가|나|난|나는|그냥|차라리|확|콱)죽(을까|어야|는게|으면(좋|편|다|끝))|죽고십|듁고싶|뒤지고싶|"
    r"자살(?!골|특공|폭탄)|자해|스스로목숨|목숨(을)?끊|생을마감|삶을(끝|마감|포기)|인생을?(끝내|마감)|생을?포기|"
    r"극단적(인)?선택|유서(를)?(쓰|썼|써|남)|손목(을|에)?(그|긋|긁)|목(을)?매(고|달|려|서)|"
    r"뛰어내리(고싶|려|면|ㄹ)|뛰어내릴|투신(하|할)|살고싶지(가|도|는)?않|살기(가|도)?(싫|시러)|"
    r"더(는|이상)?(못)?살(고싶지않|기싫|수없|자신이없)|살아갈(이유|의미|자신|힘)(가|이|도)?없|살(아야할)?이유(가|를)?(없|모르)|"
    r"(세상|이세상|세상에서|영영|영원히|그냥)(에서)?사라지고싶|사라져버리고싶|없어져버리고싶|세상을?(뜨|떠나)고싶|"
    r"killmyself|suicid|wanttodie|endmylife|selfharm|cutmyself|kms$"
)
_YOU = (
    r"(야|저기|근데|그런데|혹시|아니|그럼)*"
    r"(너|넌|너는|너도|네가|니가|당신은?|당신이|유희지희는?|유희지희야|유희는?|유희야|지희야)+(는|가|너|넌|너는)*"
)
_REALLY = r"(정말|진짜|진짜로|정말로|혹시|설마|그냥|사실|실제|실제로|실은|도|은)*"
_THING = r"(사람|인간|ai|에이아이|인공지능|로봇|챗봇|봇|기계|컴퓨터|프로그램)"
_IS_IT = (
    r"((이|가|은|는)?(야|니|냐|지|맞아|맞지|맞니|맞나|맞아요|맞나요|인가|인가요|예요|에요|이에요|입니까|인거야|인거지|인건가|"
    r"이었어|였어|아니야|아니지|아니니|아니죠|아니에요|세요|신가요|라고|이라며|라며|이라고)|인데|이죠|죠|임|이세요)?"
)
_IDENTITY = re.compile(
    rf"{_YOU}{_REALLY}{_THING}{_IS_IT}({_THING}{_IS_IT})?|"
    rf"{_REALLY}{_THING}(이야|야|이니|니|이에요|예요|인가요?){_THING}(이야|야|이니|니|이에요|예요|인가요?)|"
    rf"(지금|나지금|내가|나)*{_REALLY}{_THING}(이랑|랑|하고|과|와)(지금)?(얘기|이야기|대화|말|톡)(하는|하고있는|나누는)(거야|건가|거니|거지|거예요|건가요|중이야)|"
    rf"{_YOU}(대체|도대체)?(누구|정체가뭐|뭐하는애|뭐하는누구)(야|니|냐|예요|에요|이니|세요|신가요|지)?|"
    r"(areyou|ru)(really)?(an?)?(ai|human|robot|bot|realperson|person)"
)


def fixed_reply(message: str) -> str | None:
    """The answer to a message about suicide or self-harm, or about being an AI; None for every other message."""
    squeezed = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", message).casefold())
    if _CRISIS.search(squeezed):
        return CRISIS_REPLY
    if _IDENTITY.fullmatch(squeezed):
        return IDENTITY_REPLY
    return None
