//! Optional content rules, on words.
