"""A checkpoint's own chat template, and what is put in front of it so that nobody's words forge a turn.

The template is data: `transformers` renders it in a sandbox. What is put in front of it is Jinja, too, and is saved with
it, so that an engine that has only the saved folder is as safe as yuhee and gets the same string.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jinja2

from yuhee.data.encoding.markers import swallowing
from yuhee.data.encoding.time_limit import TooLongError, time_limit
from yuhee.errors import UserError

Messages = Sequence[Mapping[str, str]]

FORM = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
# Brackets that stay themselves under NFKC; full-width ＜ would turn into < again.
_TWINS = {"<": "〈", ">": "〉", "[": "〔", "]": "〕"}
_BOUNDARY = "{#- what follows is the checkpoint's own template -#}"
_PLACE = re.compile(r"@([A-Z]+)@")
_LABEL = 40  # characters: what is longer is a setting of its own, not a label
PATIENCE = 20.0  # seconds for all that is asked of a template when it is read; they take hundredths
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")

UNLIKE = (
    "model.pretrained: 이 체크포인트의 대화 틀(chat_template)은 답을 기다리는 대화(add_generation_prompt)와 답이 이어진 대화를 "
    "다르게 적어, 배운 대로 답하게 할 수 없습니다. 둘을 같은 글로 시작하게 틀을 고쳐 주세요."
)
ENDLESS = (
    f"model.pretrained: 이 체크포인트의 대화 틀(chat_template)이 {PATIENCE:g}초 안에 끝나지 않습니다. "
    "chat_template.jinja를 고치거나 다른 체크포인트를 고르세요."
)
# For a checkpoint that was never taught a chat. Its marks are plain text: no embedding has to be learned for them.
PLAIN_TEMPLATE = """\
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}{{- '[사용자]\\n' ~ message['content'] ~ '\\n' -}}
{%- elif message['role'] == 'assistant' -%}{{- '[유희]\\n' ~ message['content'] ~ eos_token ~ '\\n' -}}
{%- else -%}{{- message['content'] ~ '\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '[유희]\\n' -}}{%- endif -%}
"""

_PRELUDE = """\
{#- Messages: role (system, user, assistant), content, and for a user's message optionally emotion. -#}
{%- set enable_thinking = false -%}
{%- macro yuhee_safe(content) -%}
{%- set text = (content if content is string else content | map(attribute='text') | join) -%}
{%- set text = text | replace('\\r\\n', '\\n') | replace('\\r', '\\n') | trim -%}
{%- if @HINTS@ -%}
{%- set ns = namespace(text=text) -%}
{%- for mark, twin in @CONTROL@ -%}{%- set ns.text = ns.text | replace(mark, twin) -%}{%- endfor -%}
{{- ns.text -}}
{%- else -%}{{- text -}}
{%- endif -%}
@GUARDS@
{%- endmacro -%}
{%- set yuhee = namespace(setting=yuhee_safe(@SYSTEM@), said=[]) -%}
{%- for message in messages -%}
{%- set role = message['role'] -%}
{%- if role not in ['system', 'user', 'assistant'] or (role == 'system' and not loop.first) -%}
{{- raise_exception('roles are user and assistant, and system in the first place only') -}}
{%- endif -%}
{%- set text = yuhee_safe(message['content']@PUNCTUATION@) -%}
@EMOTION@
{%- set said = yuhee.said -%}
{%- if role == 'system' -%}
{%- set yuhee.setting = text -%}
{%- elif not said and role == 'assistant' -%}
{%- set yuhee.said = [{'role': 'user', 'content': '…'}, {'role': 'assistant', 'content': text}] -%}
{%- elif @ALTERNATES@ and said and said[-1]['role'] == role -%}
{%- set yuhee.said = said[:-1] + [{'role': role, 'content': said[-1]['content'] ~ '\\n' ~ text}] -%}
{%- else -%}
{%- set yuhee.said = said + [{'role': role, 'content': text}] -%}
{%- endif -%}
{%- endfor -%}
{%- set messages = yuhee.said or [{'role': 'user', 'content': '…'}] -%}
{%- if yuhee.setting and @MERGES@ -%}
{%- set first = yuhee.setting ~ '\\n\\n' ~ messages[0]['content'] -%}
{%- set messages = [{'role': 'user', 'content': first}] + messages[1:] -%}
{%- elif yuhee.setting -%}
{%- set messages = [{'role': 'system', 'content': yuhee.setting}] + messages -%}
{%- endif -%}
"""
_GUARD = "{%- for guard in @GUARDS@ -%}{%- if text.endswith(guard) -%}{{- ' ' -}}{%- endif -%}{%- endfor -%}"
_EMOTION = """\
{%- if role == 'user' and message['emotion'] is defined and message['emotion'] -%}
{%- set text = text ~ '\\n(감정: ' ~ yuhee_safe(message['emotion']) ~ ')' -%}
{%- endif -%}"""


class Rendered(NamedTuple):
    """A conversation as a string, and where in it the template says that replies stand; nowhere if it does not say."""

    text: str
    generated: list[tuple[int, int]]


class ChatTemplate:
    """A chat template that takes any conversation and lets no text stand for its own marks.

    What the template refuses is put into what it accepts: without a system role, the setting stands before the first
    user's message; where roles must alternate, messages in a row become one. A conversation that the companion opens
    begins with `…` of the user's.

    Args:
        source: Jinja text of the checkpoint.
        special: its special tokens by the names that templates use, such as `eos_token`.
        added: the tokenizer's added tokens, and whether each of them is special.
        system: the setting of a conversation that brings none.
        slot: write a message's `emotion` behind its text.
        strip: replace punctuation by spaces.

    Attributes:
        control: what text never holds: bracketed special tokens, and whatever bracketed the template itself writes. Nor
            does it hold the lines of plain text, such as `### User:`, by which a template tells who speaks.
        end: token that ends a reply.

    Raises:
        UserError: the template raises, leaves a message out, or does not end a reply with a token.
    """

    def __init__(
        self,
        source: str,
        special: Mapping[str, str],
        added: Mapping[str, bool],
        *,
        system: str = "",
        slot: bool = False,
        strip: bool = False,
    ) -> None:
        self.source = source.rpartition(_BOUNDARY)[2]
        self.special = dict(special)
        self.control: list[str] = []
        with time_limit(PATIENCE, ENDLESS):  # a template is a program, and may run for ever
            self._learn(added)
        guards = swallowing((token for token in added if token not in self.control), self.control)
        self.safe = self._guarded(self.control, guards, system=system, slot=slot, strip=strip)

    def _learn(self, added: Mapping[str, bool]) -> None:
        """What the template takes, writes and ends a reply with."""
        self._marked = bool(_GENERATION.search(self.source))
        self.alternates = self.merges = False
        self._labels: list[str] = []
        self.safe = self._guarded((), ())
        self.merges = not (self._takes(["system", "user"]) and self._continues(["system", "user"]))
        in_a_row = ["user", "user", "assistant", "assistant"]
        self.alternates = not (self._takes([*in_a_row, "user"]) and self._continues(in_a_row[:-1]))
        self.safe = self._guarded((), ())
        probe = _probe(["user", "assistant", "user"])
        text = self.render(probe).text
        if not all(message["content"] in text for message in probe):
            raise UserError(
                "model.pretrained: 이 체크포인트의 대화 틀(chat_template)이 메시지를 빠뜨려 쓸 수 없습니다."
            )
        if not self._continues(["user"]):
            raise UserError(UNLIKE)
        self._check_generated(probe)
        self.end = _end(text.partition(probe[1]["content"])[2], added)
        # a template may make its marks of the roles' names, so a conversation with each of them is looked at
        setting = _probe(["system", "user", "assistant", "user"])
        written = [text, self.render(setting).text]
        marks = {mark for part in (*written, *_literals(self.source)) for mark in FORM.findall(part)}
        tokens = {token for token, is_special in added.items() if is_special and FORM.fullmatch(token)}
        self.control = sorted({*marks, *tokens, *self.special.values(), self.end}, key=len, reverse=True)
        self._labels = _labels(written[1], setting, self.control)

    def _check_generated(self, probe: Messages) -> None:
        """Whether the marks of what a model generates, if there are any, stand around a reply."""
        text, generated = self.render(probe)
        begin = text.find(probe[1]["content"])
        end = begin + len(probe[1]["content"])
        if self._marked and not any(start < end and stop > begin for start, stop in generated):
            raise UserError(
                "model.pretrained: 이 체크포인트의 대화 틀(chat_template)은 {% generation %} 으로 답이 아닌 곳을 두릅니다. "
                "답을 두르게 고치거나 그 표시를 지워 주세요."
            )

    def render(self, messages: Messages, *, reply: bool = False) -> Rendered:
        """A conversation as one string; with `reply`, open for the next reply.

        Raises:
            UserError: the template raises; with its own words.
        """
        from transformers.utils.chat_template_utils import render_jinja_template  # seconds to import

        try:
            texts, places = render_jinja_template(
                [list(messages)],
                chat_template=self.safe,
                add_generation_prompt=reply,
                return_assistant_tokens_mask=self._marked,
                **self.special,
            )
        except TooLongError:
            raise
        except Exception as error:  # a template can fail in every way that Python can
            reason = str(error).strip().split("\n")[0][:160]
            raise UserError(
                f"model.pretrained: 이 체크포인트의 대화 틀(chat_template)이 오류를 냅니다({reason}). "
                "체크포인트의 chat_template.jinja를 고치거나 다른 체크포인트를 고르세요."
            ) from None
        return Rendered(texts[0], places[0] if places else [])

    def _takes(self, roles: Sequence[str]) -> bool:
        """Whether a conversation of such roles comes out whole and in order."""
        messages = _probe(roles)
        try:
            text = self.render(messages).text
        except TooLongError:
            raise
        except UserError:
            return False
        places = [text.find(message["content"]) for message in messages]
        return -1 not in places and places == sorted(places)

    def _continues(self, roles: Sequence[str]) -> bool:
        """Whether a conversation that waits for a reply is how the same one with the reply begins."""
        *asked, _ = said = _probe([*roles, "assistant"])
        return self.render(said).text.startswith(self.render(asked, reply=True).text)

    def _guarded(
        self,
        control: Sequence[str],
        guards: Sequence[str],
        *,
        system: str = "",
        slot: bool = False,
        strip: bool = False,
    ) -> str:
        """The template behind what makes its messages safe."""
        marks = [*control, *self._labels]
        values = {
            "HINTS": " or ".join(f"{_quoted(sign)} in text" for sign in sorted({mark[0] for mark in marks})) or "false",
            "CONTROL": _quoted([[mark, _twin(mark)] for mark in marks]),
            "GUARDS": _GUARD.replace("@GUARDS@", _quoted(guards)) if guards else "",
            "SYSTEM": _quoted(system),
            "PUNCTUATION": "".join(f" | replace('{mark}', ' ')" for mark in "?.!,") if strip else "",
            "EMOTION": _EMOTION if slot else "",
            "ALTERNATES": _quoted(self.alternates),
            "MERGES": _quoted(self.merges),
        }
        prelude = _PLACE.sub(lambda place: values[place[1]], _PRELUDE)
        return f"{prelude}{_BOUNDARY}{self.source}"


def _probe(roles: Sequence[str]) -> list[dict[str, str]]:
    return [{"role": role, "content": f"{place}번째 말"} for place, role in enumerate(roles, 1)]


def _end(tail: str, added: Mapping[str, bool]) -> str:
    """The token that a template writes behind a reply, white space aside."""
    ends = [token for token in added if token.strip() and tail.lstrip().startswith(token)]
    if not ends:
        raise UserError(
            "model.pretrained: 이 체크포인트의 대화 틀(chat_template)은 답을 토큰으로 끝맺지 않아, 모델이 답을 끝내는 법을 "
            "배울 수 없습니다. 틀에서 답 뒤에 eos_token을 적어 주세요."
        )
    return max(ends, key=len)


def _literals(source: str) -> Iterator[str]:
    """What a template writes as it stands."""
    for _, kind, value in jinja2.Environment().lex(source):  # noqa: S701 - nothing is rendered
        if kind in ("data", "string"):
            yield value


def _labels(text: str, messages: Messages, control: Sequence[str]) -> list[str]:
    """Plain text around the messages of a rendered conversation that tells who speaks, the longest first."""
    around = re.split("|".join(re.escape(message["content"]) for message in messages), text)
    for mark in control:
        around = [piece for part in around for piece in part.split(mark)]
    lines = {line.strip() for part in around for line in part.splitlines()}
    told = {line for line in lines if 3 <= len(line) <= _LABEL and (line[-1] in ":：" or line[0] in "#*=")}
    return sorted(told, key=lambda line: (-len(line), line))


def _twin(mark: str) -> str:
    """A look-alike that no mark is part of."""
    if mark[0] in _TWINS and len(mark) > 1:
        return _TWINS[mark[0]] + mark[1:-1] + _TWINS.get(mark[-1], mark[-1])
    return f"{mark[0]} {mark[1:]}"


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
