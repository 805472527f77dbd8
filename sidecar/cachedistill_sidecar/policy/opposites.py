"""Words that turn a question into its opposite: closed tables, each line the one side | the other."""

from __future__ import annotations

import re

# No negation stands here: polarity counts those itself. Verbs in their plain form; their other forms are derived.
_VERBS = """
enable activate | disable deactivate
increase raise | decrease reduce lower
increase raise extend upgrade | decrease reduce shorten downgrade
import | export
open | close shut
add insert | remove
upload | download
allow permit | block forbid ban prohibit disallow
accept approve | reject decline refuse deny
buy purchase | sell
lock | unlock
mute | unmute
freeze | unfreeze
archive | unarchive
install | uninstall
subscribe | unsubscribe
follow | unfollow
connect | disconnect
encrypt | decrypt
encode | decode
compress | decompress extract
include | exclude
show | hide
start begin | stop
pause | resume
grant | revoke
join | leave quit
lend | borrow
push | pull
mount | unmount
attach | detach
expand | collapse
arrive | depart
gain win | lose
keep | discard lose
merge | split
send | receive
eat | avoid
create | delete destroy
pass | fail
improve | worsen damage
deposit enrol enroll | withdraw
enter | exit
hire | fire
rise | fall drop
thicken | thin
warm heat | cool chill
praise | criticise criticize
grow | shrink
aktivieren aktiviere einschalten | deaktivieren deaktiviere ausschalten abschalten
öffnen öffne | schließen schließe
erhöhen erhöhe | senken senke verringern
hinzufügen | entfernen löschen
annehmen | ablehnen
kündigen kündige | verlängern verlängere
activer | désactiver
ouvrir | fermer
augmenter | diminuer réduire
ajouter | supprimer
accepter | refuser
activo activar | desactivo desactivar
abrir abro | cerrar cierro
aumentar aumento | disminuir reducir bajar
aceptar | rechazar
aprire apro | chiudere chiudo
attivare attivo | disattivare disattivo
aumentare | diminuire ridurre
accettare | rifiutare
ativar | desativar
aceitar | recusar
"""

_WORDS = """
before | after
min minimum | max maximum
increase increased longer larger bigger higher more | decrease decreased shorter smaller lower less fewer
upgrade bigger higher | downgrade smaller lower
most | least
best | worst
better | worse
highest biggest largest longest greatest | lowest smallest shortest
faster | slower
fastest quickest | slowest
cheapest | dearest costliest
first | last
earliest | latest
over above | under below
all every everything both | one single
hot warm | cold cool
busy | quiet
spicy | mild
soft runny | hard firm
public | private
internal | external
inbound incoming | outbound outgoing
ascending | descending
local | remote
horizontal horizontally | vertical vertically
left | right
north | south
east | west
male men | female women
adult adults | child children kid kids
benefit benefits advantage advantages pros upside upsides | drawback drawbacks disadvantage disadvantages cons downsides
positive | negative
safe | dangerous harmful
legal | illegal
cheap | expensive
temporary temporarily | permanent permanently
manual manually | automatic automatically
synchronous | asynchronous
domestic | international
credit | debit
income | expense expenses
online | offline
partial part | full
mandatory compulsory obligatory required | optional voluntary
inside indoor indoors | outside outdoor outdoors
input | output
sender | recipient receiver
buyer | seller
employer | employee
landlord | tenant
early | late
success | failure
profit | loss
heavier | lighter
strongest | mildest weakest
acidic | alkaline
oldest | youngest newest
widest | narrowest
easier | harder
healthier | unhealthier
strict | lenient
aan | uit
"""

# Verbs whose particle carries the meaning, with up to four words between: "turn it off", "log in", "check-out".
_PARTICLES = """
turn switch power | on | off
turn scale zoom | up | down
speed slow | up | down
log logged sign | in on | out off
check checked | in | out
opt | in | out
"""

# For scripts without blanks: found anywhere in a text.
_PARTS = """
打开 开启 启用 | 关闭 禁用 停用
增加 提高 | 减少 降低
登录 | 退出 注销
オン 有効 開く 開け | オフ 無効 閉じ
増や 上げ | 減ら 下げ
ログイン | ログアウト
追加 | 削除
켜 | 끄
"""

_IRREGULAR = {
    "buy": "bought", "sell": "sold", "begin": "began begun", "freeze": "froze frozen", "unfreeze": "unfroze unfrozen",
    "leave": "left", "lend": "lent", "lose": "lost", "win": "won", "keep": "kept", "send": "sent", "eat": "ate eaten",
    "hide": "hid hidden", "show": "shown", "forbid": "forbade forbidden", "rise": "rose risen", "fall": "fell fallen",
    "thin": "thinned thinning", "withdraw": "withdrew withdrawn", "shrink": "shrank shrunk",
}  # fmt: skip


def _rows(table: str) -> list[list[list[str]]]:
    return [[side.split() for side in line.split("|")] for line in table.strip().splitlines()]


def _forms(verb: str) -> set[str]:
    """The forms of a regular verb, with some that don't exist; they harm nobody."""
    stem = verb.removesuffix("e")
    forms = {verb, f"{verb}s", f"{verb}es", f"{stem}ed", f"{stem}ing", f"{verb}{verb[-1]}ed", f"{verb}{verb[-1]}ing"}
    if verb.endswith("y"):
        forms |= {f"{verb[:-1]}ies", f"{verb[:-1]}ied"}
    return forms | set(_IRREGULAR.get(verb, "").split())


def _table() -> dict[str, frozenset[tuple[int, int]]]:
    verbs, others = _rows(_VERBS), _rows(_WORDS)
    places: dict[str, set[tuple[int, int]]] = {}
    for number, row in enumerate([*verbs, *others]):
        for side, words in enumerate(row):
            for word in words:
                for form in _forms(word) if number < len(verbs) else {word}:
                    places.setdefault(form, set()).add((number, side))
    return {word: frozenset(found) for word, found in places.items()}


# Word -> the pairs it stands in, each with its side, 0 or 1.
OPPOSITES = _table()
OPPOSITE_WORDS = frozenset(OPPOSITES)


def _particle(verbs: list[str], sides: list[list[str]]) -> re.Pattern[str]:
    head, left, right = ("|".join(words) for words in (verbs, *sides))
    return re.compile(
        rf"\b(?:{head})(?:s|ed|ped|ing|ging|ping)?(?:-|\s+)(?:[\w'-]+\s+){{0,4}}?(?:(?P<left>{left})|(?P<right>{right}))\b"
    )


# Verb starts -> a pattern that finds the verb with its particle, on the left or on the right side of the pair.
PARTICLES = tuple((tuple(verbs), _particle(verbs, sides)) for verbs, *sides in _rows(_PARTICLES))

# Parts of words of scripts without blanks, each with its pair and its side.
PARTS = tuple(
    (part, (number, side))
    for number, row in enumerate(_rows(_PARTS), 1000)
    for side, parts in enumerate(row)
    for part in parts
)
