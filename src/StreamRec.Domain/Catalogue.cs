using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

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
    private readonly ConcurrentDictionary<string, int> _numbers = new(StringComparer.Ordinal);
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
    public bool TryGetNumber(string itemId, out int number) => _numbers.TryGetValue(itemId, out number);

    /// <summary>The item with this id, when there is one.</summary>
    public bool TryGet(string itemId, [NotNullWhen(true)] out Item? item)
    {
        item = _numbers.TryGetValue(itemId, out var number) ? this[number] : null;
        return item is not null;
    }

    /// <summary>Adds an item id under the next number, or returns the number that it has. Only a journal calls this: it owns the numbers.</summary>
    public int Add(string itemId)
    {
        if (_numbers.TryGetValue(itemId, out var known))
        {
            return known;
        }

        lock (_growth)
        {
            if (_numbers.TryGetValue(itemId, out known))
            {
                return known;
            }

            var number = _count;
            if (number == _items.Length)
            {
                var grown = new Item[_items.Length * 2];
                Array.Copy(_items, grown, number);
                Volatile.Write(ref _items, grown);
            }

            _items[number] = new Item(itemId, number);
            Volatile.Write(ref _count, number + 1);
            _numbers[itemId] = number;
            return number;
        }
    }

    /// <summary>Sets what the items topic says of an item that has a number; a withdrawn item leaves all lists at once.</summary>
    /// <exception cref="KeyNotFoundException">The id has no number.</exception>
    public void Describe(string itemId, string? title, string? categories, bool available)
    {
        lock (_growth)
        {
            var number = _numbers[itemId];
            var before = _items[number];
            _items[number] = before with { Title = title, Categories = categories, Available = available };
            if (before.Available != available)
            {
                Volatile.Write(ref _availabilityVersion, _availabilityVersion + 1);
            }
        }
    }
}

/// <summary>One item of the catalogue.</summary>
/// <param name="Id">The producer's id.</param>
/// <param name="Number">The catalogue's number.</param>
/// <param name="Title">For people, or null.</param>
/// <param name="Categories">For people, or null.</param>
/// <param name="Available">False: withdrawn, never in a list.</param>
public sealed record Item(string Id, int Number, string? Title = null, string? Categories = null, bool Available = true);
