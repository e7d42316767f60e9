using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text.Unicode;

namespace StreamRec.Domain;

/// <summary>The items of the system: a dense number for each item id, with title, categories and availability.</summary>
/// <remarks>
/// Item numbers are what sequences, segments and requests hold (4 bytes instead of a string). They are given out by the journal,
/// which makes them durable no later than the first interaction that uses them; they never change and are never reused.
/// They are not a model's tensor indices: each model maps them through its own vocabulary.
/// Threading: reads from any thread without a lock; <see cref="Add"/> and <see cref="Describe"/> from any thread, one at a time inside.
/// </remarks>
public sealed class Catalogue
{
    private readonly IdIndex _numbers = new();
    private readonly Lock _growth = new();
    private Item[] _items = new Item[1024];
    private int _count;
    private int _availabilityVersion;

    /// <summary>How many items have a number; numbers run from 0 to Count - 1.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Rises whenever an item is withdrawn or comes back, so that derived masks know when they are stale.</summary>
    public int AvailabilityVersion => Volatile.Read(ref _availabilityVersion);

    /// <summary>The item with this number.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No item has the number.</exception>
    public Item this[int number]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(number);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(number, Count);
            return Volatile.Read(ref _items)[number];
        }
    }

    /// <summary>The number of an item id, when it has one.</summary>
    public bool TryGetNumber(string itemId, out int number)
    {
        Span<byte> utf8 = stackalloc byte[Interaction.MaxIdBytes];
        number = TryGetUtf8(itemId, ref utf8) ? _numbers.Find(utf8) : -1;
        return number >= 0;
    }

    /// <summary>The number of an item id in UTF-8, when it has one.</summary>
    public bool TryGetNumber(ReadOnlySpan<byte> utf8, out int number)
    {
        number = _numbers.Find(utf8);
        return number >= 0;
    }

    /// <summary>The numbers of the items of a batch, -1 for those that have none.</summary>
    /// <param name="records">The batch's records.</param>
    /// <param name="hashes">Room for working, as long as the records.</param>
    /// <param name="numbers">Gets the numbers, as long as the records.</param>
    public void GetNumbers(IngestedInteractions records, Span<int> hashes, Span<int> numbers) => _numbers.FindItems(records, hashes, numbers);

    /// <summary>The item with this id, when there is one.</summary>
    public bool TryGet(string itemId, [NotNullWhen(true)] out Item? item)
    {
        item = TryGetNumber(itemId, out var number) ? this[number] : null;
        return item is not null;
    }

    /// <summary>Adds an item id under the next number, or returns the number that it has. Only a journal calls this: it owns the numbers.</summary>
    /// <exception cref="ArgumentException">The id is none (<see cref="Interaction.IsId(string)"/>).</exception>
    public int Add(string itemId)
    {
        if (TryGetNumber(itemId, out var known))
        {
            return known;
        }

        Span<byte> utf8 = stackalloc byte[Interaction.MaxIdBytes];
        if (!TryGetUtf8(itemId, ref utf8))
        {
            throw new ArgumentException($"An item's id has 1 to {Interaction.MaxIdBytes} UTF-8 bytes and no half of a surrogate pair; this one has {itemId.Length} characters.", nameof(itemId));
        }

        lock (_growth)
        {
            if (_numbers.Find(utf8) is >= 0 and var number)
            {
                return number;
            }

            number = _count;
            if (number == _items.Length)
            {
                var grown = new Item[_items.Length * 2];
                Array.Copy(_items, grown, number);
                Volatile.Write(ref _items, grown);
            }

            _items[number] = new Item(itemId, number);
            Volatile.Write(ref _count, number + 1);
            _numbers.Add(utf8);
            return number;
        }
    }

    /// <summary>Sets what the items topic says of an item that has a number; a withdrawn item leaves all lists at once.</summary>
    /// <exception cref="KeyNotFoundException">The id has no number.</exception>
    public void Describe(string itemId, string? title, string? categories, bool available)
    {
        lock (_growth)
        {
            if (!TryGetNumber(itemId, out var number))
            {
                throw new KeyNotFoundException($"Item '{itemId}' has no number.");
            }

            var before = _items[number];
            _items[number] = before with { Title = title, Categories = categories, Available = available };
            if (before.Available != available)
            {
                Volatile.Write(ref _availabilityVersion, _availabilityVersion + 1);
            }
        }
    }

    private static bool TryGetUtf8(string itemId, ref Span<byte> utf8)
    {
        var status = Utf8.FromUtf16(itemId, utf8, out _, out var length, replaceInvalidSequences: false);
        utf8 = utf8[..length];
        return status == OperationStatus.Done && length > 0;
    }
}

/// <summary>One item of the catalogue.</summary>
/// <param name="Id">The producer's id.</param>
/// <param name="Number">The catalogue's number.</param>
/// <param name="Title">For people, or null.</param>
/// <param name="Categories">For people, or null.</param>
/// <param name="Available">False: withdrawn, never in a list.</param>
public sealed record Item(string Id, int Number, string? Title = null, string? Categories = null, bool Available = true);
