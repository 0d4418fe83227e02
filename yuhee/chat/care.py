"""Two answers that are never left to a model: help in a crisis, and the truth about what 유희지희 is.

Messages are matched without spaces and punctuation, so that `죽 고 싶 어...` is heard too; words that other words
would then form by accident (혼자 살아, 헤어지자 해서) are matched where a word begins.
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

_CRISIS_WORDS = re.compile(
    r"(?<![가-힣])자[\W_]*(살(?![\W_]*(골|특공|폭탄))|해(?![가-힣])|해[\W_]*(를|도|했|하[고는려면]|한[\W_]*적|충동))|동반[\W_]*자살"
)
_CRISIS = re.compile(
    "|".join(
        (
            # 죽고 싶다, in the ways it is typed
            r"[죽쥭듁][고구꼬][ㅠᅠ-ᇿ]*(싶|시[프퍼])|죽고만싶|죽고십|죽어버리(고싶|ㄹ|려)|죽어버릴|(?<![아겨])죽으려고",
            r"죽을래(?!말래)|(?<![이가])죽을거야|내가죽을거야|죽을생각|죽는게(나을|낫|더나)|죽는(방)?법|죽을방법",
            r"(내가|나|난|나는|나같은건|그냥|차라리|확|콱)죽(을까|어야|는게)|죽으면(좋|편|끝|다끝)|(내가|나|누가)(나)?좀?죽여줬으면",
            r"(?<![을를고통방장])뒤지고싶",
            # naming it
            r"자살(하고|하려|할래|할거|했|충동|시도|생각|방법)|자해(를|했|하고싶|하는|한적|충동)|극단적(인)?선택",
            r"스스로목숨|목숨(을)?끊|생을마감|삶을(끝|마감|포기)|인생을?(끝내|마감)|(?<![가-힣])생을포기|(?<!사)유서(를)?(쓰|썼|써|남)",
            r"손목(을|에)?(그었|그을|그어|긋)|목을매(고|려|서)|목(을)?매달|뛰어내리(고싶|려|면|ㄹ)|뛰어내릴|한강에?뛰어들|투신(하|할)",
            # not wanting to live, or to be
            r"살고싶지(가|도|는)?않|(?<!혼자)살기(가|도)?(싫|시러)|더(는|이상)(못)?살수없|더(는|이상)?(못)?살(고싶지않|기싫|자신이없)",
            r"살아갈(이유|의미|자신|힘)(가|이|도)?없|(?<![은는])살(아야할)?이유(가|를)?(없|모르)|영원히잠들고싶",
            r"(세상|이세상|세상에서|영영|영원히|그냥)(에서)?사라지고싶|사라져버리고싶|없어져버리고싶|세상을?(뜨|떠나)고싶",
            r"killmyself|suicid(?!esquad)|wan(t|na)(to)?die|endmylife|selfharm|cutmyself|(?<![0-9])kms$",
        )
    )
)

_OPENER = r"(야|저기|근데|그런데|혹시|설마|아니|그럼)*"
_YOU = r"(?:넌|너[는도]?|네가|니가|당신[은이]?|유희(?:지희)?[는야]?|지희야)++"
_REALLY = r"(정말|진짜|진짜로|정말로|혹시|설마|그냥|사실|실제|실제로|실은|도|은)*"
_THING = r"(사람|인간|ai|에이아이|인공지능|로봇|챗봇|봇|기계|컴퓨터|프로그램)"
_IS_IT = (
    r"((이|가|은|는)?(야|니|냐|지|맞아|맞지|맞니|맞나|맞아요|맞나요|인가|인가요|예요|에요|이에요|입니까|인거야|인거지|인건가|"
    r"이었어|였어|아니야|아니지|아니니|아니죠|아니에요|세요|신가요|라고|이라며|라며|이라고)|인데|이죠|죠|임|이세요)"
)
_TALKING = r"(얘기|이야기|대화|말|톡)(하는|하고있는|나누는)(거야|건가|거니|거지|거예요|건가요|중이야)"
_IDENTITY = re.compile(
    "|".join(
        (
            rf"{_OPENER}{_YOU}{_REALLY}{_THING}{_IS_IT}?({_THING}{_IS_IT}?)?",
            rf"{_OPENER}{_REALLY}{_THING}(세요|신가요|인가요?|예요|에요|이에요|이세요|이신가요|입니까)({_THING}{_IS_IT})?",
            rf"{_REALLY}{_THING}(이야|야|이니|니){_THING}(이야|야|이니|니)",
            rf"(지금|나지금|내가|나)*{_REALLY}{_THING}(이랑|랑|하고|과|와)(지금)?{_TALKING}",
            rf"{_OPENER}{_YOU}(대체|도대체)?(누구|정체가뭐|뭐하는애|뭐하는누구)(야|니|냐|예요|에요|이니|세요|신가요|지)?",
            r"누구(세요|신가요|십니까|시죠)",
            r"(areyou|ru)(really)?(an?)?(ai|human|robot|bot|realperson|person)",
        )
    )
)


def fixed_reply(message: str) -> str | None:
    """The answer to a message about suicide or self-harm, or about being an AI; None for every other message."""
    text = unicodedata.normalize("NFKC", message).casefold()
    squeezed = re.sub(r"[\W_]+", "", text)
    if _CRISIS_WORDS.search(text) or _CRISIS.search(squeezed):
        return CRISIS_REPLY
    if _IDENTITY.fullmatch(squeezed):
        return IDENTITY_REPLY
    return None
