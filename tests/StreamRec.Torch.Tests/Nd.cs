namespace StreamRec.Torch.Tests;

/// <summary>An array of doubles with a shape: the reference that operators are compared with, written without libtorch.</summary>
public sealed class Nd
{
    private Nd(long[] shape, double[] data)
    {
        Shape = shape;
        Data = data;
    }

    public long[] Shape { get; }

    public double[] Data { get; }

    public double this[params long[] index] => Data[Offset(index)];

    public static Nd From(double[] data, params long[] shape) => new(shape, data);

    /// <summary>Every element from its index.</summary>
    public static Nd Build(long[] shape, Func<long[], double> element)
    {
        var data = new double[shape.Aggregate(1L, (product, size) => product * size)];
        for (var i = 0L; i < data.Length; i++)
            data[i] = element(Index(shape, i));
        return new Nd(shape, data);
    }

    public static Nd Random(long[] shape, double low, double high, int seed)
    {
        var random = new Random(seed);
        return Build(shape, _ => low + (high - low) * random.NextDouble());
    }

    public static Nd Number(double value) => new([], [value]);

    /// <summary>Element by element with broadcasting.</summary>
    public static Nd Zip(Nd a, Nd b, Func<double, double, double> f)
    {
        var rank = Math.Max(a.Shape.Length, b.Shape.Length);
        var shape = new long[rank];
        for (var d = 0; d < rank; d++)
        {
            var inA = d - rank + a.Shape.Length;
            var inB = d - rank + b.Shape.Length;
            shape[d] = Math.Max(inA < 0 ? 1 : a.Shape[inA], inB < 0 ? 1 : b.Shape[inB]);
        }

        return Build(shape, i => f(a.Broadcast(i), b.Broadcast(i)));
    }

    public Nd Map(Func<double, double> f) => new(Shape, [.. Data.Select(f)]);

    /// <summary>The element at an index of a shape that this one broadcasts to.</summary>
    public double Broadcast(long[] index)
    {
        var skip = index.Length - Shape.Length;
        return this[[.. Shape.Select((size, d) => size == 1 ? 0 : index[d + skip])]];
    }

    /// <summary>One result for each line along a dimension, which goes away.</summary>
    public Nd Reduce(int dim, Func<double[], double> f) =>
        Build([.. Shape.Where((_, d) => d != dim)], i => f(Line(dim, [.. i[..dim], 0, .. i[dim..]])));

    /// <summary>Each line along a dimension replaced by another of any length.</summary>
    public Nd MapLines(int dim, Func<double[], double[]> f)
    {
        var length = f(Line(dim, new long[Shape.Length])).Length;
        return Build([.. Shape.Select((size, d) => d == dim ? length : size)], i => f(Line(dim, With(i, dim, 0)))[i[dim]]);
    }

    public static long[] With(long[] index, int dim, long value)
    {
        var copy = (long[])index.Clone();
        copy[dim] = value;
        return copy;
    }

    private double[] Line(int dim, long[] at) =>
        [.. Enumerable.Range(0, (int)Shape[dim]).Select(j => this[With(at, dim, j)])];

    private long Offset(long[] index) => index.Select((i, d) => (i, d)).Aggregate(0L, (offset, at) => offset * Shape[at.d] + at.i);

    private static long[] Index(long[] shape, long offset)
    {
        var index = new long[shape.Length];
        for (var d = shape.Length - 1; d >= 0; d--)
        {
            index[d] = offset % shape[d];
            offset /= shape[d];
        }

        return index;
    }
}
