"""Finder of the names of a room's members, in the forms in which people call each other."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from yuhee.data.privacy.found import Found, blank
from yuhee.data.privacy.labels import halves, is_role, latin_forms, names_of, plain
from yuhee.data.privacy.pseudonyms import is_pseudonym, pseudonyms
from yuhee.data.privacy.words import CLEAR_COMPOUND, CLEAR_SYLLABLES, COMPOUND, DOES, JOBS, KINSHIP, OWNED, WORDS

_START = "(?<![가-힣])"
_GLUED = "(?<=[가-힣ㅋㅎㅠ])(?<=[워해어아야지네요고자라마와줘봐니ㅋㅎㅠ])"  # 고마워하늘아
_TITLE = f"(?:{KINSHIP}|{JOBS}|님|씨)"
_CLOSE_TITLE = "(?:님|씨|형|누나|언니|오빠|쌤|샘|선배|이모|삼촌|맘)"
# what may follow a name that is nothing but a name; 이 may be followed by anything (민준이꺼)
_PARTICLE = (
    "이|가|는|은|를|을|의|도|만|랑|하고|한테|에게|에서|께|와|과|로|으로|라|란|처럼|보다|까지|부터|마저|조차|밖에|대로"
    "|같|네|들|아|앙|앜|야|여|요|예요|에요"
    "|입니|인데|인가|인 |임|였|지|니|냐|나|든|고|군|양|꺼|거|껀|쪽|스|쓰|찡|짱"
    "|때문|덕분|땜|따라|말고|빼고|집|생일|전화|번호|폰|왈|더러|보고"
)
# what only follows somebody: after a final consonant 이 stands between (하늘이가 is no sky, 하늘이 may be one)
_AFTER_I = (
    "가|는|를|도|만"
    "|한테|에게|네(?= [가-힣]|집|엄마|아빠|가족|언니|오빠|형|누나)|의|와|보다|까지|부터|처럼"
    "|랑|하고|같|께|더러|보고|밖에|마저|조차|꺼|거(?![가-힣])|들"
    f"| ?{_TITLE}"
)
_TO_SOMEBODY = "한테|에게|더러|네(?= [가-힣])"
_AGREES = re.compile("이에요|이었|이|아(?![가-힣])|은|을|과|으로")
_NEW_FORM = {"이에요": "예요", "이었": "였", "이": "", "아": "야", "은": "는", "을": "를", "과": "와", "으로": "로"}
_HANGUL = re.compile("[가-힣]+")
_SPACED = re.compile("[가-힣]{1,2} [가-힣]{1,3}")  # 김 하늘, but not the end of 하늘이 바다

_OPEN = "".join(chr(code) for code in range(0xAC00, 0xD7A4, 28))  # syllables without a final consonant
_CLOSED, _VOWEL = f"(?<![{_OPEN}])", f"(?<=[{_OPEN}])"
_CALLED = f"{_CLOSED}(?:아앙?(?![가-힣])|앙(?![가-힣])|앜|이(?:[~!]|{_AFTER_I}))|{_TO_SOMEBODY}"
_CLEAR = f"(?<=[{CLEAR_SYLLABLES}])이(?![가-힣])"
_LIVES = (
    f"이? (?:{OWNED})|{_CLOSED}이 (?:거|꺼|껀|집|폰|방|옷|차)(?![가-힣]{{2}})"
    f"|(?:[은는도]|[이가](?: [가-힣]{{1,6}}(?<![서면까고니데게지]))?) (?:{DOES})"
)
# patterns per class of form, surest first; each reads what the ones before it left
_CLASSES = {
    "anywhere": "(?P<name>NAME)",
    "latin": "(?i:(?<![A-Za-z0-9_])(?P<name>NAME)(?![A-Za-z0-9_]))",
    "name": f"{_START}(?P<name>NAME)(?=[^가-힣]|$|{_PARTICLE}|{_TITLE})",
    "word": f"{_START}(?P<name>NAME)(?={_CALLED}|{_VOWEL}(?:야(?![가-힣])|랑)|(?:군|양)(?![가-힣])| ?{_TITLE}|{_LIVES})",
    "syllable": f"{_START}(?P<name>NAME)(?={_CALLED}|{_CLEAR}|{_VOWEL}야(?=[,!~])|{_CLOSE_TITLE}"
    f"| {_CLOSE_TITLE}(?![가-힣]{{2}}))",
    "half": f"{_START}(?P<name>NAME)(?=님)",
    "mention": "(?<=@)(?P<name>NAME)(?![가-힣])",
    "vocative": f"{_GLUED}(?P<name>NAME)(?=[아야](?![가-힣]))",
}
_ALSO = {"mention": ("word", "syllable"), "vocative": ("name", "word")}  # classes whose forms a pattern reads


class Names:
    """The members of a room, what each is called, and who each becomes.

    Args:
        members: sender labels.
        keep: names that are no secret.
    """

    def __init__(self, members: Iterable[str], keep: Iterable[str]) -> None:
        self.keep = frozenset(map(plain, keep))
        self._people: dict[str, str] = {}
        self._forms: dict[str, str] = {}
        self._halves: dict[str, str] = {}
        self.learn(members)

    def learn(self, labels: Iterable[str]) -> None:
        """Give each new label a pseudonym and look for its forms from now on."""
        new = [label for label in dict.fromkeys(map(plain, labels)) if label and label not in self._people]
        called = {label: names_of(label) for label in new if label not in self.keep}
        short = {part for _, given in called.values() for part in given if len(part) == 1}
        taken = [*self._people, *self._people.values(), *self._forms, *new, *self.keep]
        fresh = (name for name in pseudonyms(taken) if name[0] not in short)  # 윤아야 would call a 윤
        for label, (full, given) in called.items():
            if is_role(label):
                continue
            self._people[label] = next(fresh)
            latin = [form for name in full for part in given for form in latin_forms(name, part)]
            for form in (*full, *given, *latin):
                if form not in self.keep:
                    self._forms.setdefault(form if _HANGUL.search(form) else form.lower(), self._people[label])
            self._halves.update((half, self._people[label]) for name in full for half in halves(name))
        self._compile()

    def person(self, label: str) -> str:
        """Who a speaker becomes; a label that names nobody (엄마, 팀장님, A), a kept one and a pseudonym stay."""
        name = plain(label)
        if name in self.keep or name in self._people.values():
            return label
        if name not in self._people and not is_pseudonym(name):
            self.learn([label])
        return self._people.get(name, label)

    def forms(self) -> list[str]:
        """Every string that may be a name, for a quick look whether a text holds any."""
        return [*self._forms, *self._halves]

    def find(self, shadow: str) -> Iterator[list[Found]]:
        """Names, class by class; each class reads a shadow without the names found before."""
        for pattern in self._patterns:
            found = [self._found(match) for match in pattern.finditer(shadow)]
            yield found
            shadow = blank(shadow, found)

    def _found(self, match: re.Match[str]) -> Found:
        name = match["name"]
        person, end, particle = (
            self._forms.get(name) or self._forms.get(name.lower()) or self._halves[name],
            match.end("name"),
            "",
        )
        if "가" <= name[-1] <= "힣" and name[-1] not in _OPEN and (agrees := _AGREES.match(match.string, end)):
            end, particle = agrees.end(), _NEW_FORM[agrees[0]]
        return Found(match.start("name"), end, "name", person + particle)

    def _compile(self) -> None:
        classes: dict[str, list[str]] = defaultdict(list)
        for form in self._forms:
            classes[_class(form)].append(form)
        classes["half"] = [half for half in self._halves if half not in self._forms]
        self._patterns = []
        for name, pattern in _CLASSES.items():
            forms = [form for c in _ALSO.get(name, (name,)) for form in classes[c]]
            if forms:
                self._patterns.append(re.compile(pattern.replace("NAME", alternation(forms))))


def _class(form: str) -> str:
    if not _HANGUL.search(form):
        return "latin"
    if form in WORDS or (form in COMPOUND and form not in CLEAR_COMPOUND):
        return "word"
    if _SPACED.fullmatch(form):
        return "name"
    if not _HANGUL.fullmatch(form) or len(form) > 2:
        return "anywhere"
    return "syllable" if len(form) == 1 else "name"


def alternation(forms: Iterable[str]) -> str:
    """A pattern of any of the forms, the longest first, grouped by the first character so that most places fail at once."""
    groups: dict[str, list[str]] = defaultdict(list)
    for form in sorted(set(forms), key=len, reverse=True):
        groups[form[0]].append(re.escape(form[1:]))
    return "(?:" + "|".join(f"{re.escape(first)}(?:{'|'.join(rest)})" for first, rest in groups.items()) + ")"
