"""Words that mean the same in questions to assistants, so that one in the place of another is no difference."""

from __future__ import annotations

# A line is one meaning, named by its first word. A word stands in one line at most: in the sense that it mostly has.
_MEANINGS = """
advantage benefit upside
allow permit permitted allowed
amount quantity sum
angry mad
answer reply respond response
app application program programme
approximately roughly about around
ask inquire enquire
baby infant newborn
beautiful pretty
begin start commence launch initiate
bicycle bike
big large huge
bigger larger greater
biggest largest greatest
bill invoice
boss employer
broken damaged defective faulty
build construct
buy purchase acquire
cancel terminate revoke
car automobile vehicle
change modify alter edit adjust amend
cheap inexpensive affordable
check verify inspect examine
child kid
choose select pick
client customer shopper
computer pc
cook prepare
correct proper
cost price fee expense
create make generate produce establish
currently presently
dangerous hazardous risky
decrease reduce lower
delete remove erase discard wipe
delivery shipping
difference differ distinction
disable deactivate
dismiss sack fired dismissed
doctor physician gp
drawback disadvantage downside
easy simple straightforward
eat consume
email mail
employee worker staff
enable activate
end finish conclude
error bug fault exception
everybody everyone
exam examination test
expensive pricey dear pricier
explain describe clarify elaborate
fast quick rapid speedy quickly
faster quicker
film movie
find locate discover
firm company business
fix repair resolve solve troubleshoot mend
flat apartment
flight flying
folder directory
forbid prohibit ban forbidden prohibited banned
fridge refrigerator
get obtain receive
give provide supply
halt cease quit
happy glad
hard difficult tough
help assist assistance support aid
holiday vacation
hotel accommodation
house home
ill sick unwell
illness disease sickness
important essential crucial vital
increase raise boost
install setup
item product goods merchandise
job employment
keep retain maintain
kids children
kind type sort
landlord lessor
laptop notebook
lawyer attorney solicitor
lift elevator
man male men
mandatory compulsory obligatory
maximum max
maybe perhaps
mean signify meaning definition define
medicine medication drug
minimum min
money cash funds
nearest closest
need require
nice pleasant
often frequently
parcel package shipment
password passcode passphrase
pavement sidewalk
pay settle
permission authorisation authorization
permit licence license
petrol gasoline
phone telephone mobile cellphone smartphone
photo picture photograph pic
plane aeroplane airplane aircraft
possible feasible
pregnant expecting
print output
pupil student
queue line
reason cause
refund reimburse reimbursement
register enroll enrol
rent lease
rubbish trash garbage waste
run execute
safe secure
salary wage earnings
say tell
scared afraid
send ship dispatch
shop store
show display view see
slow sluggish
small little tiny
smaller littler
smallest littlest
song track
subscription membership
subway metro
supermarket grocery
talk speak chat
teacher instructor
tenant renter
tired exhausted
toilet bathroom restroom loo
tourist traveller traveler visitor
trip journey travel travelling traveling
tv television telly
use utilise utilize
watch look
way manner
weird strange odd
woman female women
wrong incorrect
"""


_SUFFIXES = ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s", "e", "y")
_SHORTEST_STEM = 3


def stem(word: str) -> str:
    """A word without its ending; not a word any more, and the same for "cancelling" and "cancelled"."""
    if word.endswith(_SUFFIXES):
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= _SHORTEST_STEM:
                word = word[: -len(suffix)]
                break
    return word[:-1] if len(word) > _SHORTEST_STEM and word[-1] == word[-2] else word


def _table() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in _MEANINGS.strip().splitlines():
        first, *rest = line.split()
        for word in (first, *rest):
            found.setdefault(stem(word), stem(first))
    return found


_MEANING_OF = _table()


def meaning(word: str) -> str:
    """The stem of the word that names a word's meaning; its own stem when there is none."""
    own = stem(word)
    return _MEANING_OF.get(own, own)
