using System.Collections;
using System.Text;

namespace StreamRec.Domain;

/// <summary>Ids in UTF-8, one behind the other in one buffer, without an object for each.</summary>
/// <remarks>As a list of strings it makes a string each time one is asked for. Threading: one thread adds, then any read.</remarks>
public sealed class IdList : IReadOnlyList<string>
{
    private byte[] _text = [];
    private int[] _ends = [];

    /// <inheritdoc/>
    public int Count { get; private set; }

    /// <inheritdoc/>
    public string this[int index] => Encoding.UTF8.GetString(Utf8(index));

    /// <summary>Bytes of all ids.</summary>
    public int Bytes => Count == 0 ? 0 : _ends[Count - 1];

    /// <summary>An id's bytes.</summary>
    public ReadOnlySpan<byte> Utf8(int index)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
        var start = index == 0 ? 0 : _ends[index - 1];
        return _text.AsSpan(start, _ends[index] - start);
    }

    /// <summary>Adds an id, valid UTF-8.</summary>
    public void Add(ReadOnlySpan<byte> utf8)
    {
        var start = Bytes;
        if (Count == _ends.Length)
        {
            Array.Resize(ref _ends, Math.Max(16, 2 * Count));
        }

        if (start + utf8.Length > _text.Length)
        {
            Array.Resize(ref _text, Math.Max(start + utf8.Length, Math.Max(256, 2 * _text.Length)));
        }

        utf8.CopyTo(_text.AsSpan(start));
        _ends[Count++] = start + utf8.Length;
    }

    /// <summary>Takes all ids out and keeps the room.</summary>
    public void Clear() => Count = 0;

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator()
    {
        for (var i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
