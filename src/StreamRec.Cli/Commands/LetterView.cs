using System.Globalization;
using System.Text;
using System.Text.Unicode;
using StreamRec.Kafka.Publish;

namespace StreamRec.Cli.Commands;

/// <summary>Bytes for people and for machines: text when they are UTF-8, base64 always; both null when they are absent.</summary>
internal sealed record BytesView(string? Text, string? Base64)
{
    public static BytesView Of(byte[]? bytes) => new(TextOf(bytes), bytes is null ? null : Convert.ToBase64String(bytes));

    public static string? TextOf(byte[]? bytes) => bytes is not null && Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : null;
}

/// <summary>A header of a letter.</summary>
internal sealed record HeaderView(string Name, string? Text, string? Base64);

/// <summary>One letter, whole.</summary>
internal sealed record LetterView(
    string Letter, DateTimeOffset? At, string? Topic, int? Partition, long? Offset, string? Code, string? Message, long Attempts, DateTimeOffset Timestamp,
    BytesView Key, IReadOnlyList<HeaderView> Headers, BytesView Value, long? OmittedBytes)
{
    private const int Shown = 4096;

    public static LetterView Of(StoredLetter letter) => new(
        letter.Position.ToString(), letter.At, letter.Topic, letter.Partition, letter.Offset, letter.Code, letter.Message, letter.Attempts,
        DateTimeOffset.FromUnixTimeMilliseconds(letter.TimestampMs), BytesView.Of(letter.Key),
        [.. letter.Headers.Select(h => new HeaderView(h.Name, BytesView.TextOf(h.Value), h.Value is null ? null : Convert.ToBase64String(h.Value)))],
        BytesView.Of(letter.Value), letter.OmittedBytes);

    /// <summary>The letter for people: harmless, and of the value at most 4 KiB.</summary>
    public static void Write(StoredLetter letter, TextWriter output)
    {
        output.WriteLine($"letter     {letter.Position}");
        output.WriteLine($"timestamp  {DateTimeOffset.FromUnixTimeMilliseconds(letter.TimestampMs).ToString("O", CultureInfo.InvariantCulture)}");
        output.WriteLine($"key        {OneLine(letter.Key)}");
        foreach (var header in letter.Headers)
        {
            output.WriteLine($"header     {Output.Harmless(header.Name)}: {OneLine(header.Value)}");
        }

        if (letter.OmittedBytes is { } omitted)
        {
            output.WriteLine($"value      not here: its {omitted:N0} bytes were too large for the topic");
            return;
        }

        output.WriteLine($"value      {(letter.Value is null ? "none" : $"{letter.Value.Length:N0} bytes{(BytesView.TextOf(letter.Value) is null ? ", not UTF-8" : "")}")}");
        foreach (var line in Text(letter.Value ?? [], Shown).Split('\n'))
        {
            output.WriteLine(Output.Harmless(line.TrimEnd('\r')));
        }

        if (letter.Value?.Length > Shown)
        {
            output.WriteLine($"… {letter.Value.Length - Shown:N0} bytes more; --json has all of them.");
        }
    }

    private static string OneLine(byte[]? bytes) => bytes is null ? "none" : Output.Harmless(Text(bytes, Shown)) + (bytes.Length > Shown ? " …" : "");

    // Text, or else rows of hexadecimal digits; a character that the limit cuts is left out.
    private static string Text(byte[] bytes, int limit)
    {
        var shown = bytes.AsSpan(0, Math.Min(bytes.Length, limit));
        if (!Utf8.IsValid(bytes))
        {
            return string.Join('\n', Convert.ToHexStringLower(shown).Chunk(64).Select(row => new string(row)));
        }

        while (!Utf8.IsValid(shown))
        {
            shown = shown[..^1];
        }

        return Encoding.UTF8.GetString(shown);
    }
}
