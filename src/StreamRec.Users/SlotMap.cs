using System.Numerics;

namespace StreamRec.Users;

/// <summary>A number for each of a few slots: a turn's users. Small enough for the processor's nearest memory, which the users' rows are not.</summary>
/// <remarks>Threading: one thread at a time.</remarks>
internal sealed class SlotMap
{
    // Slot plus one; 0 where nothing is.
    private int[] _keys = [];
    private int[] _values = [];

    /// <summary>The number of a slot, to be read or set; 0 for a slot that is new.</summary>
    public ref int this[int slot]
    {
        get
        {
            // Neighbours in the table of users have nothing to do with each other; multiplying by the golden ratio spreads them.
            var mask = _keys.Length - 1;
            var place = (int)((uint)slot * 0x9E3779B9u >> 7) & mask;
            while (_keys[place] != slot + 1)
            {
                if (_keys[place] == 0)
                {
                    (_keys[place], _values[place]) = (slot + 1, 0);
                    break;
                }

                place = (place + 1) & mask;
            }

            return ref _values[place];
        }
    }

    /// <summary>Begins anew, with room for so many slots.</summary>
    public void Clear(int most)
    {
        var size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2 * most));
        // Clearing what one large turn needed would cost each small one more than its own work.
        if (_keys.Length < size || _keys.Length > 64 * size)
        {
            (_keys, _values) = (new int[size], new int[size]);
        }
        else
        {
            Array.Clear(_keys);
        }
    }
}
