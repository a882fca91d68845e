"""Looks at DNS held elsewhere: asks what `external_dns` wants to know and lets it say what was found."""

from services.external_dns import APPLICATION, ExternalLook, questions
from services.model import Instructions
from services.ports import Resolver


def look(resolver: Resolver, instructions: Instructions) -> ExternalLook:
    """Ask every question at the authoritative servers; addresses only where an alias could lead to the NLB."""
    answers = {question: resolver.ask(*question) for question in questions(instructions)}
    if instructions.purpose != APPLICATION:
        return ExternalLook(answers)
    return ExternalLook(
        answers,
        addresses=resolver.addresses(instructions.name),
        target_addresses=resolver.addresses(instructions.value),
    )
