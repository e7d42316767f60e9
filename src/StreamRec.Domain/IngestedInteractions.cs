using System.Buffers;
using System.Text;

namespace StreamRec.Domain;

/// <summary>What is known of an interaction besides its ids, which stand in the text of its <see cref="IngestedInteractions"/>.</summary>
/// <param name="Offset">Its offset in the batch's source partition.</param>
/// <param name="Type">What was done.</param>
/// <param name="TimestampMs">When, ms since 1970, by the producer's clock.</param>
/// <param name="Value">A rating or quantity; NaN when the producer sent none.</param>
/// <param name="EventId">The producer's own id, or null.</param>
/// <param name="TraceParent">The W3C <c>traceparent</c> header of the record, or null.</param>
public readonly record struct IngestedInteraction(
    long Offset, InteractionType Type, long TimestampMs, double Value, string? EventId, string? TraceParent)
{
    internal int TextStart { get; init; }

    internal ushort UserBytes { get; init; }

    internal ushort ItemBytes { get; init; }
}

/// <summary>Decoded interactions of one partition in offset order, in two buffers: no object for each, and none for its ids.</summary>
/// <remarks>
/// Ownership: one owner at a time, who releases the buffers when it has read everything. One that is let go without that costs the collector its
/// buffers and nothing else. Threading: one thread at a time.
/// </remarks>
public sealed class IngestedInteractions
{
    private const int SmallestText = 256;

    // Few are kept: when many batches wait, the rest is the collector's.
    private static readonly ArrayPool<IngestedInteraction> RecordArrays = ArrayPool<IngestedInteraction>.Create(1 << 14, maxArraysPerBucket: 4);
    private static readonly ArrayPool<byte> TextArrays = ArrayPool<byte>.Create(1 << 20, maxArraysPerBucket: 4);

    private IngestedInteraction[] _records;
    private byte[] _text = [];
    private int _textLength;

    /// <param name="capacity">Interactions that there will be, as far as known.</param>
    public IngestedInteractions(int capacity = 0)
    {
        _records = capacity > 0 ? RecordArrays.Rent(capacity) : [];
    }

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>All of them.</summary>
    public ReadOnlySpan<IngestedInteraction> Records => _records.AsSpan(0, Count);

    /// <summary>A user's id in UTF-8; valid until the next <see cref="Add(IngestedInteraction, ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>.</summary>
    public ReadOnlySpan<byte> UserId(int index) => _text.AsSpan(Records[index].TextStart, Records[index].UserBytes);

    /// <summary>An item's id in UTF-8; valid until the next <see cref="Add(IngestedInteraction, ReadOnlySpan{byte}, ReadOnlySpan{byte})"/>.</summary>
    public ReadOnlySpan<byte> ItemId(int index) => _text.AsSpan(Records[index].TextStart + Records[index].UserBytes, Records[index].ItemBytes);

    /// <summary>One of them as the producer meant it.</summary>
    public Interaction Interaction(int index)
    {
        ref readonly var record = ref Records[index];
        return new Interaction(
            Encoding.UTF8.GetString(UserId(index)), Encoding.UTF8.GetString(ItemId(index)), record.Type, record.TimestampMs, record.Value, record.EventId);
    }

    /// <summary>Adds an interaction whose offset is above those before.</summary>
    /// <param name="record">All but the ids.</param>
    /// <param name="userId">A valid id in UTF-8.</param>
    /// <param name="itemId">A valid id in UTF-8.</param>
    public void Add(IngestedInteraction record, ReadOnlySpan<byte> userId, ReadOnlySpan<byte> itemId)
    {
        if (Count == _records.Length)
        {
            Grow(RecordArrays, ref _records, Count, 16);
        }

        var start = _textLength;
        _textLength += userId.Length + itemId.Length;
        if (_textLength > _text.Length)
        {
            // What is to come is as long as what was.
            Grow(TextArrays, ref _text, start, Math.Max(SmallestText, Math.Max(_textLength, start / Math.Max(1, Count) * _records.Length)));
        }

        userId.CopyTo(_text.AsSpan(start));
        itemId.CopyTo(_text.AsSpan(start + userId.Length));
        _records[Count++] = record with { TextStart = start, UserBytes = (ushort)userId.Length, ItemBytes = (ushort)itemId.Length };
    }

    /// <summary>Adds an interaction whose offset is above those before.</summary>
    /// <exception cref="ArgumentException">An id is none.</exception>
    public void Add(long offset, Interaction interaction, string? traceParent = null)
    {
        if (!Domain.Interaction.IsId(interaction.UserId) || !Domain.Interaction.IsId(interaction.ItemId))
        {
            throw new ArgumentException("The user's or the item's id has control characters, half a surrogate pair, or not 1 to 256 UTF-8 bytes.", nameof(interaction));
        }

        Add(
            new IngestedInteraction(offset, interaction.Type, interaction.TimestampMs, interaction.Value, interaction.EventId, traceParent),
            Encoding.UTF8.GetBytes(interaction.UserId),
            Encoding.UTF8.GetBytes(interaction.ItemId));
    }

    /// <summary>Gives the buffers back: there is nothing in here then.</summary>
    public void Release()
    {
        Return(RecordArrays, ref _records);
        Return(TextArrays, ref _text);
        (Count, _textLength) = (0, 0);
    }

    private static void Grow<T>(ArrayPool<T> arrays, ref T[] buffer, int used, int least)
    {
        var grown = arrays.Rent(Math.Max(least, 2 * buffer.Length));
        buffer.AsSpan(0, used).CopyTo(grown);
        Return(arrays, ref buffer);
        buffer = grown;
    }

    private static void Return<T>(ArrayPool<T> arrays, ref T[] buffer)
    {
        // Event ids in a buffer that nobody uses would stay in memory with it.
        if (buffer.Length > 0)
        {
            arrays.Return(buffer, clearArray: System.Runtime.CompilerServices.RuntimeHelpers.IsReferenceOrContainsReferences<T>());
        }

        buffer = [];
    }
}
