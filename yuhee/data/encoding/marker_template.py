"""The renderer of the marker format as a Jinja chat template, so that other engines see the same string.

The template repeats the encoder's defusing: an engine that has only the saved folder is as safe as yuhee.
"""

import json

from yuhee.data.encoding.markers import ASSISTANT, CLOSE, EMOTION, END, NEWLINE, OPEN, SYSTEM, USER, Markers

_TEMPLATE = """\
{{#- Messages: role (system, user, assistant), content, and for a user's message optionally emotion. -#}}
{{%- macro safe(text) -%}}
{{%- set ns = namespace(text=text | trim) -%}}
{{%- for marker in {control} -%}}
{{%- set ns.text = ns.text | replace(marker, '{open}' ~ marker[1:-1] ~ '{close}') -%}}
{{%- endfor -%}}
{{%- set ns.text = ns.text | replace('\\r\\n', '\\n') | replace('\\r', '\\n') | replace('\\n', '{newline}') -%}}
{{%- for guard in {guards} -%}}
{{%- set ns.text = ns.text | replace(guard ~ '{newline}', guard ~ ' {newline}') -%}}
{{%- if ns.text.endswith(guard) -%}}{{%- set ns.text = ns.text ~ ' ' -%}}{{%- endif -%}}
{{%- endfor -%}}
{{{{- ns.text -}}}}
{{%- endmacro -%}}
{opening}{{%- for message in messages -%}}
{{%- if message['role'] == 'user' -%}}
{{{{- '{user}' ~ safe(message['content']{punctuation}) ~ '{emotion}' -}}}}{slot}
{{%- elif message['role'] == 'assistant' -%}}
{{{{- '{assistant}' ~ safe(message['content']{punctuation}) ~ '{end}' -}}}}
{{%- elif message['role'] == 'system' and loop.first -%}}
{{{{- '{system}' ~ safe(message['content']{punctuation}) -}}}}
{{%- else -%}}
{{{{- raise_exception('roles are user and assistant, and system in the first place only') -}}}}
{{%- endif -%}}
{{%- endfor -%}}
{closing}
"""
_SLOT = "{%- if message['emotion'] is defined and message['emotion'] is not none -%}{{- safe(message['emotion']) -}}{%- endif -%}"


_PROMPT = "{{%- if add_generation_prompt -%}}{{{{- '{assistant}' -}}}}{{%- endif -%}}"
_FRAME = "{{{{- '{marker}' -}}}}"


def marker_template(
    markers: Markers,
    *,
    slot: bool,
    strip: bool,
    roles: tuple[str, str] = (USER, ASSISTANT),
    frame: tuple[str, str] | None = None,
) -> str:
    """Jinja text whose output, tokenized without extra special tokens, gives the encoder's ids.

    Args:
        slot: write a message's `emotion` into its slot.
        strip: replace punctuation by spaces.
        roles: markers that open a user's and an assistant's turn.
        frame: markers around the whole, for a network that reads it at once; without, `add_generation_prompt` opens
            the reply.
    """
    user, assistant = roles
    first, last = (_FRAME.format(marker=marker) for marker in frame or ("", ""))
    return _TEMPLATE.format(
        punctuation="".join(f" | replace('{mark}', ' ')" for mark in "?.!,") if strip else "",
        control=json.dumps(sorted(markers.control, key=len, reverse=True)),
        guards=json.dumps(list(markers.guards)),
        slot=_SLOT if slot else "",
        opening=f"{first}\n" if frame else "",
        closing=last if frame else _PROMPT.format(assistant=assistant),
        open=OPEN,
        close=CLOSE,
        newline=NEWLINE,
        user=user,
        assistant=assistant,
        end=END,
        emotion=EMOTION,
        system=SYSTEM,
    )
