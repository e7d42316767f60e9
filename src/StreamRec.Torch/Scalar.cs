using System.Diagnostics.CodeAnalysis;

namespace StreamRec.Torch;

/// <summary>
/// A number given to an operation. It remembers whether it was an integer: <c>ids + 1</c> stays int64, <c>ids + 1.0</c>
/// becomes float.
/// </summary>
/// <remarks>The default value means "none" where an operation allows that. Layout: <c>sr_scalar</c> in native/shim.h.</remarks>
[SuppressMessage("Usage", "CA2225:Operator overloads have named alternates", Justification = "Only ever converted implicitly.")]
public readonly record struct Scalar
{
    private readonly long _bits;
    private readonly long _kind;

    private Scalar(long bits, long kind)
    {
        _bits = bits;
        _kind = kind;
    }

    public static implicit operator Scalar(int value) => new(value, 1);

    public static implicit operator Scalar(long value) => new(value, 1);

    public static implicit operator Scalar(float value) => (double)value;

    public static implicit operator Scalar(double value) => new(BitConverter.DoubleToInt64Bits(value), 2);

    public override string ToString() => _kind switch
    {
        0 => "none",
        1 => $"{_bits}",
        _ => $"{BitConverter.Int64BitsToDouble(_bits)}",
    };
}
