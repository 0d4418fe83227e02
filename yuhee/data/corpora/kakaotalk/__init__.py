"""KakaoTalk's "대화 내보내기", in every notation that its clients have written.

KakaoTalk documents no format, and it differs by client, language and clock setting, so nothing here depends on a file's
name. `files` finds the exports and yields their lines, `grammar` reads one line, `survey` decides once per file what its
records look like, `messages` and `csv_export` turn lines into messages, `kinds` tells words from placeholders,
`merging` joins exports of one room, `cast` says who is who, `dialogues` cuts sessions, and `export.read` is the reader.
"""
