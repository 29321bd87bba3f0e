"""What a column's name says of its contents: headers of personal data in several languages."""

from __future__ import annotations

import re
from collections.abc import Iterable

#: Words of a header per kind of personal data; ``*`` ends a word of which only the beginning is given.
#: A phrase of several words must stand in the header in that order, without others between.
_PHRASES: dict[str, str] = {
    "e-mail": "email*, e mail*, mail address, courriel, correo electronico",
    "phone": (
        "phone*, telephone*, tel, mobile, cell phone, fax, handy, handynummer, telefon*, telefoon*, "
        "rufnummer, telefono, portable, msisdn"
    ),
    "payment card": (
        "card number, card no, cardnumber, credit card*, debit card*, cc number, cc num, ccnum, pan, "
        "kartennummer, numero de carte"
    ),
    "iban": "iban*, account number, account no, bank account, kontonummer, kontonr, bankverbindung",
    "national id": (
        "ssn, social security*, national id*, nationalid, national insurance*, nino, nhs number, "
        "passport*, id card*, identity card*, identity number, tax id*, taxid, tin, steuer id*, "
        "steuernummer, bsn, burgerservicenummer, personnummer, fodselsnummer, cpr number, cpr nummer, "
        "hetu, henkilotunnus, pesel, isikukood, dni, nie, nif, codice fiscale, cpf, aadhaar*, nir, insee, "
        "numero de securite sociale, sin number, driver license*, drivers license*, driving licence*, "
        "fuhrerschein*, personalausweis*"
    ),
    "ip address": "ip, ipv4, ipv6, ip addr*, ipaddress, client ip, remote addr*",
    "date of birth": (
        "dob, birth*, date of birth, day of birth, year of birth, born, born on, geburt*, geb datum, date "
        "de naissance, naissance, fecha de nacimiento, nacimiento, data di nascita, geboorte*, "
        "fodselsdato, fodselsdag, syntymaaika, data urodzenia"
    ),
    "name": (
        "first name*, firstname*, last name*, lastname*, surname*, given name*, givenname*, family name*, "
        "familyname, full name*, fullname*, middle name*, maiden name, forename*, nickname, customer "
        "name, client name, patient name, employee name, student name, contact name, person name, holder "
        "name, cardholder*, vorname*, nachname*, familienname, geburtsname, prenom*, nom de famille, nom "
        "complet, nombre, nombres, apellido*, cognome, voornaam, achternaam, fornavn, etternavn, fornamn, "
        "efternamn, imie, nazwisko"
    ),
    "address": (
        "address, addresses, addr, home address, postal address, street*, strasse, hausnummer, house "
        "number, house no, adresse*, anschrift, rue, calle, direccion, indirizzo, adres, straat"
    ),
    "postcode": (
        "zip, zip code, zipcode, postcode*, post code, postal code, postalcode, plz, postleitzahl, code "
        "postal, codigo postal"
    ),
    "person id": (
        "customer id, customerid, client id, clientid, patient id, patientid, user id, userid, username, "
        "user name, login, employee id, employeeid, student id, studentid, member id, memberid, person "
        "id, personid, subject id, subjectid, kundennummer, kundennr, patientennummer, personalnummer"
    ),
    "location": "latitude, longitude, lat, lon, lng, gps*, geolocation",
    "device id": (
        "imei, imsi, mac address, device id, deviceid, advertising id, idfa, vin, licence plate*, license "
        "plate*, number plate*, kennzeichen"
    ),
}
#: Kinds in whose columns text must stand, so that ``name_length`` or ``street_count`` is passed over.
TEXT_KINDS = frozenset({"name", "address", "e-mail"})

#: Words by which columns group people without naming them: together they may single someone out.
_QUASI = (
    "age, age group, birth*, dob, sex, gender, geschlecht, sexe, race, ethnic*, nationality, "
    "citizenship, religion, country*, native country, region, state, county, province, city, town, "
    "municipality, district, zip, zip code, zipcode, postcode, postal code, plz, wohnort, ort, "
    "marital*, marital status, civil status, family status, education*, qualification*, degree, "
    "school, occupation, job, job title, profession, beruf, employer, workclass, relationship, "
    "children, dependents, household*, disability, height, weight, salary, income, housing"
)

_FOLDED = str.maketrans("äöüåøéèêëàâáíìóòôúùûñç", "aouaoeeeeaaaiiooouuunc")


def words_of(header: str) -> str:
    """A header as lower-case words between single blanks, with a blank at both ends.

    >>> words_of("dateOfBirth"), words_of("E-Mail_Adresse")
    (' date of birth ', ' e mail adresse ')
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", header)
    plain = apart.lower().replace("ß", "ss").translate(_FOLDED)
    return f" {' '.join(re.findall(r'[a-z]+|[0-9]+', plain))} ".replace("ipv 4", "ipv4").replace(
        "ipv 6", "ipv6"
    )


def kinds_of_header(header: str) -> list[str]:
    """The kinds of personal data that a header names, most telling first; empty for most headers.

    >>> kinds_of_header("Geburtsdatum"), kinds_of_header("birth_rate_ok"), kinds_of_header("loan_amount")
    (['date of birth'], ['date of birth'], [])
    """
    words = words_of(header)
    return [kind for kind, pattern in _PATTERNS.items() if pattern.search(words)]


def is_quasi_identifier(header: str) -> bool:
    """Whether a header names a trait that many people share, such as age, sex or town."""
    return bool(_QUASI_PATTERN.search(words_of(header)))


def _pattern(phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(_each(phrases.split(","))))


def _each(phrases: Iterable[str]) -> Iterable[str]:
    for phrase in phrases:
        text = phrase.strip()
        yield f" {text[:-1]}[a-z0-9]* " if text.endswith("*") else f" {text} "


_PATTERNS = {kind: _pattern(phrases) for kind, phrases in _PHRASES.items()}
_QUASI_PATTERN = _pattern(_QUASI)
