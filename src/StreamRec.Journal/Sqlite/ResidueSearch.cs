using Microsoft.Win32.SafeHandles;

namespace StreamRec.Journal.Sqlite;

/// <summary>Looks for bytes in the database file itself, where SQLite's secure_delete may have missed some.</summary>
/// <remarks>
/// secure_delete zeroes what is deleted, but when a page of the users table splits or merges, copies of moved rows stay in the
/// unused middle of pages. Nothing copies such residue further, so a search after the row is deleted and the write-ahead log is
/// emptied finds all of it, whatever is written meanwhile. The handle stays open as long as the journal: closing any handle of the
/// file in this process would drop SQLite's own locks on it (POSIX fcntl), so it must be disposed after the connections.
/// </remarks>
internal sealed class ResidueSearch(string path) : IDisposable
{
    private const int ChunkBytes = 1024 * 1024;

    private readonly SafeFileHandle _file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    /// <summary>
    /// Whether the bytes stand anywhere in the file; also when they are part of something else, such as a longer id.
    /// </summary>
    public bool Finds(ReadOnlySpan<byte> bytes, CancellationToken cancellationToken)
    {
        var overlap = bytes.Length - 1;
        var chunk = new byte[ChunkBytes + overlap];
        for (var offset = 0L; ; offset += ChunkBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = RandomAccess.Read(_file, chunk, offset);
            if (chunk.AsSpan(0, read).IndexOf(bytes) >= 0)
            {
                return true;
            }

            if (read <= overlap)
            {
                return false;
            }
        }
    }

    public void Dispose() => _file.Dispose();
}
