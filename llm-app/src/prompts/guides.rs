//! What a good prompt of a domain says: what the model that rewrites one is told to look for.

use super::intent::{Class, Domain};

/// What a prompt of a domain had better say.
pub(super) fn domain(domain: Domain) -> &'static str {
    match domain {
        Domain::Programming => {
            "Programming: language, version and libraries; what goes in and what comes out; how \
             errors are treated; limits of time or memory; ask for tests and a short explanation."
        }
        Domain::Data => {
            "Data: what the columns mean and their units; the period; the question to be decided; \
             how missing values are treated; ask for the method and for how sure the result is."
        }
        Domain::Legal => {
            "Law: the jurisdiction and the date; the parties' roles; the document concerned; ask \
             for the provisions relied on, for what is uncertain, and to say that it is no advice."
        }
        Domain::Medical => {
            "Health: age group, duration and what is known already; ask for general information \
             with sources, for warning signs that need a doctor at once, and for no diagnosis."
        }
        Domain::Finance => {
            "Finance: country, currency, horizon and appetite for risk; ask for assumptions, for \
             costs and taxes, for a bad case, and to say that it is no personal advice."
        }
        Domain::Marketing => {
            "Marketing: product and its one difference; audience and channel; tone of the brand; \
             what the reader is to do; length of the channel; ask for several versions."
        }
        Domain::Education => {
            "Education: learner's age and level; what they know; goal of the lesson; time; form of \
             practice; ask for examples first and for a check of understanding at the end."
        }
        Domain::Travel => {
            "Travel: dates, origin, party and pace; budget; interests and what to avoid; how to move \
             around; ask for a table by day with times, costs and an alternative for bad weather."
        }
        Domain::Creative => {
            "Fiction and verse: genre, point of view, setting, character's wish and obstacle; mood; \
             length; what must not happen; ask for images instead of explanations."
        }
        Domain::Business => {
            "Business: who writes to whom and what was agreed; the decision that is wanted; tone; \
             length; deadline; ask for a subject line or a summary on top."
        }
        Domain::General => {
            "General: the task in one sentence, what surrounds it, for whom, limits, and the form \
             of the answer."
        }
    }
}

/// What a prompt of a class had better say.
pub(super) fn class(class: Class) -> &'static str {
    match class {
        Class::Translation => {
            "Translation: both languages, tone, names and terms to keep, and that nothing is added."
        }
        Class::Summary => "Summary: length, reader, what must stay in, and that nothing is added.",
        Class::Code => "Code: signature, example of input and output, edge cases, style.",
        Class::Editing => "Editing: what may change, what must not, and to list the changes.",
        Class::Extraction => "Extraction: the fields with their types, and what to do if absent.",
        Class::Analysis => "Analysis: criteria, order of steps, evidence for each statement.",
        Class::Plan => "Plan: start, end, resources, milestones, risks.",
        Class::Ideas => "Ideas: how many, what they must differ in, how each is to be described.",
        Class::Writing => "Writing: reader, purpose, tone, length, structure.",
        Class::Question => "Question: what is known, how deep the answer goes, and for whom.",
        Class::Other => "Say the task first, in one sentence with a verb.",
    }
}
