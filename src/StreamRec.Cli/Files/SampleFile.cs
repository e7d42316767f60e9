using StreamRec.Domain;

namespace StreamRec.Cli.Files;

/// <summary>Records of a topic in a file, one in each line, as bytes: what they hold is the decoder's to judge. Plain or gzip.</summary>
internal static class SampleFile
{
    // No record that is allowed is larger (Kafka:MaxRecordBytes).
    private const int MaxLineBytes = 10 * 1024 * 1024;

    /// <summary>The lines that are not empty, each with its number in the file from 1.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A line is longer than any record may be, or gzip data is damaged.</exception>
    public static IEnumerable<(int Number, byte[] Value)> Read(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"There is no file '{path}'.", path);
        }

        return ReadLines(path);
    }

    private static IEnumerable<(int Number, byte[] Value)> ReadLines(string path)
    {
        using var stream = new BufferedStream(CompressedFile.OpenRead(path), 1 << 16);
        var line = new MemoryStream();
        for (var number = 1; ; number++)
        {
            line.SetLength(0);
            int next;
            while ((next = stream.ReadByte()) is not (-1 or '\n'))
            {
                line.WriteByte((byte)next);
                if (line.Length > MaxLineBytes)
                {
                    throw new InvalidDataException($"'{path}': row {number} has more than {MaxLineBytes} bytes; no record may have more (Kafka:MaxRecordBytes).");
                }
            }

            var value = line.ToArray().AsSpan().TrimEnd((byte)'\r').ToArray();
            if (value.Length > 0)
            {
                yield return (number, value);
            }

            if (next == -1)
            {
                yield break;
            }
        }
    }
}
