namespace StreamRec.Journal;

/// <summary>Who else may have the journal open. A SQLite file always has one process.</summary>
public enum JournalAccess
{
    /// <summary>Nobody: what no process has in memory does not change behind this one's back.</summary>
    Exclusive,

    /// <summary>Others that share it, too; leases keep their appends apart.</summary>
    Shared,
}
