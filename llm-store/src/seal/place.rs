//! Where a sealed secret belongs.

/// The one place where an envelope opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row: its whole key, the tenant's part included.
    pub row: &'a str,
    /// Which secret of that row: one more each time a new one is stored there. An older envelope
    /// of the same row, put back, does not open.
    pub version: u64,
}

impl Place<'_> {
    /// As bytes that no other place has: lengths stand before names, so that `ab`, `c` is not `a`,
    /// `bc`.
    pub(super) fn bytes(&self, domain: &[u8]) -> Vec<u8> {
        let names = [self.table, self.column, self.row];
        let size = names.iter().map(|n| n.len() + 8).sum::<usize>() + domain.len() + 16;
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(domain);
        for name in names {
            out.extend_from_slice(&(name.len() as u64).to_be_bytes());
            out.extend_from_slice(name.as_bytes());
        }
        out.extend_from_slice(&self.version.to_be_bytes());
        out
    }
}
