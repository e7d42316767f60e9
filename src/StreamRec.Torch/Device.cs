namespace StreamRec.Torch;

/// <summary>Where a tensor's elements live. The default value is the CPU.</summary>
public readonly record struct Device
{
    private Device(int type, int index)
    {
        Type = type;
        Index = index;
    }

    /// <summary>The processor's memory.</summary>
    public static Device Cpu => default;

    /// <summary>0 = CPU, 1 = CUDA: the native side's code.</summary>
    internal int Type { get; }

    /// <summary>Number of the CUDA device, from 0; 0 for the CPU.</summary>
    public int Index { get; }

    public bool IsCuda => Type == 1;

    /// <summary>The CUDA device with this number; using it without one gives a <see cref="TorchException"/>.</summary>
    public static Device Cuda(int index = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        return new Device(1, index);
    }

    internal static Device FromNative(int type, int index) => new(type, index);

    public override string ToString() => IsCuda ? $"cuda:{Index}" : "cpu";
}
