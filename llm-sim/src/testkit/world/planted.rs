//! Mistakes that somebody could make, made on purpose: an auditor that does not see them is none.

/// A mistake. Each is made now and then, not always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// A hold is forgotten.
    SkipsSettlement,
    /// A hold is settled twice.
    SettlesTwice,
    /// More is set aside than a limit allows.
    IgnoresLimit,
    /// A nano-dollar more is charged than it cost.
    ChargesMore,
    /// Nothing is charged.
    ChargesNothing,
    /// A request is sent that nobody holds money for.
    SendsUnfunded,
    /// Another attempt is made after the caller has seen the beginning.
    RetriesAfterCommit,
    /// A piece of a stream is lost.
    DropsPiece,
    /// A piece of a stream comes twice.
    DoublesPiece,
    /// A broken stream just stops.
    CutsSilently,
    /// A body is never given back.
    LeaksBody,
    /// A call is not answered in its time.
    Hangs,
    /// A provider's key gets out.
    ShowsKey,
    /// A call has no record.
    LosesRecord,
    /// A call has two records.
    DoublesRecord,
    /// A caller gets what another one asked for.
    MixesAnswers,
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::SkipsSettlement,
        Self::SettlesTwice,
        Self::IgnoresLimit,
        Self::ChargesMore,
        Self::ChargesNothing,
        Self::SendsUnfunded,
        Self::RetriesAfterCommit,
        Self::DropsPiece,
        Self::DoublesPiece,
        Self::CutsSilently,
        Self::LeaksBody,
        Self::Hangs,
        Self::ShowsKey,
        Self::LosesRecord,
        Self::DoublesRecord,
        Self::MixesAnswers,
    ];
}
