using System.Buffers;
using System.Text;

namespace StreamRec.Domain;

/// <summary>What a user did with an item. The value is stored in the journal: never renumber, only append.</summary>
public enum InteractionType : byte
{
    Click = 0,
    View = 1,
    Cart = 2,
    Purchase = 3,
    Rating = 4,

    /// <summary>The item was shown and nothing more: kept for training, neither part of the window nor counted as seen.</summary>
    Impression = 5,
}

/// <summary>One thing that one user did with one item, as it came from a producer.</summary>
/// <param name="UserId">1 to 256 UTF-8 bytes without control characters.</param>
/// <param name="ItemId">1 to 256 UTF-8 bytes without control characters.</param>
/// <param name="Type">What was done.</param>
/// <param name="TimestampMs">When, in milliseconds since 1970-01-01 UTC, by the producer's clock: informative, never used for order.</param>
/// <param name="Value">A rating or quantity; NaN when the producer sent none.</param>
/// <param name="EventId">The producer's own id, or null: then topic, partition and offset identify the interaction.</param>
public readonly record struct Interaction(
    string UserId,
    string ItemId,
    InteractionType Type,
    long TimestampMs,
    double Value = double.NaN,
    string? EventId = null)
{
    /// <summary>Longest id in UTF-8 bytes.</summary>
    public const int MaxIdBytes = 256;

    /// <summary>Whether a text may be an id: 1 to <see cref="MaxIdBytes"/> UTF-8 bytes, no control characters, no half of a surrogate pair.</summary>
    public static bool IsId(string text)
    {
        var bytes = 0;
        for (var i = 0; i < text.Length && bytes <= MaxIdBytes;)
        {
            if (Rune.DecodeFromUtf16(text.AsSpan(i), out var rune, out var length) != OperationStatus.Done || Rune.IsControl(rune))
            {
                return false;
            }

            bytes += rune.Utf8SequenceLength;
            i += length;
        }

        return bytes is >= 1 and <= MaxIdBytes;
    }

    /// <summary>Whether bytes may be an id in UTF-8: 1 to <see cref="MaxIdBytes"/>, valid, no control characters.</summary>
    public static bool IsId(ReadOnlySpan<byte> utf8)
    {
        if (utf8.Length is 0 or > MaxIdBytes)
        {
            return false;
        }

        if (Ascii.IsValid(utf8))
        {
            return !utf8.ContainsAnyInRange((byte)0, (byte)0x1f) && !utf8.Contains((byte)0x7f);
        }

        for (var rest = utf8; !rest.IsEmpty;)
        {
            if (Rune.DecodeFromUtf8(rest, out var rune, out var length) != OperationStatus.Done || Rune.IsControl(rune))
            {
                return false;
            }

            rest = rest[length..];
        }

        return true;
    }
}
