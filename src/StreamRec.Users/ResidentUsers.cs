using System.Diagnostics.CodeAnalysis;
using StreamRec.Domain;

namespace StreamRec.Users;

/// <summary>How a resident user stands to the saved states.</summary>
internal enum Residency : byte
{
    /// <summary>The journal's saved state says the same: may be dropped from memory.</summary>
    Clean,

    /// <summary>Changed since it was last handed to a save.</summary>
    Dirty,

    /// <summary>Handed to a save that is under way, unchanged since.</summary>
    Saving,
}

/// <summary>The users in memory: a dictionary into parallel arrays, with second-chance replacement.</summary>
/// <remarks>
/// A user costs 24 to 40 bytes in the dictionary and 13 in the arrays besides its sequence. A list node for true LRU order would cost 48 more
/// and a write to three places for each touch; the clock costs one bit. Slots stay the same while the user is resident and are reused afterwards.
/// Threading: owned by one shard; only <see cref="Count"/> may be read from elsewhere.
/// </remarks>
internal sealed class ResidentUsers
{
    private const byte ResidencyMask = 3;
    private const byte Referenced = 4;

    private readonly Dictionary<string, int> _slots = new(StringComparer.Ordinal);
    private readonly Stack<int> _free = new();
    private BehaviorSequence?[] _states = new BehaviorSequence?[256];
    private byte[] _flags = new byte[256];
    private int[] _marks = new int[256];
    private int _used;
    private int _hand;

    public int Count => _slots.Count;

    public BehaviorSequence this[int slot] => _states[slot]!;

    /// <summary>Finds a user and gives it its second chance.</summary>
    public bool TryFind(string userId, out int slot)
    {
        if (!_slots.TryGetValue(userId, out slot))
        {
            return false;
        }

        _flags[slot] |= Referenced;
        return true;
    }

    public bool TryFind(string userId, [NotNullWhen(true)] out BehaviorSequence? state)
    {
        state = TryFind(userId, out int slot) ? _states[slot] : null;
        return state is not null;
    }

    /// <summary>Makes a user that is not resident so, clean and referenced.</summary>
    public int Add(BehaviorSequence state)
    {
        if (!_free.TryPop(out var slot))
        {
            slot = _used++;
            if (slot == _states.Length)
            {
                // By half, not double: at a million users an unused half of three arrays is the larger waste.
                var size = slot + slot / 2;
                Array.Resize(ref _states, size);
                Array.Resize(ref _flags, size);
                Array.Resize(ref _marks, size);
            }
        }

        _slots.Add(state.UserId, slot);
        _states[slot] = state;
        _flags[slot] = Referenced;
        _marks[slot] = 0;
        return slot;
    }

    public void Remove(int slot)
    {
        _slots.Remove(_states[slot]!.UserId);
        _states[slot] = null;
        _flags[slot] = 0;
        _free.Push(slot);
    }

    public Residency ResidencyOf(int slot) => (Residency)(_flags[slot] & ResidencyMask);

    public void SetResidency(int slot, Residency residency) =>
        _flags[slot] = (byte)((_flags[slot] & ~ResidencyMask) | (byte)residency);

    /// <summary>A number that the current turn keeps for the user; 0 when there is none. Whoever sets it resets it.</summary>
    public ref int Mark(int slot) => ref _marks[slot];

    /// <summary>Drops clean users, those not used lately first, until the target is reached or only unsaved ones are left.</summary>
    public void Evict(int target)
    {
        // Two rounds: the first may find every user referenced and only takes the second chances away.
        for (var steps = 2L * _used; steps > 0 && Count > target; steps--)
        {
            _hand = _hand + 1 < _used ? _hand + 1 : 0;
            if (_states[_hand] is null || ResidencyOf(_hand) != Residency.Clean)
            {
                continue;
            }

            if ((_flags[_hand] & Referenced) != 0)
            {
                _flags[_hand] &= unchecked((byte)~Referenced);
            }
            else
            {
                Remove(_hand);
            }
        }
    }
}
