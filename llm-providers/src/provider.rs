//! Vendors, described.
