"""The closed list of bases and reasons: stable codes, each with its source and one plain sentence per language.

Source: design.md §4 (reasons), in its order.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec


class Basis(StrEnum):
    """Why a permit was given."""

    CONSENT = "consent"  # design.md §3.2; FI 703/2023 § 6
    OWN_DOCUMENT = "own-document"  # design.md §3.3: what an agency filed itself, while the case is open
    DATA_SUBJECT = "data-subject"  # GDPR Art. 15: the client's own reading
    CONTROLLER_DUTY = "controller-duty"  # design.md §3.3: a records officer answers the client's own request


class Reason(StrEnum):
    """Why not: each speaks against a release, and all that do are given."""

    NO_CONSENT = "no-consent"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"
    GUARDIAN_CONSENT_LAPSED = "guardian-consent-lapsed"
    CLIENT_DECEASED = "client-deceased"
    RECIPIENT_NOT_COVERED = "recipient-not-covered"
    NOT_A_MEMBER = "not-a-member"
    SOURCE_NOT_COVERED = "source-not-covered"
    DOCUMENT_NOT_COVERED = "document-not-covered"
    DATED_OUTSIDE = "dated-outside"
    FUTURE_DOCUMENT_NOT_COVERED = "future-document-not-covered"
    PROTECTED_CLASS_NOT_NAMED = "protected-class-not-named"
    ACTION_NOT_COVERED = "action-not-covered"
    PURPOSE_NOT_COVERED = "purpose-not-covered"
    DENIED_BY_PROVISION = "denied-by-provision"
    PROHIBITED = "prohibited"
    CASE_CLOSED = "case-closed"
    CASE_ARCHIVED = "case-archived"
    DOCUMENT_RETRACTED = "document-retracted"
    DOCUMENT_MISFILED = "document-misfiled"
    AGENCY_SUSPENDED = "agency-suspended"


STATE_REASONS = frozenset(
    {
        Reason.NOT_YET_VALID,
        Reason.EXPIRED,
        Reason.WITHDRAWN,
        Reason.SUPERSEDED,
        Reason.GUARDIAN_CONSENT_LAPSED,
        Reason.CLIENT_DECEASED,
    }
)
"""The reasons that say a consent, or one of its provisions, is not in force."""


class Explanation(msgspec.Struct, frozen=True):
    """Where a basis or reason comes from, and what people are told."""

    source: str
    fi: str
    sv: str
    en: str


EXPLANATIONS: Mapping[Basis | Reason, Explanation] = MappingProxyType(
    {
        Basis.CONSENT: Explanation(
            "design.md §3.2; FI 703/2023 § 6",
            "Kirjallinen suostumus sallii tämän.",
            "Ett skriftligt samtycke tillåter detta.",
            "A written consent permits this.",
        ),
        Basis.OWN_DOCUMENT: Explanation(
            "design.md §3.3 (own document)",
            "Organisaatio luki asiakirjan, jonka se on itse toimittanut asiaan.",
            "Organisationen läste en handling som den själv har lämnat in.",
            "The organisation read a document that it filed itself.",
        ),
        Basis.DATA_SUBJECT: Explanation(
            "GDPR Art. 15; design.md §3.3 (data subject)",
            "Asiakkaalla on oikeus lukea omat tietonsa.",
            "Klienten har rätt att läsa sina egna uppgifter.",
            "The client has the right to read their own records.",
        ),
        Basis.CONTROLLER_DUTY: Explanation(
            "GDPR Art. 12 and 15; design.md §3.3 (controller's duty)",
            "Tietopyyntöjen käsittelijä vastasi asiakkaan omaan pyyntöön.",
            "En handläggare besvarade klientens egen begäran.",
            "A records officer was answering the client's own request.",
        ),
        Reason.NO_CONSENT: Explanation(
            "design.md §3.2 (deny by default)",
            "Suostumusta ei ole.",
            "Det finns inget samtycke.",
            "There is no consent.",
        ),
        Reason.NOT_YET_VALID: Explanation(
            "design.md §3.2 (valid_from)",
            "Suostumus ei ole vielä voimassa.",
            "Samtycket gäller inte ännu.",
            "The consent is not yet valid.",
        ),
        Reason.EXPIRED: Explanation(
            "design.md §3.2 (valid_until)",
            "Suostumuksen voimassaolo on päättynyt.",
            "Samtycket har upphört att gälla.",
            "The consent has expired.",
        ),
        Reason.WITHDRAWN: Explanation(
            "GDPR Art. 7(3); FI 703/2023 § 58",
            "Suostumus on peruutettu.",
            "Samtycket har återkallats.",
            "The consent has been withdrawn.",
        ),
        Reason.SUPERSEDED: Explanation(
            "design.md §3.2, §4 (replaces)",
            "Uudempi suostumus on korvannut tämän.",
            "Ett nyare samtycke har ersatt detta.",
            "A newer consent has replaced this one.",
        ),
        Reason.GUARDIAN_CONSENT_LAPSED: Explanation(
            "design.md §3.2 (the client's 18th birthday)",
            "Huoltajan antama suostumus päättyi, kun asiakas täytti 18 vuotta.",
            "Vårdnadshavarens samtycke upphörde när klienten fyllde 18 år.",
            "The guardian's consent lapsed when the client turned 18.",
        ),
        Reason.CLIENT_DECEASED: Explanation(
            "design.md §3.2 (the client's death)",
            "Asiakas on kuollut, ja suostumukset ovat päättyneet.",
            "Klienten har avlidit och samtyckena har upphört.",
            "The client has died, and the consents have ended.",
        ),
        Reason.RECIPIENT_NOT_COVERED: Explanation(
            "design.md §3.2; FI 703/2023 § 53",
            "Suostumus ei koske tätä vastaanottajaa.",
            "Samtycket gäller inte denna mottagare.",
            "The consent does not cover this recipient.",
        ),
        Reason.NOT_A_MEMBER: Explanation(
            "design.md §3.2 (a membership that has ended permits nothing)",
            "Organisaatio ei ole asian jäsen tässä roolissa.",
            "Organisationen är inte medlem i ärendet i denna roll.",
            "The organisation is not a member of the case in this role.",
        ),
        Reason.SOURCE_NOT_COVERED: Explanation(
            "design.md §4 (sources); FI 457/2024 § 25",
            "Suostumus ei koske tältä taholta saatuja asiakirjoja.",
            "Samtycket gäller inte handlingar från denna källa.",
            "The consent does not cover documents from this source.",
        ),
        Reason.DOCUMENT_NOT_COVERED: Explanation(
            "design.md §3.2 (documents); FI 703/2023 § 53",
            "Suostumus ei koske tätä asiakirjaa.",
            "Samtycket gäller inte denna handling.",
            "The consent does not cover this document.",
        ),
        Reason.DATED_OUTSIDE: Explanation(
            "design.md §4 (dated); FI 457/2024 § 25",
            "Asiakirja on päivätty suostumuksen rajaaman ajan ulkopuolelle.",
            "Handlingen är daterad utanför den tid som samtycket gäller.",
            "The document is dated outside the time that the consent covers.",
        ),
        Reason.FUTURE_DOCUMENT_NOT_COVERED: Explanation(
            "design.md §3.2 (future_documents)",
            "Asiakirja on päivätty suostumuksen allekirjoittamisen jälkeen.",
            "Handlingen är daterad efter att samtycket undertecknades.",
            "The document is dated after the consent was signed.",
        ),
        Reason.PROTECTED_CLASS_NOT_NAMED: Explanation(
            "design.md §3.2 (protected class); FI 703/2023 § 26",
            "Suostumus ei nimeä asiakirjan erityisesti suojattavia tietoja.",
            "Samtycket nämner inte handlingens särskilt skyddade uppgifter.",
            "The consent does not name the protected information in the document.",
        ),
        Reason.ACTION_NOT_COVERED: Explanation(
            "design.md §3.2 (the acts are separate)",
            "Suostumus ei salli tätä toimenpidettä.",
            "Samtycket tillåter inte denna åtgärd.",
            "The consent does not permit this act.",
        ),
        Reason.PURPOSE_NOT_COVERED: Explanation(
            "design.md §4 (purposes); GDPR Art. 5(1)(b)",
            "Suostumus ei koske tätä käyttötarkoitusta.",
            "Samtycket gäller inte detta ändamål.",
            "The consent does not cover this purpose.",
        ),
        Reason.DENIED_BY_PROVISION: Explanation(
            "design.md §3.2 (a deny beats every permit)",
            "Suostumuksen kohta kieltää tämän.",
            "En punkt i samtycket förbjuder detta.",
            "A provision of the consent forbids this.",
        ),
        Reason.PROHIBITED: Explanation(
            "design.md §3.2 (a prohibition beats every permit); FI 703/2023 § 59",
            "Asiakas on kieltänyt tämän.",
            "Klienten har förbjudit detta.",
            "The client has prohibited this.",
        ),
        Reason.CASE_CLOSED: Explanation(
            "design.md §2 (case states)",
            "Asian käsittely on päättynyt tai päättymässä.",
            "Behandlingen av ärendet har avslutats eller håller på att avslutas.",
            "The case is closed or being closed.",
        ),
        Reason.CASE_ARCHIVED: Explanation(
            "design.md §1 (P8), §2 (case states)",
            "Asia on siirretty tai siirtymässä arkistoon.",
            "Ärendet har överförts eller håller på att överföras till arkivet.",
            "The case has been moved, or is on its way, to the archive.",
        ),
        Reason.DOCUMENT_RETRACTED: Explanation(
            "design.md §3.3 (retracted)",
            "Asiakirja on vedetty pois.",
            "Handlingen har dragits tillbaka.",
            "The document has been retracted.",
        ),
        Reason.DOCUMENT_MISFILED: Explanation(
            "design.md §3.3 (misfiled)",
            "Asiakirja on toimitettu väärään asiaan.",
            "Handlingen har lämnats in i fel ärende.",
            "The document was filed in the wrong case.",
        ),
        Reason.AGENCY_SUSPENDED: Explanation(
            "design.md §1 (P6)",
            "Organisaation käyttöoikeus on keskeytetty.",
            "Organisationens åtkomst har avbrutits.",
            "The organisation's access is suspended.",
        ),
    }
)


def text(reason: Basis | Reason, language: str) -> str:
    """One plain sentence for people; in Finnish for a language that has none of its own (the Sámi languages).

    Source: design.md §2 (codes), §4 (reasons).
    """
    explanation = EXPLANATIONS[reason]
    return {"sv": explanation.sv, "en": explanation.en}.get(language, explanation.fi)


def in_order(reasons: frozenset[Reason] | set[Reason]) -> tuple[Reason, ...]:
    """The reasons in the order in which they are listed here, which is the order every answer gives them in.

    Source: design.md §4 (reasons).
    """
    return tuple(reason for reason in Reason if reason in reasons)
