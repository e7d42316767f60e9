using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using StreamRec.Domain;
using StreamRec.Server.Http;

namespace StreamRec.Cli.Files;

/// <summary>How rows of interactions are written; <see cref="InteractionFile"/> reads both.</summary>
internal enum RowFormat
{
    /// <summary>RFC 4180, with a header.</summary>
    Csv,

    /// <summary>One JSON object a line.</summary>
    Jsonl,
}

/// <summary>Writes interactions as rows, to standard output or to a file that gets its name when it is complete and on the disk.</summary>
internal sealed class InteractionWriter : IAsyncDisposable
{
    private const string Header = "position,user_id,item_id,type,timestamp,value,event_id,topic,log,partition,offset";
    private const int BufferBytes = 1 << 16;

    private readonly RowFormat _format;
    private readonly string? _path;
    private readonly string? _temporary;
    private readonly StreamWriter _writer;
    private bool _closed;

    /// <param name="path">The file, compressed when it ends in .gz; null: standard output.</param>
    /// <param name="format">The format.</param>
    public InteractionWriter(string? path, RowFormat format)
    {
        _format = format;
        Stream stream;
        if (path is null)
        {
            stream = Console.OpenStandardOutput();
        }
        else
        {
            _path = Path.GetFullPath(path);
            _temporary = _path + ".tmp";
            stream = new FileStream(_temporary, FileMode.Create, FileAccess.Write, FileShare.None);
            stream = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase) ? new GZipStream(stream, CompressionLevel.Optimal) : stream;
        }

        // UTF-8 without a byte order mark, which readers would take for a part of the first name.
        _writer = new StreamWriter(stream, bufferSize: BufferBytes) { NewLine = format == RowFormat.Csv ? "\r\n" : "\n" };
        if (format == RowFormat.Csv)
        {
            _writer.WriteLine(Header);
        }
    }

    /// <summary>Rows written.</summary>
    public long Rows { get; private set; }

    public async ValueTask WriteAsync(InteractionRow row)
    {
        await _writer.WriteLineAsync(_format == RowFormat.Csv ? Csv(row) : JsonSerializer.Serialize(row, ViewJson.Options));
        Rows++;
    }

    /// <summary>Everything is there: the file is flushed and gets its name, in the place of one that had it.</summary>
    public async Task CompleteAsync()
    {
        await CloseAsync();
        if (_path is not null)
        {
            Durable.FlushFile(_temporary!);
            File.Move(_temporary!, _path, overwrite: true);
            Durable.FlushDirectory(Path.GetDirectoryName(_path)!);
        }
    }

    /// <summary>Nothing is left of what was not completed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_closed)
        {
            try
            {
                await CloseAsync();
            }
            finally
            {
                if (_temporary is not null)
                {
                    File.Delete(_temporary);
                }
            }
        }
    }

    private ValueTask CloseAsync()
    {
        _closed = true;
        return _writer.DisposeAsync();
    }

    private static string Csv(InteractionRow row) => string.Create(
        CultureInfo.InvariantCulture,
        $"{row.Position},{Quoted(row.UserId)},{Quoted(row.ItemId)},{row.Type},{row.Timestamp},{row.Value:R},{Quoted(row.EventId)},{Quoted(row.Topic)},{Quoted(row.Log)},{row.Partition},{row.Offset}");

    private static string? Quoted(string? text) => text is not null && (text.Length == 0 || text.AsSpan().IndexOfAny(",\"\r\n ") >= 0)
        ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
        : text;
}
