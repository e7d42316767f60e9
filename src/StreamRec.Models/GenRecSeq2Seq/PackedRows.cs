using StreamRec.Torch;

namespace StreamRec.Models.GenRecSeq2Seq;

/// <summary>Where the tokens of padded rows are once they lie one after another without padding: token by token, row by row.</summary>
internal sealed class PackedRows
{
    private readonly Tensor _places;
    private readonly bool _whole;

    private PackedRows(long rows, long width, List<long> places, long[] offsets)
    {
        (Rows, Width) = (rows, width);
        _places = Tensor.From([.. places]);
        _whole = places.Count == rows * width;
        Offsets = Tensor.From(offsets);
        Positions = Tensor.From([.. places.Select(place => place % width)]);
    }

    /// <summary>Rows B.</summary>
    public long Rows { get; }

    /// <summary>Tokens S of the longest row, or more.</summary>
    public long Width { get; }

    /// <summary>int64 [B + 1]: where each row begins among the N tokens.</summary>
    public Tensor Offsets { get; }

    /// <summary>int64 [N]: the place of each token in its row.</summary>
    public Tensor Positions { get; }

    /// <param name="rows">B.</param>
    /// <param name="width">S.</param>
    /// <param name="padding">bool [B, S], true where there is no token; null where there is one everywhere.</param>
    public static PackedRows Of(long rows, long width, Tensor? padding)
    {
        var absent = padding?.ToArray<bool>();
        var (places, offsets) = (new List<long>((int)(rows * width)), new long[rows + 1]);
        for (var row = 0; row < rows; row++)
        {
            for (var place = row * width; place < (row + 1) * width; place++)
            {
                if (absent is null || !absent[place])
                {
                    places.Add(place);
                }
            }

            offsets[row + 1] = places.Count;
        }

        return new PackedRows(rows, width, places, offsets);
    }

    /// <summary>The tokens' parts of padded rows.</summary>
    /// <param name="padded">[B, S, ...].</param>
    /// <returns>[N, ...].</returns>
    public Tensor Pack(Tensor padded)
    {
        var rows = padded.Reshape([Rows * Width, .. padded.Shape[2..]]);
        return _whole ? rows : rows.IndexSelect(0, _places);
    }

    /// <summary>Undoes <see cref="Pack"/>, with zeros where there is no token.</summary>
    /// <param name="packed">float [N, d].</param>
    /// <returns>float [B, S, d].</returns>
    public Tensor Unpack(Tensor packed)
    {
        var d = packed.Size(1);
        var rows = _whole ? packed : Tensor.Zeros([Rows * Width, d]).IndexCopy_(0, _places, packed);
        return rows.View(Rows, Width, d);
    }
}
