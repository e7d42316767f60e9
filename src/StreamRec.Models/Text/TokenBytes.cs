using System.Runtime.InteropServices;

namespace StreamRec.Models.Text;

/// <summary>The bytes that each token stands for, one after the other in one array.</summary>
internal sealed class TokenBytes
{
    private readonly List<byte> _bytes = [];
    private readonly List<int> _ends = [];

    /// <summary>How many tokens there are.</summary>
    public int Count => _ends.Count;

    /// <summary>The bytes of a token.</summary>
    public ReadOnlySpan<byte> this[int id] => CollectionsMarshal.AsSpan(_bytes)[(id == 0 ? 0 : _ends[id - 1]).._ends[id]];

    /// <summary>Adds the next token.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        _bytes.AddRange(bytes);
        _ends.Add(_bytes.Count);
    }
}
