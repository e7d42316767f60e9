using System.Globalization;
using StreamRec.Domain;

namespace StreamRec.Journal.Sqlite;

/// <summary>
/// Exactly one journal per file: an advisory lock on a file beside it, which the kernel releases however the process ends.
/// </summary>
internal sealed class JournalLock : IDisposable
{
    private readonly FileStream _file;

    private JournalLock(FileStream file)
    {
        _file = file;
    }

    /// <exception cref="JournalInUseException">Somebody has it, found out at once.</exception>
    public static JournalLock Take(string journalPath)
    {
        var path = journalPath + ".lock";
        var file = ExclusiveFile.TryOpen(path) ?? throw new JournalInUseException(
            $"Journal:Path {journalPath} is in use: {path} is locked. "
            + $"Stop the other process (fuser {path} names it) or set another path.");

        // For people; the lock is what counts, so a stale number left by kill -9 does no harm.
        file.SetLength(0);
        file.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
        file.Flush();
        return new JournalLock(file);
    }

    public void Dispose() => _file.Dispose();
}
