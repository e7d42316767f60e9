using System.Globalization;

namespace StreamRec.Journal.Sqlite;

/// <summary>
/// Exactly one journal per file: an advisory lock on a file beside it, which the kernel releases however the process ends.
/// </summary>
internal sealed class JournalLock : IDisposable
{
    private const int WouldBlockOnLinux = 11;
    private const int WouldBlockOnMacOs = 35;
    private const int SharingViolationOnWindows = unchecked((int)0x80070020);

    private readonly FileStream _file;

    private JournalLock(FileStream file)
    {
        _file = file;
    }

    /// <exception cref="JournalInUseException">Somebody has it, found out at once.</exception>
    public static JournalLock Take(string journalPath)
    {
        var path = journalPath + ".lock";
        FileStream file;
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB): it also tells two journals of one process apart.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult is WouldBlockOnLinux or WouldBlockOnMacOs or SharingViolationOnWindows)
        {
            throw new JournalInUseException(
                $"Journal:Path {journalPath} is in use: {path} is locked. "
                + $"Stop the other process (fuser {path} names it) or set another path.",
                e);
        }

        // For people; the lock is what counts, so a stale number left by kill -9 does no harm.
        file.SetLength(0);
        file.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
        file.Flush();
        return new JournalLock(file);
    }

    public void Dispose() => _file.Dispose();
}
