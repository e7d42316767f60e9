using System.Buffers.Binary;
using System.IO.Compression;

namespace StreamRec.Domain;

/// <summary>Reads files that may be compressed.</summary>
public static class CompressedFile
{
    /// <summary>Opens a file for reading, through gzip when its first bytes say so.</summary>
    /// <exception cref="InvalidDataException">It is gzip and was cut off.</exception>
    public static Stream OpenRead(string path)
    {
        var file = File.OpenRead(path);
        try
        {
            var gzip = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
            file.Position = 0;
            if (!gzip)
            {
                return file;
            }

            RefuseIncomplete(file);
            return new GZipStream(file, CompressionMode.Decompress);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    // GZipStream takes the end of a file that was cut off for the end of its data: the last four bytes say how long that has to be.
    private static void RefuseIncomplete(FileStream file)
    {
        var (buffer, length) = (new byte[1 << 16], 0L);
        using (var gzip = new GZipStream(file, CompressionMode.Decompress, leaveOpen: true))
        {
            for (int read; (read = gzip.Read(buffer)) > 0;)
            {
                length += read;
            }
        }

        file.Position = Math.Max(0, file.Length - 4);
        var complete = file.ReadAtLeast(buffer.AsSpan(0, 4), 4, throwOnEndOfStream: false) == 4
            && BinaryPrimitives.ReadUInt32LittleEndian(buffer) == (uint)length;
        file.Position = 0;
        if (!complete)
        {
            throw new InvalidDataException("it was cut off, or is several files in one; gunzip it first.");
        }
    }
}
