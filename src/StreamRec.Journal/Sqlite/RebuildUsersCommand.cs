using StreamRec.Journal.Commits;

namespace StreamRec.Journal.Sqlite;

/// <summary>Clears what page splits left of deleted users, see <see cref="ResidueSearch"/>.</summary>
internal sealed class RebuildUsersCommand : EraseCommand<bool>
{
    public override void Apply(JournalStore store)
    {
        ((SqliteStore)store).RebuildUsers();
        Answer(true);
    }
}
