using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>What is known of a user at one moment: a copy that nobody changes.</summary>
/// <param name="UserId">The user.</param>
/// <param name="Count">How many interactions were ever applied.</param>
/// <param name="LastTimestampMs">Timestamp of the newest, ms since 1970.</param>
/// <param name="Entries">The retained sequence, oldest first, impressions included.</param>
public sealed record UserSnapshot(string UserId, long Count, long LastTimestampMs, ReadOnlyMemory<SequenceEntry> Entries)
{
    /// <summary>A copy of a state; null when there is none or nothing was ever applied.</summary>
    internal static UserSnapshot? Of(BehaviorSequence? state) =>
        state is null || state.Count == 0
            ? null
            : new UserSnapshot(state.UserId, state.Count, state.LastTimestampMs, state.Entries.ToArray());
}
