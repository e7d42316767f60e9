using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>Gives the string of an item id without making one, and its number without looking it up, when the item was seen lately.</summary>
/// <remarks>
/// Direct-mapped: an id has one slot, a newer id takes it over, so memory is bounded and a flood of new ids only costs allocations.
/// What is in a slot was checked when it was put there. Threading: one thread.
/// </remarks>
internal sealed class Utf8Interner
{
    /// <summary>Longest id in UTF-8 bytes.</summary>
    internal const int MaxBytes = Interaction.MaxIdBytes;

    private readonly Catalogue? _catalogue;
    private readonly Slot[] _slots;

    /// <param name="catalogue">Where the numbers are; null when nobody asks for them.</param>
    /// <param name="slots">A power of two.</param>
    public Utf8Interner(Catalogue? catalogue = null, int slots = 1 << 16)
    {
        _catalogue = catalogue;
        if (!int.IsPow2(slots))
        {
            throw new ArgumentOutOfRangeException(nameof(slots), $"slots is {slots}; it must be a power of two.");
        }

        _slots = new Slot[slots];
    }

    /// <summary>The catalogue's number of the id that was given last; negative when it has none yet.</summary>
    public int Number { get; private set; }

    /// <summary>The string of an id; false when it breaks the rule for ids (<see cref="Interaction.IsId"/>).</summary>
    /// <param name="utf8">1 to <see cref="MaxBytes"/> bytes.</param>
    /// <param name="value">The string.</param>
    public bool TryIntern(ReadOnlySpan<byte> utf8, out string value)
    {
        ref var slot = ref _slots[(int)(Hash(utf8) >> 32) & (_slots.Length - 1)];
        if (slot.Id is { } known && IsSame(known, utf8))
        {
            value = known;
        }
        else if (TryCreate(utf8, out value))
        {
            slot = new Slot { Id = value, Number = -1 };
        }
        else
        {
            return false;
        }

        // A number never changes once there is one.
        if (slot.Number < 0 && _catalogue is not null)
        {
            slot.Number = _catalogue.TryGetNumber(value, out var number) ? number : -1;
        }

        Number = slot.Number;
        return true;
    }

    /// <summary>A new string for an id that will hardly come again; false when it breaks the rule for ids (<see cref="Interaction.IsId"/>).</summary>
    public static bool TryCreate(ReadOnlySpan<byte> utf8, out string value)
    {
        value = "";
        if (Ascii.IsValid(utf8))
        {
            if (utf8.ContainsAnyInRange((byte)0, (byte)0x1f) || utf8.Contains((byte)0x7f))
            {
                return false;
            }

            value = Encoding.ASCII.GetString(utf8);
            return value.Length is >= 1 and <= MaxBytes;
        }

        Span<char> chars = stackalloc char[MaxBytes];
        if (Utf8.ToUtf16(utf8, chars, out _, out var length, replaceInvalidSequences: false) != OperationStatus.Done)
        {
            return false;
        }

        value = new string(chars[..length]);
        return Interaction.IsId(value);
    }

    private static bool IsSame(string known, ReadOnlySpan<byte> utf8)
    {
        // UTF-8 is as long as UTF-16 only when all is ASCII.
        if (known.Length == utf8.Length)
        {
            return Ascii.Equals(utf8, known);
        }

        Span<byte> bytes = stackalloc byte[MaxBytes];
        return known.Length < utf8.Length
            && Utf8.FromUtf16(known, bytes, out _, out var length) == OperationStatus.Done
            && bytes[..length].SequenceEqual(utf8);
    }

    private static ulong Hash(ReadOnlySpan<byte> bytes)
    {
        const ulong Multiplier = 0x9E3779B97F4A7C15;
        var hash = (ulong)bytes.Length * Multiplier;
        while (bytes.Length >= sizeof(ulong))
        {
            hash = (ulong.RotateLeft(hash, 23) ^ BinaryPrimitives.ReadUInt64LittleEndian(bytes)) * Multiplier;
            bytes = bytes[sizeof(ulong)..];
        }

        foreach (var b in bytes)
        {
            hash = (ulong.RotateLeft(hash, 9) ^ b) * Multiplier;
        }

        return hash ^ (hash >> 29);
    }

    private struct Slot
    {
        public string? Id;
        public int Number;
    }
}
