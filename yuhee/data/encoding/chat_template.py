"""The renderer of `causal_lm` as a Jinja chat template, so that other engines see the same string.

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
{{%- for message in messages -%}}
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
{{%- if add_generation_prompt -%}}{{{{- '{assistant}' -}}}}{{%- endif -%}}
"""
_SLOT = "{%- if message['emotion'] is defined and message['emotion'] is not none -%}{{- safe(message['emotion']) -}}{%- endif -%}"


def chat_template(markers: Markers, *, slot: bool, strip: bool) -> str:
    """Jinja text whose output, tokenized without extra special tokens, gives the encoder's ids.

    Args:
        slot: write a message's `emotion` into its slot.
        strip: replace punctuation by spaces.
    """
    return _TEMPLATE.format(
        punctuation="".join(f" | replace('{mark}', ' ')" for mark in "?.!,") if strip else "",
        control=json.dumps(sorted(markers.control, key=len, reverse=True)),
        guards=json.dumps(list(markers.guards)),
        slot=_SLOT if slot else "",
        open=OPEN,
        close=CLOSE,
        newline=NEWLINE,
        user=USER,
        assistant=ASSISTANT,
        end=END,
        emotion=EMOTION,
        system=SYSTEM,
    )
