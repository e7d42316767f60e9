using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;

namespace StreamRec.Kafka.Ingest;

/// <summary>How often types came that mean nothing here.</summary>
/// <param name="Words">The first 100 distinct words, and numbers as their text.</param>
/// <param name="Others">All others, and what was neither or long.</param>
public sealed record UnmatchedTypeCounts(IReadOnlyDictionary<string, long> Words, long Others);

/// <summary>Counts types that mean nothing here, in bounded memory.</summary>
/// <remarks>Threading: counted by one thread, read from any.</remarks>
internal sealed class UnmatchedTypes
{
    private const int MaxWords = 100;
    private const int MaxBytes = 256;

    private readonly ConcurrentDictionary<string, long> _words = new(StringComparer.Ordinal);
    private int _distinct;
    private long _others;

    public UnmatchedTypeCounts Counts => new(new Dictionary<string, long>(_words, StringComparer.Ordinal), Interlocked.Read(ref _others));

    /// <summary>Counts the value that the reader is at.</summary>
    public void Count(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is JsonTokenType.String or JsonTokenType.Number && reader.ValueSpan.Length <= MaxBytes)
        {
            var word = reader.TokenType == JsonTokenType.String ? reader.GetString()! : Encoding.ASCII.GetString(reader.ValueSpan);
            if (_words.TryGetValue(word, out var count))
            {
                _words[word] = count + 1;
                return;
            }

            if (_distinct < MaxWords)
            {
                _distinct++;
                _words[word] = 1;
                return;
            }
        }

        Interlocked.Increment(ref _others);
    }
}
