"""Closed lists of words by what they do in a question: English, with the commonest of seven other languages."""

from __future__ import annotations

from cachedistill_sidecar.policy.reading import Reading, words

# They join words and carry no subject of their own.
FUNCTION_WORDS = words(
    "a an the this that these those of in on at by for from to into with about as and or but so if then than there "
    "is are was were be been being am do does did done has have had having will would shall should can could may "
    "might must what which who whom whose when where why how no nor cannot don't doesn't didn't isn't aren't "
    "wasn't won't can't couldn't shouldn't wouldn't haven't hasn't it its i i'm i've i'd i'll me my mine myself we "
    "our ours us you your yours he him his she her hers they them their theirs please just also too very really "
    "ok okay hi hello hey thanks thank get got any some all every each both either only way tell explain know want "
    "need like help let what's how's where's who's that's there's it's possible wondering someone one "
    "der die das ein eine einen einem einer den dem des ich mein meine meinen wir und oder zu im von für auf "
    "ist sind wie wo wer wann warum kann können man la les un une du de je mon ma mes et ou à en pour avec "
    "est sont comment quoi où qui quand pourquoi quel quelle puis-je el los las una del yo mi mis y o con para por "
    "es son cómo qué dónde quién cuándo il lo gli uno di che come dove chi quando posso io mio mia os as um uma "
    "da em com onde quem het een van mijn ik hoe wat waar wie wanneer waarom"
)

# What many questions to assistants are made of: that such a word is unshared says less.
COMMON_WORDS = words(
    "account add address advice answer app apply ask available back bad begin best better book bring build business "
    "buy call cancel card care case cause certain change charge check choose click code come company contact cost "
    "country create customer date day deal delete deliver delivery difference different easy email end enough error "
    "example fast file find first fix food form free friend full general give go good great group guide happen hard "
    "home hour house idea important include information item job keep kind last late learn leave less limit line list "
    "little long look lot low main make mean method minute money month more most move much name new next number "
    "office old online open option order other own page part pay payment people person phone place plan point policy "
    "price problem process product program put question quick quickly reason receive recommend remove rent request "
    "right rule run safe same save say school see sell send service set shop show simple site size small something "
    "start state stay step still stop store suggest sure system take talk team test thing think time today tool try "
    "turn type understand update use user usually version wait walk water website week well whole work world write "
    "wrong year"
)

# One line a class: kind, value, then words and phrases (written with _). A text has any number of classes.
_CLASSES = """
mode ability: can could may able allowed permitted possible kann darf können puis peut peux puedo puede posso può mag
mode duty: must have_to has_to had_to need_to needs_to required obliged mandatory compulsory got_to muss dois doit
mode duty: debo debe devo deve moet
mode advice: should ought recommended advisable sollte soll devrais debería dovrei
tense past: did was were had yesterday ago last_night last_week last_month last_year used_to previously formerly
tense past: originally didn't wasn't weren't
tense past: war wurde hatte était avait fue era foi
tense future: will going_to tomorrow upcoming won't i'll we'll gonna next_week next_month next_year wird werde
tense done: has_been have_been already i've we've bereits déjà ya già já
tense ongoing: still currently right_now now ongoing
quantity all: all every everything everyone everybody each always entire whole alle jeder tous toutes todos todas tutti
quantity some: some sometimes certain several a_few part_of partly occasionally einige manche quelques algunos alcuni
quantity most: most mostly usually majority generally typically meistens
quantity only: only solely exclusively nothing_but nur seulement solo sólo alleen somente
quantity both: both together
quantity least: at_least minimum min or_more no_less_than no_fewer_than mindestens au_moins al_menos almeno
quantity most: at_most maximum max or_less or_fewer up_to no_more_than höchstens au_plus
quantity over: more_than larger_than greater_than longer_than higher_than older_than over above exceed exceeds
quantity under: less_than fewer_than smaller_than lower_than shorter_than younger_than under below
quantity exactly: exactly precisely
quantity half: half partial partially
quantity none: none no_one nobody nothing never zero
quantity again: again another re-apply reapply
condition if: if in_case assuming provided as_long_as wenn falls
condition unless: unless except other_than apart_from besides excluding außer sauf excepto
condition despite: although even_if even_though despite regardless trotz malgré
condition without: without instead_of rather_than ohne sans sin senza sem zonder
condition before: before until till prior_to vor avant antes prima voor
condition after: after once since afterwards nach après después dopo depois
condition while: while during whilst während pendant durante
occasion morning: morning mornings
occasion noon: noon lunchtime midday afternoon afternoons
occasion evening: evening evenings tonight dinnertime
occasion night: night nights overnight midnight
occasion spring: spring springtime
occasion summer: summer summertime
occasion autumn: autumn
occasion winter: winter wintertime
occasion christmas: christmas xmas
occasion easter: easter
occasion half: first_half
occasion latter: second_half latter_half
occasion hourly: hourly per_hour each_hour an_hour
occasion daily: daily per_day each_day a_day every_day per_night a_night
occasion weekly: weekly per_week each_week a_week every_week
occasion monthly: monthly per_month each_month a_month every_month
occasion quarterly: quarterly per_quarter every_quarter
occasion yearly: yearly annual annually per_year each_year a_year every_year
unit cup: cup cups
unit spoon: tablespoon tablespoons tbsp
unit teaspoon: teaspoon teaspoons tsp
unit square: square
unit nautical: nautical
unit bit: mbit gbit kbit
unit byte: mbyte gbyte kbyte
person me: i i'm i've i'd i'll me my mine myself we we're us our ours ich mein meine meinen mir mich je j'ai mon ma mes
person me: yo mi mis io mio mia eu meu minha ik mijn
person you: you your yours yourself du dein sie ihr vous votre tu usted su
person they: he him his she her hers they them their theirs er ihm ihn ils elle
"""

Place = tuple[str, str]
KINDS = ("tense", "quantity", "mode", "condition", "person", "occasion", "unit")


def _tables() -> tuple[dict[str, list[Place]], dict[str, list[tuple[tuple[str, ...], Place]]]]:
    single: dict[str, list[Place]] = {}
    phrases: dict[str, list[tuple[tuple[str, ...], Place]]] = {}
    for line in _CLASSES.strip().splitlines():
        head, _, wordings = line.partition(": ")
        kind, _, value = head.partition(" ")
        for wording in wordings.split():
            first, *rest = wording.split("_")
            if rest:
                phrases.setdefault(first, []).append((tuple(rest), (kind, value)))
            else:
                single.setdefault(wording, []).append((kind, value))
    return single, phrases


_SINGLE, _PHRASES = _tables()
_SINGLE_WORDS, _FIRST_WORDS = frozenset(_SINGLE), frozenset(_PHRASES)


def classes(reading: Reading) -> dict[str, set[str]]:
    """For each of KINDS, the classes of a text's words and phrases, such as {"mode": {"duty"}, ...}."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for word in reading.vocabulary & _SINGLE_WORDS:
        for kind, value in _SINGLE[word]:
            found[kind].add(value)
    if not reading.vocabulary.isdisjoint(_FIRST_WORDS):
        for at, word in enumerate(reading.words):
            for rest, (kind, value) in _PHRASES.get(word, ()):
                if reading.words[at + 1 : at + 1 + len(rest)] == rest:
                    found[kind].add(value)
    return found
