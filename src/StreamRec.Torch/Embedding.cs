namespace StreamRec.Torch;

/// <summary>A table of vectors by number. Parameter <c>weight</c> [rows, dim], standard normal as in PyTorch.</summary>
public sealed class Embedding : Module
{
    public Embedding(long rows, long dim) =>
        Weight = RegisterParameter("weight", Init.Normal_(Tensor.Empty([rows, dim])));

    /// <summary>float <c>[rows, dim]</c>.</summary>
    public Tensor Weight { get; }

    /// <inheritdoc cref="Forward"/>
    public Tensor this[Tensor indices] => Forward(indices);

    /// <param name="indices">int64 or int32 of any shape, in [0, rows).</param>
    /// <returns>float <c>[..., dim]</c>.</returns>
    /// <exception cref="TorchException">An index is out of range (on the CPU).</exception>
    public Tensor Forward(Tensor indices) => Functional.Embedding(Weight, indices);
}
