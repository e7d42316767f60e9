namespace StreamRec.Torch;

/// <summary>libtorch's random numbers.</summary>
/// <remarks>
/// One generator for each device serves the whole process, behind a lock: after <see cref="ManualSeed"/> the same calls
/// in the same order give the same numbers, but threads that draw at the same time mix their orders. Where that
/// matters, draw from a seeded <see cref="Random"/> and use <c>Tensor.From</c>.
/// </remarks>
public static class TorchRandom
{
    /// <summary>Restarts the generators of all devices.</summary>
    public static void ManualSeed(long seed) => Native.Check(Native.sr_manual_seed(seed, out var error), error);
}
