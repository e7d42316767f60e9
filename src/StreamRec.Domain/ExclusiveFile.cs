namespace StreamRec.Domain;

/// <summary>A file that one holder has at a time; the operating system gives it back when the holder's process ends, however it ends.</summary>
public static class ExclusiveFile
{
    private const int WouldBlockOnLinux = 11;
    private const int WouldBlockOnMacOs = 35;
    private const int SharingViolationOnWindows = unchecked((int)0x80070020);

    /// <summary>Opens or creates the file; null while somebody else has it, in this process or another.</summary>
    /// <exception cref="IOException">It cannot be opened for another reason.</exception>
    public static FileStream? TryOpen(string path)
    {
        try
        {
            // FileShare.None is flock(LOCK_EX | LOCK_NB): it also tells two holders in one process apart.
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.HResult is WouldBlockOnLinux or WouldBlockOnMacOs or SharingViolationOnWindows)
        {
            return null;
        }
    }
}
